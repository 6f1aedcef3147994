//! Whether a server can take writes, as the driver's monitors see it.

use std::fmt;

use mongodb::event::sdam::TopologyDescription;

use super::failure::{reason, short};

/// What is known of the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Servers {
    /// Nothing yet: a call may wait for the first look.
    Unseen,
    /// One can take writes.
    Writable,
    /// None can, and why.
    Lost(String),
}

/// What connections are made of.
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
    /// Reads the monitors' newest view. A server that speaks no TLS where the URL asks for it often just hangs up,
    /// so `transport` is part of the reason.
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
                // Of several servers, the one that nobody has seen yet may be the primary.
                None if server.last_update_time().is_none() => return Self::Unseen,
                None => seen.push(format!("{address} is {}", server.server_type())),
            }
        }
        // The map's order changes from look to look.
        failed.sort();
        seen.sort();
        let servers = failed.into_iter().chain(seen).collect::<Vec<_>>().join("; ");
        Self::Lost(match (servers.as_str(), topology.set_name()) {
            ("", Some(name)) => format!("no server is a member of replica set {name}"),
            ("", None) => "no server fits the URL".to_owned(),
            (servers, Some(_)) => short(&format!("no primary: {servers}")),
            (servers, None) => short(servers),
        })
    }
}
