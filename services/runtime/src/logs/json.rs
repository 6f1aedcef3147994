//! The JSON format of a log line.

use std::{fmt, io::Write, time::SystemTime};

use super::sink::Urgency;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, Scope},
};

/// Keys of the layer itself; an event's field of the same name gets a trailing underscore.
const OWN_KEYS: [&str; 11] = [
    "time",
    "level",
    "service",
    "message",
    "target",
    "module",
    "file",
    "line",
    "trace_id",
    "span_id",
    "request_id",
];

/// Fields of a span that every line within it contains.
const SPAN_KEYS: [&str; 3] = ["trace_id", "span_id", "request_id"];

/// Formats each event as one line.
pub(super) struct JsonLayer<W> {
    service: String,
    write: W,
}

/// The fields of a request's span in JSON: `,"request_id":"…"`.
struct SpanFields(Vec<u8>);

impl<W: Fn(&[u8], Urgency)> JsonLayer<W> {
    pub(super) fn new(service: &str, write: W) -> Self {
        Self { service: service.to_owned(), write }
    }
}

impl<S, W> Layer<S> for JsonLayer<W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: Fn(&[u8], Urgency) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut span_fields = Fields { json: Vec::new(), keep: |name| SPAN_KEYS.contains(&name) };
        attributes.record(&mut span_fields);
        if let (false, Some(span)) = (span_fields.json.is_empty(), context.span(id)) {
            span.extensions_mut().insert(SpanFields(span_fields.json));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut span_fields = Fields { json: Vec::new(), keep: |name| SPAN_KEYS.contains(&name) };
        values.record(&mut span_fields);
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(SpanFields(before)) = extensions.get_mut() {
            before.append(&mut span_fields.json);
        } else if !span_fields.json.is_empty() {
            extensions.insert(SpanFields(span_fields.json));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let line = self.line(event, context.event_scope(event));
        let urgency =
            if *event.metadata().level() <= Level::WARN { Urgency::Immediate } else { Urgency::Soon };
        (self.write)(&line, urgency);
    }
}

impl<W> JsonLayer<W> {
    fn line<S>(&self, event: &Event<'_>, scope: Option<Scope<'_, S>>) -> Vec<u8>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let metadata = event.metadata();
        let mut json = Vec::with_capacity(512);
        // Writing to a Vec cannot fail.
        let _ = write!(
            json,
            r#"{{"time":"{}","level":"{}""#,
            humantime::format_rfc3339_nanos(SystemTime::now()),
            lower_case(*metadata.level())
        );
        push(&mut json, "service", &self.service);
        let mut fields = Fields { json, keep: |_| true };
        event.record(&mut fields);
        let mut json = fields.json;
        push(&mut json, "target", metadata.target());
        push(&mut json, "module", metadata.module_path().unwrap_or_default());
        push(&mut json, "file", metadata.file().unwrap_or_default());
        let _ = write!(json, r#","line":{}"#, metadata.line().unwrap_or_default());
        for span in scope.into_iter().flatten() {
            if let Some(SpanFields(span_fields)) = span.extensions().get() {
                json.extend_from_slice(span_fields);
                break;
            }
        }
        json.extend_from_slice(b"}\n");
        json
    }
}

/// Collects fields as JSON members, each after a comma.
struct Fields {
    json: Vec<u8>,
    keep: fn(&str) -> bool,
}

impl Fields {
    fn key(&mut self, field: &Field) -> bool {
        let name = field.name();
        if !(self.keep)(name) {
            return false;
        }
        let _ = write!(self.json, r#","{name}{}":"#, key_suffix(name));
        true
    }

    fn display(&mut self, field: &Field, value: impl fmt::Display) {
        if self.key(field) {
            let _ = write!(self.json, "{value}");
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.key(field) {
            push_string(&mut self.json, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.display(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.display(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.display(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.display(field, value);
        } else {
            self.record_str(field, &value.to_string());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// What is appended to the name of an event's field, so that it is not a key of the layer itself.
pub(crate) fn key_suffix(name: &str) -> &'static str {
    let is_taken = name != "message" && OWN_KEYS.contains(&name) && !SPAN_KEYS.contains(&name);
    if is_taken { "_" } else { "" }
}

fn push(json: &mut Vec<u8>, key: &str, value: &str) {
    let _ = write!(json, r#","{key}":"#);
    push_string(json, value);
}

/// Escaped by `serde_json`: a log line stays one line whatever a client sent.
fn push_string(json: &mut Vec<u8>, value: &str) {
    // A string always has a JSON form.
    let _ = serde_json::to_writer(json, value);
}

/// The level's name in a line.
pub(crate) fn lower_case(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::TraceIds;

    fn logged(log: impl FnOnce()) -> Value {
        let captured = Arc::<Mutex<Vec<u8>>>::default();
        let lines = captured.clone();
        let layer =
            JsonLayer::new("service-a", move |line: &[u8], _| lines.lock().unwrap().extend_from_slice(line));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = captured.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_contains_time_service_message_and_source() {
        let line = logged(|| tracing::warn!(attempts = 3, text = "a \"b\"\n", "hard\nto escape"));
        assert_eq!(line["level"], "warn");
        assert_eq!(line["service"], "service-a");
        assert_eq!(line["message"], "hard\nto escape");
        assert_eq!(line["attempts"], 3);
        assert_eq!(line["text"], "a \"b\"\n");
        assert_eq!(line["target"], "octet_runtime::logs::json::tests");
        assert!(line["file"].as_str().unwrap().ends_with("json.rs"));
        assert!(line["line"].as_u64().unwrap() > 0);
        assert!(humantime::parse_rfc3339(line["time"].as_str().unwrap()).is_ok());
    }

    #[test]
    fn lines_of_a_request_contain_its_ids() {
        let line = logged(|| {
            let span = super::super::request_span("request-1", None);
            let _entered = span.enter();
            let ids = TraceIds { trace: "abc".to_owned(), span: Some("def".to_owned()) };
            super::super::record_trace(&ids);
            let inner = tracing::info_span!("inner", other = 1);
            let _inner = inner.enter();
            tracing::info!("inside");
        });
        assert_eq!(line["request_id"], "request-1");
        assert_eq!((&line["trace_id"], &line["span_id"]), (&"abc".into(), &"def".into()));
        assert!(line.get("other").is_none());
    }

    #[test]
    fn a_field_named_like_a_key_of_the_layer_does_not_replace_it() {
        let line = logged(|| tracing::info!(service = "other", "hello"));
        assert_eq!(line["service"], "service-a");
        assert_eq!(line["service_"], "other");
    }
}
