//! The other side of a call, from the attributes by which spans name it.

use std::{borrow::Cow, net::IpAddr};

use octet_zipkin::Kind;

use crate::span::Attributes;

/// The attributes that can name the other side, the best first; OpenTelemetry's order for Zipkin exporters, with queues
/// first among messages, and a database's name for those whose server has none. Without `peer.address`, in which Envoy
/// reports its own caller.
const CALLED: [&str; 10] = [
    "peer.service",
    "server.address",
    "net.peer.name",
    "network.peer.address",
    "net.sock.peer.name",
    "net.sock.peer.addr",
    "db.namespace",
    "db.name",
    "db.system.name",
    "db.system",
];
const QUEUES: [&str; 4] =
    ["peer.service", "messaging.destination.name", "messaging.destination", "message_bus.destination"];

/// At a server, only what names its caller: `server.address` is its own.
const CALLERS: [&str; 4] = ["peer.service", "network.peer.address", "net.sock.peer.addr", "net.peer.ip"];

const CALLER_PORTS: [&str; 2] = ["network.peer.port", "net.sock.peer.port"];

const PORTS: [&str; 4] = ["server.port", "net.peer.port", "network.peer.port", "net.sock.peer.port"];

/// The other side.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Remote<'a> {
    pub(crate) service: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
}

/// The other side of a span; empty for a local span.
pub(crate) fn of<'a>(kind: Option<Kind>, attributes: &'a Attributes<'_>) -> Remote<'a> {
    let (names, ports): (&[&str], &[&str]) = match kind {
        Some(Kind::Client) => (&CALLED, &PORTS),
        Some(Kind::Producer | Kind::Consumer) => (&QUEUES, &PORTS),
        Some(Kind::Server) => (&CALLERS, &CALLER_PORTS),
        None => (&["peer.service"], &[]),
    };
    let mut remote = Remote::default();
    for name in names {
        let Some(value) = value(attributes, name).filter(|value| !value.is_empty()) else { continue };
        match host(value) {
            Some(address) if *name != "peer.service" => remote.address = remote.address.or(Some(address)),
            _ if remote.service.is_none() && remote.address.is_none() => remote.service = Some(value),
            _ => {}
        }
    }
    if remote != Remote::default() {
        let port = ports.iter().find_map(|name| value(attributes, name)?.parse().ok());
        remote.port = port.unwrap_or_default();
    }
    remote
}

fn value<'a>(attributes: &'a Attributes<'_>, name: &str) -> Option<&'a str> {
    attributes.iter().rev().find(|(key, _)| key == name).map(|(_, value): &(_, Cow<'_, str>)| &**value)
}

/// An address, with brackets or a port as Envoy writes it.
fn host(text: &str) -> Option<IpAddr> {
    let address = text.trim_matches(['[', ']']).parse();
    address.ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
}
