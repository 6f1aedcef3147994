//! Makes a log record of each event that is logged, with the members of its JSON line.

use std::{fmt, sync::Arc, time::SystemTime};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{LogRecord, SeverityNumber},
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use crate::{
    logs::{key_suffix, lower_case},
    telemetry::{attribute::shortened, batch::Queue, otlp::LogExporter},
};

/// Bytes of one text in a record. The queue is bounded by its number of records: this bounds its bytes, too.
const MAX_TEXT: usize = 4 * 1024;

/// Attributes of one record.
const MAX_ATTRIBUTES: usize = 32;

/// The targets whose lines are not exported, because exporting a line would cause the next one.
const OF_EXPORTERS: [&str; 7] =
    ["octet_runtime::telemetry", "hyper", "h2", "rustls", "tokio_util", "mio", "want"];

/// Queues log records.
pub(crate) struct LogLayer {
    queue: Arc<Queue<LogExporter>>,
}

/// The ids of a request's span.
#[derive(Debug, Clone, Default)]
struct RequestIds {
    trace: Vec<u8>,
    span: Vec<u8>,
    request: Option<String>,
}

impl LogLayer {
    pub(super) fn new(queue: Arc<Queue<LogExporter>>) -> Self {
        Self { queue }
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut ids = RequestIds::default();
        attributes.record(&mut ids);
        if let (false, Some(span)) = (ids.is_empty(), context.span(id)) {
            span.extensions_mut().insert(ids);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(ids) = extensions.get_mut::<RequestIds>() {
            values.record(ids);
        } else {
            let mut ids = RequestIds::default();
            values.record(&mut ids);
            if !ids.is_empty() {
                extensions.insert(ids);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if OF_EXPORTERS.iter().any(|target| metadata.target().starts_with(target)) {
            return;
        }
        let scope = context.event_scope(event).into_iter().flatten();
        let ids = { scope }.find_map(|span| span.extensions().get::<RequestIds>().cloned());
        let ids = ids.unwrap_or_default();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { message, mut attributes, dropped } = fields;
        attributes.push(attribute("target", text(metadata.target())));
        attributes.push(attribute("module", text(metadata.module_path().unwrap_or_default())));
        attributes.push(attribute("code.file.path", text(metadata.file().unwrap_or_default())));
        let line = metadata.line().unwrap_or_default();
        attributes.push(attribute("code.line.number", Value::IntValue(line.into())));
        attributes.extend(ids.request.map(|id| attribute("request_id", Value::StringValue(id))));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.queue.push(&LogRecord {
            time_unix_nano: now,
            observed_time_unix_nano: now,
            severity_number: severity(*metadata.level()).into(),
            severity_text: lower_case(*metadata.level()).to_owned(),
            body: Some(AnyValue { value: Some(Value::StringValue(message)) }),
            attributes,
            dropped_attributes_count: dropped,
            trace_id: ids.trace,
            span_id: ids.span,
            ..LogRecord::default()
        });
    }
}

impl RequestIds {
    fn is_empty(&self) -> bool {
        self.trace.is_empty() && self.span.is_empty() && self.request.is_none()
    }
}

impl Visit for RequestIds {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            // 16 digits where the upper half is zero.
            "trace_id" => self.trace = bytes(&format!("{value:0>32}")),
            "span_id" => self.span = bytes(value),
            "request_id" if !value.is_empty() => self.request = Some(shortened(value, MAX_TEXT)),
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}

/// The bytes of pairs of hexadecimal digits; empty where there are others, so that no invalid id is exported.
fn bytes(digits: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_bytes().chunks(2).map(pair).collect::<Option<_>>().unwrap_or_default()
}

/// The message, and the other fields as attributes.
#[derive(Default)]
struct Fields {
    message: String,
    attributes: Vec<KeyValue>,
    dropped: u32,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::StringValue(text)) => self.message = text,
            _ if self.attributes.len() >= MAX_ATTRIBUTES => self.dropped += 1,
            (name, value) => self.attributes.push(attribute(&format!("{name}{}", key_suffix(name)), value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, text(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::BoolValue(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::IntValue(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, i64::try_from(value).map_or_else(|_| text(&value.to_string()), Value::IntValue));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::DoubleValue(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, text(&format!("{value:?}")));
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(text: &str) -> Value {
    Value::StringValue(shortened(text, MAX_TEXT))
}

fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::TRACE => SeverityNumber::Trace,
        Level::DEBUG => SeverityNumber::Debug,
        Level::INFO => SeverityNumber::Info,
        Level::WARN => SeverityNumber::Warn,
        Level::ERROR => SeverityNumber::Error,
    }
}
