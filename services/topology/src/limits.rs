//! How large a topology and its answers may be.

use octet_fault::Size;

/// The maximum size of a topology's text, in bytes. A caller that reads a file needs to read at most one byte more.
pub const MAX_BYTES: usize = 256 * 1024;

/// The maximum number of services.
pub const MAX_SERVICES: usize = 64;

/// The maximum number of replicas of one service.
pub const MAX_REPLICAS: u32 = 16;

/// The maximum number of processes of all services.
pub const MAX_PROCESSES: u32 = 128;

/// The maximum number of `[[edge]]` tables.
pub const MAX_EDGES: usize = 512;

/// The maximum number of greetings in one answer.
///
/// A service reached along two paths greets twice, so the number can double with each service: where each of 12
/// services calls all that follow it, an answer holds 2,048 greetings.
pub const MAX_GREETINGS: usize = 1_000;

/// The largest seed: TOML's integers are signed.
pub(crate) const MAX_SEED: u64 = i64::MAX as u64;

/// The maximum number of calls of one upstream in one call.
pub(crate) const MAX_TIMES: u64 = 100;

/// The maximum number of calls that a service works on, and that may wait.
pub(crate) const MAX_CONCURRENT: u64 = 100_000;

/// The maximum number of attempts of one call.
pub(crate) const MAX_ATTEMPTS: u64 = 10;

/// The maximum number of bytes that are added to a message.
pub(crate) const MAX_PAYLOAD: Size = Size::mib(1);

/// The maximum size of a service's greeting, in bytes.
///
/// An answer of [`MAX_GREETINGS`] such greetings stays well below the 4 MiB that a gRPC client accepts by default.
pub(crate) const MAX_GREETING_BYTES: usize = 1_024;

/// The maximum number of reported syntax errors: after one, the parser often reports more that follow from it.
pub(crate) const MAX_SYNTAX_FINDINGS: usize = 20;

/// The maximum length of foreign text in a message, in characters.
pub(crate) const MAX_QUOTED: usize = 80;
