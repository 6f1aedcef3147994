//! How much a process takes on at once. What is beyond that is refused at once: a queue in front of a process
//! that is too slow makes every caller wait for answers that come too late.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::environment::Environment;

/// Work under way, and how much of it there may be.
#[derive(Debug, Clone)]
pub struct Admission {
    free: Arc<Semaphore>,
    most: usize,
}

/// Leave to do one thing, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    _permit: OwnedSemaphorePermit,
}

/// There is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("overloaded: {most} requests are under way, try again later")]
pub struct Overloaded {
    most: usize,
}

impl Admission {
    /// Reads `MAX_CONCURRENT`: how many requests may be under way.
    pub fn from_environment(environment: &mut Environment<'_>, default: usize) -> Self {
        let most = environment.number("MAX_CONCURRENT", default, 1..=100_000);
        Self { free: Arc::new(Semaphore::new(most)), most }
    }

    /// Takes on one more.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room.
    pub fn admit(&self) -> Result<Admitted, Overloaded> {
        match self.free.clone().try_acquire_owned() {
            Ok(permit) => Ok(Admitted { _permit: permit }),
            Err(_) => Err(Overloaded { most: self.most }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_beyond_the_limit_is_refused_until_something_ends() {
        let variables = BTreeMap::from([("MAX_CONCURRENT".to_owned(), "1".to_owned())]);
        let admission = Admission::from_environment(&mut Environment::new(&variables), 10);
        let first = admission.admit().expect("room");
        assert_eq!(admission.admit().expect_err("full"), Overloaded { most: 1 });
        drop(first);
        admission.admit().expect("room again");
    }
}
