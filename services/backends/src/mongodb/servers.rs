//! Whether a server can take writes, according to the driver's monitors.

use std::fmt;

use mongodb::event::sdam::TopologyDescription;

use super::failure::{reason, short};

/// The state of the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Servers {
    /// Not checked yet: a call may wait for the first check.
    Unseen,
    /// A server can take writes.
    Writable,
    /// No server can take writes; the reason.
    Lost(String),
}

/// The transport of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Plain,
    Tls,
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "",
            Self::Tls => " over TLS",
        })
    }
}

impl Servers {
    /// The state in the monitors' newest description. A server without TLS often just closes a TLS connection, so
    /// `transport` is part of the reason.
    pub(super) fn of(topology: &TopologyDescription, transport: Transport) -> Self {
        if let Some(error) = topology.compatibility_error() {
            return Self::Lost(short(error));
        }
        if topology.has_writable_server() {
            return Self::Writable;
        }
        let mut failed = Vec::new();
        let mut seen = Vec::new();
        for (address, server) in topology.servers() {
            match server.error() {
                Some(error) => failed.push(format!("{address}{transport}: {}", reason(error))),
                // The one that is not checked yet may be the primary.
                None if server.last_update_time().is_none() => return Self::Unseen,
                None => seen.push(format!("{address} is {}", server.server_type())),
            }
        }
        // The map's order varies.
        failed.sort();
        seen.sort();
        let servers = failed.into_iter().chain(seen).collect::<Vec<_>>().join("; ");
        Self::Lost(match (servers.as_str(), topology.set_name()) {
            ("", Some(name)) => format!("no server is a member of replica set {name}"),
            ("", None) => "no server matches the URL".to_owned(),
            (servers, Some(_)) => short(&format!("no primary: {servers}")),
            (servers, None) => short(servers),
        })
    }
}
