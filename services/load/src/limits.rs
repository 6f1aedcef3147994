//! The bounds of a load.

use std::time::Duration;

/// Users, or concurrent requests at a given rate.
pub const MAX_USERS: u32 = 5_000;
/// Requests per second.
pub const MAX_RATE: u32 = 50_000;
/// How long a load may run; it keeps a row for each second.
pub const MAX_DURATION: Duration = Duration::from_hours(1);
/// Requests of a load.
pub const MAX_REQUESTS: u64 = 100_000_000;
/// How long a request may wait for its response.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(1);

/// Users, unless the plan has another number.
pub const DEFAULT_USERS: u32 = 25;
/// The duration of a load without a number of requests.
pub const DEFAULT_DURATION: Duration = Duration::from_secs(10);
/// How long a request waits, unless the plan says otherwise. The gateway's own deadline is shorter.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// Users who share a connection of HTTP/2. Servers often limit a connection to 100 streams.
pub(crate) const USERS_PER_CONNECTION: usize = 50;

/// A user whose connection failed waits this long, unless a rate sets its pace: without it a server that refuses
/// connections would be asked thousands of times a second.
pub(crate) const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// A request that is sent this long after it was due is counted as late.
pub(crate) const LATE: Duration = Duration::from_millis(10);

/// The slowest successful requests that a report names.
pub(crate) const SLOWEST: usize = 20;
/// The failed requests that a report names: the first ones and the last ones.
pub(crate) const FAILED: usize = 25;

/// Bytes of a response that are read; a longer one is an error.
pub(crate) const MAX_BODY: u64 = 64 * 1024 * 1024;
