//! Bounds on the memory that a decoded message takes: of a request, counted while it is decoded, and of a response,
//! counted before.
//!
//! Messages that are known by their descriptors only are much larger than their JSON: `[[],[],…]` as a `ListValue` would
//! take 600 times its length.

use std::{cell::Cell, mem::size_of};

use prost_reflect::{MapKey, Value};

/// The most bytes of memory for each byte of a request. Objects with short fields need about 20.
const FACTOR: usize = 32;
/// What every request can take, however short it is.
const MIN_LIMIT: usize = 4 * 1024 * 1024;

/// Messages keep their fields in a B-tree, whose nodes have room for eleven.
const NODE: usize = 12 * (size_of::<Value>() + 16);

/// The memory of a message that has a field. Without any it takes no memory of its own.
pub(super) const MESSAGE: usize = NODE;
/// The memory of each further field: nodes are at least half full.
pub(super) const FIELD: usize = NODE / 5;
/// The memory of a list's element: lists have room for up to twice their elements.
pub(super) const ELEMENT: usize = 2 * size_of::<Value>();
/// The memory of a map's entry: hash tables have room for up to twice their entries, and more when they are small.
pub(super) const ENTRY: usize = 3 * (size_of::<MapKey>() + size_of::<Value>());

/// What every response can take: twelve times the largest one. There is one at a time.
pub(super) const RESPONSE_LIMIT: usize = 48 * 1024 * 1024;

/// The largest JSON of a response: six times the largest message, whose control characters take six bytes each, and the
/// names of unset fields.
pub(super) const RESPONSE_JSON: usize = 25 * 1024 * 1024;

/// The memory that a message can still take.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: Cell<usize>,
}

impl Budget {
    /// The budget of a request of `encoded` bytes: body and query.
    pub(super) fn of(encoded: usize) -> Self {
        Self { limit: encoded.saturating_mul(FACTOR).max(MIN_LIMIT), used: Cell::new(0) }
    }

    /// The budget of a response.
    pub(super) fn of_response() -> Self {
        Self { limit: RESPONSE_LIMIT, used: Cell::new(0) }
    }

    /// Counts `bytes`, and returns whether the message is within its limit.
    pub(super) fn admits(&self, bytes: usize) -> bool {
        self.used.set(self.used.get().saturating_add(bytes));
        self.used.get() <= self.limit
    }

    /// Counts `bytes` of a request.
    ///
    /// # Errors
    /// When the request would take more than its limit, which the error names.
    pub(super) fn charge(&self, bytes: usize) -> Result<(), String> {
        if self.admits(bytes) { Ok(()) } else { self.exceeded().map_or(Ok(()), Err) }
    }

    /// The error, if the budget has been exceeded.
    pub(super) fn exceeded(&self) -> Option<String> {
        (self.used.get() > self.limit).then(|| {
            let limit = self.limit;
            format!(
                "the decoded request exceeds the limit of {limit} bytes of memory ({FACTOR} times its length, and at \
                 least {MIN_LIMIT}): send fewer values, or several requests"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_from_the_length_and_has_a_minimum() {
        for (encoded, limit) in [
            (0, MIN_LIMIT),
            (MIN_LIMIT / FACTOR, MIN_LIMIT),
            (1024 * 1024, 32 * 1024 * 1024),
            (usize::MAX, usize::MAX),
        ] {
            let budget = Budget::of(encoded);
            assert_eq!(budget.charge(limit), Ok(()), "{encoded}");
            assert_eq!(budget.charge(1).is_err(), limit != usize::MAX, "{encoded}");
        }
    }
}
