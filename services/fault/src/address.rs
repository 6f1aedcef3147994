//! Where a fault acts.

use std::fmt;

/// The name of the gateway in addresses; no service can have it.
pub const GATEWAY: &str = "gateway";

/// The most replicas of a service.
const MAX_REPLICA: u32 = 16;

/// A service by its name, or any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// `*`
    Any,
    /// The service of this name, or the gateway.
    Named(String),
}

impl Party {
    /// Whether `name` is meant.
    pub fn is(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(own) => own == name,
        }
    }

    /// The name; `None` for any.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Named(name) => Some(name),
        }
    }
}

/// Where a fault acts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// `stock`, `stock#2` or `*`: in the processes of a service, of one of its replicas, of every service.
    Service {
        /// The service.
        name: Party,
        /// One replica, counted from 1; `None` for all.
        replica: Option<u32>,
    },
    /// `edge>stock`: in the caller, on calls to the callee.
    Call {
        /// Who calls; can be the gateway.
        caller: Party,
        /// Who is called.
        callee: Party,
    },
    /// `stock>store`: between a service and its store.
    Store(Party),
    /// `stock>queue`: between a service and the queue that it publishes to.
    Queue(Party),
}

impl Address {
    /// What an address must look like, for messages.
    pub const ALLOWED: &str = "SERVICE, SERVICE#2 (a replica), CALLER>CALLEE, SERVICE>store, SERVICE>queue or *, with * for any service";

    /// Reads an address. Whether its services exist is for the caller to check.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((caller, callee)) = text.split_once('>') {
            return match callee {
                "store" => service(caller).map(Self::Store),
                "queue" => service(caller).map(Self::Queue),
                _ => Some(Self::Call { caller: service(caller)?, callee: service(callee)? }),
            };
        }
        let Some((name, replica)) = text.split_once('#') else {
            return service(text).map(|name| Self::Service { name, replica: None });
        };
        let is_plain = replica.bytes().all(|byte| byte.is_ascii_digit()) && !replica.starts_with('0');
        let replica = replica.parse().ok().filter(|number| is_plain && (1..=MAX_REPLICA).contains(number))?;
        Some(Self::Service { name: service(name)?, replica: Some(replica) })
    }

    /// Every service that the address names, and the gateway where it names that.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Service { name, .. } | Self::Store(name) | Self::Queue(name) => (name, None),
            Self::Call { caller, callee } => (caller, Some(callee)),
        };
        [Some(first), second].into_iter().flatten().filter_map(Party::name)
    }
}

fn service(text: &str) -> Option<Party> {
    match text {
        "*" => Some(Party::Any),
        name => is_label(name).then(|| Party::Named(name.to_owned())),
    }
}

/// Whether `text` has the form of a service's name: a DNS label that starts with a letter.
pub fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name().unwrap_or("*"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { name, replica: None } => name.fmt(formatter),
            Self::Service { name, replica: Some(replica) } => write!(formatter, "{name}#{replica}"),
            Self::Call { caller, callee } => write!(formatter, "{caller}>{callee}"),
            Self::Store(name) => write!(formatter, "{name}>store"),
            Self::Queue(name) => write!(formatter, "{name}>queue"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_survives_being_written() {
        for text in [
            "*",
            "stock",
            "stock#2",
            "*#1",
            "stock#16",
            "edge>stock",
            "*>stock",
            "edge>*",
            "*>*",
            "gateway>edge",
            "stock>store",
            "*>store",
            "stock>queue",
            "*>queue",
        ] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "", ">", "a>", ">a", "a>b>c", "A", "a b", "a#0", "a#17", "a#01", "a#x", "a#", "#1", "a>b#1", "**",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
