//! The limit of concurrent requests. Requests beyond it are refused immediately: a queue in front of a slow process makes
//! every caller wait for responses that come too late.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::environment::Environment;

/// Requests in flight, up to a limit.
#[derive(Debug, Clone)]
pub struct Admission {
    free: Arc<Semaphore>,
    max: usize,
}

/// A permit for one request, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    _permit: OwnedSemaphorePermit,
}

/// The limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("overloaded: {max} requests are in flight; try again later")]
pub struct Overloaded {
    max: usize,
}

impl Admission {
    /// Reads `MAX_CONCURRENT`, the limit of requests in flight.
    pub fn from_environment(environment: &mut Environment<'_>, default: usize) -> Self {
        let max = environment.number("MAX_CONCURRENT", default, 1..=100_000);
        Self { free: Arc::new(Semaphore::new(max)), max }
    }

    /// The limit.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Admits one more request.
    ///
    /// # Errors
    /// [`Overloaded`] at the limit.
    pub fn admit(&self) -> Result<Admitted, Overloaded> {
        match self.free.clone().try_acquire_owned() {
            Ok(permit) => Ok(Admitted { _permit: permit }),
            Err(_) => Err(Overloaded { max: self.max }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_request_beyond_the_limit_is_refused_until_another_ends() {
        let variables = BTreeMap::from([("MAX_CONCURRENT".to_owned(), "1".to_owned())]);
        let admission = Admission::from_environment(&mut Environment::new(&variables), 10);
        let first = admission.admit().expect("below the limit");
        assert_eq!(admission.admit().expect_err("at the limit"), Overloaded { max: 1 });
        drop(first);
        admission.admit().expect("below the limit again");
    }
}
