//! Whether a server can take writes, as the driver's monitors see it.

use std::fmt::Write;

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

impl Servers {
    /// Reads the monitors' newest view.
    pub(super) fn of(topology: &TopologyDescription) -> Self {
        if let Some(error) = topology.compatibility_error() {
            return Self::Lost(short(error));
        }
        if topology.has_writable_server() {
            return Self::Writable;
        }
        let mut failed = Vec::new();
        let mut unseen = 0_usize;
        let mut seen = Vec::new();
        for (address, server) in topology.servers() {
            match server.error() {
                Some(error) => failed.push(format!("{address}: {}", reason(error))),
                None if server.last_update_time().is_none() => unseen += 1,
                None => seen.push(format!("{address} is {}", server.server_type())),
            }
        }
        if seen.is_empty() && failed.is_empty() && unseen > 0 {
            return Self::Unseen;
        }
        // The map's order changes from look to look.
        failed.sort();
        seen.sort();
        let mut text = String::new();
        for part in failed.into_iter().chain(seen) {
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{separator}{part}");
        }
        match (text.is_empty(), topology.set_name()) {
            (true, Some(name)) => Self::Lost(format!("no server is a member of replica set {name}")),
            (true, None) => Self::Lost("no server fits the URL".to_owned()),
            (false, _) => Self::Lost(short(&text)),
        }
    }
}
