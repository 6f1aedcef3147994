//! A span that is being recorded.

use std::{sync::Arc, time::SystemTime};

use opentelemetry::trace::{SpanContext, SpanId};

use super::{
    attribute::{AttributeValue, Attributes, MAX_TEXT, shortened},
    shape::{Encoded, Fragment},
};

/// Events of one span; further ones are counted and dropped, since a call may be retried for minutes.
const MAX_EVENTS: usize = 64;

/// What is known of a span when it ends.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) context: SpanContext,
    pub(super) parent: Option<SpanId>,
    pub(super) is_parent_remote: bool,
    /// B3's debug flag: the caller forced this trace to be recorded.
    pub(super) is_debug: bool,
    pub(super) shape: Arc<Encoded>,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    /// Those that the shape does not have.
    pub(super) attributes: Attributes,
    pub(super) events: Vec<Event>,
    pub(super) dropped_events: u32,
    /// The description of its error, if it failed.
    pub(super) failure: Option<String>,
}

/// Something that happened during a span.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) time: SystemTime,
    pub(super) attributes: Attributes,
}

/// An ended span, for one exporter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) record: &'a Record,
    /// The shape in the exporter's encoding.
    pub(super) fragment: &'a Fragment,
}

impl Record {
    pub(super) fn add_event(
        &mut self,
        name: &'static str,
        time: SystemTime,
        attributes: &[(&'static str, &str)],
    ) {
        if self.events.len() >= MAX_EVENTS {
            self.dropped_events += 1;
            return;
        }
        let mut event = Event { name, time, attributes: Attributes::default() };
        for (name, value) in attributes {
            event.attributes.push(name, AttributeValue::Text(value));
        }
        self.events.push(event);
    }

    pub(super) fn fail(&mut self, description: &str) {
        self.failure = Some(shortened(description, MAX_TEXT));
    }
}
