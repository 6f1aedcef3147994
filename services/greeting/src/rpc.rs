//! The paths of the greeting RPCs.

/// The full path, for metrics, spans and calls.
pub(crate) const GREETING: &str = "/greeting.v3.GreetingService/Greeting";

/// As [`GREETING`], for the RPC that streams.
pub(crate) const GREETING_STREAM: &str = "/greeting.v3.GreetingService/GreetingStream";

/// The common start of the paths of their service.
pub(crate) const GREETING_SERVICE: &str = "/greeting.v3.GreetingService/";
