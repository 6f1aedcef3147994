//! `LOG_LEVEL`'s grammar.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The prefix of every crate of Octet, and so of its log targets.
const OWN_TARGETS: &str = "octet";

/// The AMQP client, which logs each lost connection several times as an error; Octet's adapter logs it once.
const SILENCED_TARGET: &str = "lapin";

/// Completes the sentence "must be …".
pub const ALLOWED: &str = "trace, debug, info, warn, warning, error, fatal, panic, off, \
     or a filter such as info,octet_greeting=debug";

/// A filter, and the text from which it was parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFilter {
    text: String,
    targets: Targets,
}

impl LogFilter {
    /// Parses a level or a full filter.
    ///
    /// A plain level applies to Octet's own targets; others, which at `debug` log HTTP/2 frames, stay at `info` or above. A
    /// full filter applies literally.
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

    /// The text from which it was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The level of each target: `lapin=off,octet=debug,info`.
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
        .with_target(SILENCED_TARGET, LevelFilter::OFF)
}

/// A single word would be parsed as a target, so that a mistyped level would enable everything.
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
    fn every_level_of_the_2021_platform_is_accepted() {
        for text in ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic", "off", "INFO"] {
            assert!(LogFilter::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_plain_level_applies_to_octets_own_targets() {
        let debug = targets("debug");
        assert!(debug.would_enable("octet_greeting::server", &Level::DEBUG));
        assert!(!debug.would_enable("h2::codec", &Level::DEBUG));
        assert!(!debug.would_enable("lapin::io_loop", &Level::ERROR));
    }

    #[test]
    fn a_full_filter_applies_literally() {
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
