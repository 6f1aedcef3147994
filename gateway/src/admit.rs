//! Admits calls: by their number, and by the memory that their request messages take while they wait for the entry service.

use std::sync::Arc;

use octet_runtime::admission::{Admission, Admitted, Overloaded};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Messages are counted in units of this many bytes.
const UNIT: usize = 1024;

/// Admits calls. Clones share the limits.
#[derive(Clone)]
pub(crate) struct Admit {
    calls: Admission,
    /// What messages in flight may take. A few bytes can decompress to a large message.
    units: Arc<Semaphore>,
}

/// A permit for one call, until it is dropped.
pub(crate) struct Permit {
    _call: Admitted,
    _message: OwnedSemaphorePermit,
}

/// Why a call was not admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Calls(#[from] Overloaded),
    #[error("overloaded: too many large requests are in flight; try again later")]
    Messages,
}

impl Admit {
    /// As many calls as `calls` admits, with messages of up to `bytes` together.
    pub(crate) fn new(calls: Admission, bytes: usize) -> Self {
        Self { calls, units: Arc::new(Semaphore::new(bytes / UNIT)) }
    }

    /// Admits a call whose message has `bytes`.
    ///
    /// # Errors
    /// [`Refused`] at a limit.
    pub(crate) fn admit(&self, bytes: usize) -> Result<Permit, Refused> {
        let call = self.calls.admit()?;
        let units = u32::try_from(bytes / UNIT).map_err(|_| Refused::Messages)?;
        let message = self.units.clone().try_acquire_many_owned(units).map_err(|_| Refused::Messages)?;
        Ok(Permit { _call: call, _message: message })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use octet_runtime::environment::Environment;

    use super::*;

    #[test]
    fn messages_in_flight_are_bounded_in_bytes() {
        let nothing = BTreeMap::<String, String>::new();
        let admission = Admission::from_environment(&mut Environment::new(&nothing), 10);
        let admit = Admit::new(admission, 10 * UNIT);
        let first = admit.admit(8 * UNIT).expect("there is room");
        admit.admit(2 * UNIT).expect("there is room");
        let refused = admit.admit(3 * UNIT).err().expect("no room");
        assert_eq!(refused.to_string(), "overloaded: too many large requests are in flight; try again later");
        drop(first);
        admit.admit(3 * UNIT).expect("there is room again");
    }
}
