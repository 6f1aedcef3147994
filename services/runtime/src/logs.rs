//! Logs: one JSON object a line on stdout, or a form for eyes; the level by `LOG_LEVEL`.

mod json;
mod sink;

use std::io::IsTerminal;

use tracing::{Level, Span, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

pub use sink::LogGuard;

use self::sink::Sink;
use crate::{environment::Environment, telemetry::TraceIds};

/// The name that every crate of Octet begins with, and so every one of its targets.
const OWN_TARGETS: &str = "octet";

/// The AMQP client, which calls every lost connection an error, several times over; the adapter tells it once.
const TOLD_BY_US: &str = "lapin";

/// How and what to log.
#[derive(Debug, Clone)]
pub struct LogSettings {
    format: LogFormat,
    filter: Targets,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogFormat {
    Json,
    Pretty,
}

impl LogSettings {
    /// Reads `LOG_LEVEL` and `LOG_FORMAT`.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let filter = environment.or(
            "LOG_LEVEL",
            "trace, debug, info, warn, warning, error, fatal, panic, off, \
             or a filter such as info,octet_greeting=debug",
            level(LevelFilter::INFO),
            filter,
        );
        let format = environment.or("LOG_FORMAT", "json or pretty", LogFormat::Json, |text| match text {
            "json" => Ok(LogFormat::Json),
            "pretty" => Ok(LogFormat::Pretty),
            _ => Err(()),
        });
        Self { format, filter }
    }

    /// Installs the process's logs; lines say that they come from `service`. A second call does nothing.
    ///
    /// Keep the guard until the end of the process: it writes the last lines.
    pub fn install(self, service: &str) -> LogGuard {
        let (layer, guard) = match self.format {
            LogFormat::Json => {
                let (sink, guard) = Sink::start();
                let layer =
                    json::JsonLayer::new(service, move |line: &[u8], urgency| sink.write(line, urgency));
                (layer.boxed(), guard)
            }
            LogFormat::Pretty => {
                // In a file, colours are noise.
                let colours = std::io::stdout().is_terminal();
                (tracing_subscriber::fmt::layer().with_ansi(colours).boxed(), LogGuard::idle())
            }
        };
        // Only a test that installs twice can fail here, and the first installation serves it too.
        let _ = tracing_subscriber::registry().with(layer.with_filter(self.filter)).try_init();
        guard
    }
}

/// The span whose fields every log line of one request carries.
///
/// Off when the level is: a request then costs nothing here.
pub fn request_span(request_id: &str, trace: Option<&TraceIds>) -> Span {
    let trace_id = trace.map(|ids| ids.trace.as_str());
    let span_id = trace.and_then(|ids| ids.span.as_deref());
    tracing::span!(target: "octet_runtime", Level::ERROR, "request", request_id, trace_id, span_id)
}

/// Has the lines of the request that is worked on carry the ids of its trace, from now on.
pub fn record_trace(trace: &TraceIds) {
    let span = Span::current();
    span.record("trace_id", trace.trace.as_str());
    if let Some(span_id) = &trace.span {
        span.record("span_id", span_id.as_str());
    }
}

/// A plain level speaks of our own targets; others, which at `debug` say more of HTTP/2 frames than of
/// greetings, stay at `info` or quieter. A full filter is taken as it is.
fn filter(text: &str) -> Result<Targets, ()> {
    let plain = match text.to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" | "warning" => LevelFilter::WARN,
        "error" | "fatal" | "panic" => LevelFilter::ERROR,
        "off" => LevelFilter::OFF,
        _ => return full_filter(text),
    };
    Ok(level(plain))
}

fn level(own: LevelFilter) -> Targets {
    Targets::new()
        .with_default(own.min(LevelFilter::INFO))
        .with_target(OWN_TARGETS, own)
        .with_target(TOLD_BY_US, LevelFilter::OFF)
}

/// A word alone would be read as the name of a target, so a mistyped level would log everything.
fn full_filter(text: &str) -> Result<Targets, ()> {
    if text.contains(['=', ',']) { text.parse().map_err(drop) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_of_the_2021_platform_is_understood() {
        for text in ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic", "off", "INFO"] {
            assert!(filter(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_plain_level_speaks_of_our_own_targets() {
        let debug = filter("debug").unwrap();
        assert!(debug.would_enable("octet_greeting::server", &Level::DEBUG));
        assert!(!debug.would_enable("h2::codec", &Level::DEBUG));
        assert!(!debug.would_enable("lapin::io_loop", &Level::ERROR));
    }

    #[test]
    fn a_full_filter_is_taken_as_it_is() {
        let filter = filter("warn,octet_greeting=trace").unwrap();
        assert!(filter.would_enable("octet_greeting", &Level::TRACE));
        assert!(!filter.would_enable("octet_runtime", &Level::INFO));
    }

    #[test]
    fn a_mistyped_level_is_refused() {
        for text in ["debgu", "octet", "octet=loud", "info,octet=7x"] {
            assert_eq!(filter(text), Err(()), "{text}");
        }
    }
}
