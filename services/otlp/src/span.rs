//! A span as both encodings have it, before its conversion.

use std::borrow::Cow;

use octet_zipkin::{SpanId, TraceId};

/// A text of the report, or one that was made of a value of it.
pub(crate) type Str<'a> = Cow<'a, str>;

/// Attributes with their values as texts.
pub(crate) type Attributes<'a> = Vec<(Str<'a>, Str<'a>)>;

/// What is wrong with a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The member by its name in JSON, such as `events[2].attributes`.
    pub(crate) field: String,
    pub(crate) problem: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// Prefixes the member with the one that contains it.
    pub(crate) fn within(mut self, member: &str) -> Self {
        self.field =
            if self.field.is_empty() { member.to_owned() } else { format!("{member}.{}", self.field) };
        self
    }
}

/// OTLP's `Span`.
#[derive(Debug, Default)]
pub(crate) struct OtlpSpan<'a> {
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) id: Option<SpanId>,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) trace_state: Str<'a>,
    pub(crate) name: Str<'a>,
    /// A number of the enum `SpanKind`.
    pub(crate) kind: u64,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    /// Nanoseconds since 1970.
    pub(crate) end: u64,
    pub(crate) attributes: Attributes<'a>,
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) links: Vec<Link<'a>>,
    /// Of attributes, events and links.
    pub(crate) dropped: [u64; 3],
    /// A number of the enum `StatusCode`.
    pub(crate) status: u64,
    pub(crate) status_message: Str<'a>,
}

/// OTLP's `Span.Event`.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) name: Str<'a>,
    pub(crate) attributes: Attributes<'a>,
}

/// OTLP's `Span.Link`.
#[derive(Debug, Default)]
pub(crate) struct Link<'a> {
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) id: Option<SpanId>,
    pub(crate) attributes: Attributes<'a>,
}
