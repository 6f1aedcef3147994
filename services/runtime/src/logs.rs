//! Logs: one JSON object a line on stdout, or a human-readable format; the level by `LOG_LEVEL`, and temporarily by the admin
//! server.

mod filter;
mod headers;
mod json;
mod levels;
mod sink;

use std::io::IsTerminal;

use tracing::{Level, Span};
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub use filter::{ALLOWED, LogFilter};
pub use headers::{HEADERS, is_secret, is_url, masked, masked_pairs};
pub(crate) use json::{key_suffix, lower_case};
pub use levels::{ActiveFilter, LogLevels};
pub use sink::LogGuard;

use self::sink::Sink;
use crate::{
    environment::Environment,
    telemetry::{LogExport, TelemetrySettings, TraceIds},
};

/// The format and the levels of the logs.
#[derive(Debug, Clone)]
pub struct LogSettings {
    format: LogFormat,
    levels: LogLevels,
    /// Where lines are exported, besides standard output.
    export: Option<LogExport>,
}

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogFormat {
    Json,
    Pretty,
}

impl LogSettings {
    /// Reads `LOG_LEVEL` and `LOG_FORMAT`.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let filter = environment
            .or("LOG_LEVEL", ALLOWED, LogFilter::default(), |text| LogFilter::parse(text).ok_or(()));
        let format = environment.or("LOG_FORMAT", "json or pretty", LogFormat::Json, |text| match text {
            "json" => Ok(LogFormat::Json),
            "pretty" => Ok(LogFormat::Pretty),
            _ => Err(()),
        });
        Self { format, levels: LogLevels::new(filter), export: None }
    }

    /// The levels, to read and to change.
    pub fn levels(&self) -> LogLevels {
        self.levels.clone()
    }

    /// Exports lines, too, where `telemetry` does.
    #[must_use]
    pub fn exported_by(mut self, telemetry: &TelemetrySettings) -> Self {
        self.export = telemetry.log_export();
        self
    }

    /// Installs the process's logs; `service` is a field of every line. A second call has no effect.
    ///
    /// Keep the guard until the process ends: it writes the last lines.
    pub fn install(self, service: &str) -> LogGuard {
        let (layer, guard) = match self.format {
            LogFormat::Json => {
                let (sink, guard) = Sink::start();
                let layer =
                    json::JsonLayer::new(service, move |line: &[u8], urgency| sink.write(line, urgency));
                (layer.boxed(), guard)
            }
            LogFormat::Pretty => {
                // No colours in a file.
                let colours = std::io::stdout().is_terminal();
                (tracing_subscriber::fmt::layer().with_ansi(colours).boxed(), LogGuard::idle())
            }
        };
        let export = self.export.map(|export| export.layer(service));
        let (export, error) = match export.transpose() {
            Ok(export) => (export, None),
            Err(error) => (None, Some(error)),
        };
        let layer = layer.and_then(export).with_filter(self.levels);
        // Only a test that installs twice fails here; the first installation stays.
        let _ = tracing_subscriber::registry().with(layer).try_init();
        if let Some(error) = error {
            tracing::error!(%error, "log lines cannot be exported");
        }
        guard
    }
}

/// The span whose fields every log line of one request contains.
///
/// Disabled with logging, so that a request then costs nothing here.
pub fn request_span(request_id: &str, trace: Option<&TraceIds>) -> Span {
    let trace_id = trace.map(|ids| ids.trace.as_str());
    let span_id = trace.and_then(|ids| ids.span.as_deref());
    tracing::span!(target: "octet_runtime", Level::ERROR, "request", request_id, trace_id, span_id)
}

/// Adds the trace ids to all further log lines of the current request.
pub fn record_trace(trace: &TraceIds) {
    let span = Span::current();
    span.record("trace_id", trace.trace.as_str());
    if let Some(span_id) = &trace.span {
        span.record("span_id", span_id.as_str());
    }
}
