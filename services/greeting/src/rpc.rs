//! The paths of the greeting RPC.

/// The full path, for metrics, spans and calls.
pub(crate) const GREETING: &str = "/greeting.v3.GreetingService/Greeting";

/// The common start of the paths of its service.
pub(crate) const GREETING_SERVICE: &str = "/greeting.v3.GreetingService/";
