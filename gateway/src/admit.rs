//! Admits calls: by their number, and by the memory that their request messages take while they wait for the entry service.
//! One client can exhaust neither.

mod shares;
mod turns;

use octet_runtime::admission::Admission;

pub(crate) use self::{
    shares::{Caller, Exhausted, Share, Shares},
    turns::Turns,
};

/// Messages are counted in units of this many bytes.
const UNIT: usize = 1024;

/// Admits calls. Clones share the limits.
#[derive(Clone)]
pub(crate) struct Admit {
    max: usize,
    calls: Shares,
    /// What messages in flight may take. A few bytes can decompress to a large message.
    units: Shares,
}

/// A permit for one call, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _call: Share,
    _message: MessageShare,
}

/// A caller's part of what messages in flight may take, until it is dropped.
#[derive(Debug)]
pub(crate) struct MessageShare(Share);

/// Why a call was not admitted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("overloaded: {0} requests are in flight; try again later")]
    Calls(usize),
    #[error("overloaded: too many requests of this client are in flight; try again later")]
    CallsOfClient,
    #[error("overloaded: too many large requests are in flight; try again later")]
    Messages,
}

impl Admit {
    /// As many calls as `calls` admits, with messages of up to `bytes` together.
    pub(crate) fn new(calls: &Admission, bytes: usize) -> Self {
        let max = calls.max();
        Self { max, calls: Shares::new(max), units: Shares::new(bytes / UNIT) }
    }

    /// Admits a call whose message has `bytes`.
    ///
    /// # Errors
    /// [`Refused`] at a limit.
    pub(crate) fn admit(&self, caller: Caller, bytes: usize) -> Result<Permit, Refused> {
        let call = self.calls.take(caller, 1).map_err(|exhausted| match exhausted {
            Exhausted::Limit => Refused::Calls(self.max),
            Exhausted::Client => Refused::CallsOfClient,
        })?;
        let mut message = self.messages(caller);
        message.resize(bytes)?;
        Ok(Permit { _call: call, _message: message })
    }

    /// For the messages of a client that streams.
    pub(crate) fn messages(&self, caller: Caller) -> MessageShare {
        MessageShare(self.units.nothing(caller))
    }
}

impl MessageShare {
    /// The caller's messages in flight now have `bytes`.
    ///
    /// # Errors
    /// [`Refused::Messages`] at the limit.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), Refused> {
        self.0.resize(bytes / UNIT).map_err(|_| Refused::Messages)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::Extensions;
    use octet_runtime::environment::Environment;

    use super::*;

    fn admit(calls: usize, bytes: usize) -> Admit {
        let nothing = BTreeMap::<String, String>::new();
        Admit::new(&Admission::from_environment(&mut Environment::new(&nothing), calls), bytes)
    }

    #[test]
    fn messages_in_flight_are_bounded_in_bytes() {
        let (admit, caller) = (admit(10, 10 * UNIT), Caller::of(&Extensions::new()));
        let first = admit.admit(caller, 8 * UNIT).expect("there is room");
        let refused = admit.admit(caller, 3 * UNIT).expect_err("no room");
        assert_eq!(refused.to_string(), "overloaded: too many large requests are in flight; try again later");
        admit.admit(caller, UNIT - 1).expect("a small message needs no room");
        drop(first);
        admit.admit(caller, 3 * UNIT).expect("there is room again");
    }

    #[test]
    fn a_call_over_a_limit_is_refused_with_its_reason() {
        let (admit, caller) = (admit(2, 0), Caller::of(&Extensions::new()));
        let _first = admit.admit(caller, 0).expect("the first");
        assert_eq!(admit.admit(caller, 0).expect_err("of this client"), Refused::CallsOfClient);
        let other = Caller::of(
            &http::Request::builder().extension(client()).body(()).unwrap().into_parts().0.extensions,
        );
        let _second = admit.admit(other, 0).expect("another client");
        assert_eq!(admit.admit(other, 0).expect_err("at the limit"), Refused::Calls(2));
    }

    fn client() -> crate::edge::ClientAddress {
        crate::edge::ClientAddress(std::net::Ipv4Addr::LOCALHOST.into())
    }
}
