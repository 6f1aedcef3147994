//! Which lines are written: `LOG_LEVEL`'s grammar.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The name that every crate of Octet begins with, and so every one of its targets.
const OWN_TARGETS: &str = "octet";

/// The AMQP client, which calls every lost connection an error, several times over; the adapter tells it once.
const TOLD_BY_US: &str = "lapin";

/// What a filter may be, as the end of the sentence "must be …".
pub const ALLOWED: &str = "trace, debug, info, warn, warning, error, fatal, panic, off, \
     or a filter such as info,octet_greeting=debug";

/// A filter, and the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFilter {
    text: String,
    targets: Targets,
}

impl LogFilter {
    /// Reads a level or a full filter.
    ///
    /// A plain level speaks of our own targets; others, which at `debug` say more of HTTP/2 frames than of
    /// greetings, stay at `info` or quieter. A full filter is taken as it is.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = match text.to_ascii_lowercase().as_str() {
            "trace" => LevelFilter::TRACE,
            "debug" => LevelFilter::DEBUG,
            "info" => LevelFilter::INFO,
            "warn" | "warning" => LevelFilter::WARN,
            "error" | "fatal" | "panic" => LevelFilter::ERROR,
            "off" => LevelFilter::OFF,
            _ => return full_filter(text).map(|targets| Self { text: text.to_owned(), targets }),
        };
        Some(Self { text: text.to_owned(), targets: level(plain) })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says of each target: `lapin=off,octet=debug,info`.
    pub(super) fn targets(&self) -> &Targets {
        &self.targets
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { text: "info".to_owned(), targets: level(LevelFilter::INFO) }
    }
}

fn level(own: LevelFilter) -> Targets {
    Targets::new()
        .with_default(own.min(LevelFilter::INFO))
        .with_target(OWN_TARGETS, own)
        .with_target(TOLD_BY_US, LevelFilter::OFF)
}

/// A word alone would be read as the name of a target, so a mistyped level would log everything.
fn full_filter(text: &str) -> Option<Targets> {
    if text.contains(['=', ',']) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn targets(text: &str) -> Targets {
        LogFilter::parse(text).unwrap().targets
    }

    #[test]
    fn every_level_of_the_2021_platform_is_understood() {
        for text in ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic", "off", "INFO"] {
            assert!(LogFilter::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_plain_level_speaks_of_our_own_targets() {
        let debug = targets("debug");
        assert!(debug.would_enable("octet_greeting::server", &Level::DEBUG));
        assert!(!debug.would_enable("h2::codec", &Level::DEBUG));
        assert!(!debug.would_enable("lapin::io_loop", &Level::ERROR));
    }

    #[test]
    fn a_full_filter_is_taken_as_it_is() {
        let filter = targets("warn,octet_greeting=trace");
        assert!(filter.would_enable("octet_greeting", &Level::TRACE));
        assert!(!filter.would_enable("octet_runtime", &Level::INFO));
    }

    #[test]
    fn a_mistyped_level_is_refused() {
        for text in ["debgu", "octet", "octet=loud", "info,octet=7x", ""] {
            assert_eq!(LogFilter::parse(text), None, "{text}");
        }
    }
}
