//! What all spans of one resource and instrumentation scope share.

use std::borrow::Cow;

use crate::span::{Attributes, Str};

/// The limits of what is added to each span of a report: a report has very many spans at its most.
const MAX_ATTRIBUTES: usize = 64;
const MAX_BYTES: usize = 8 * 1024;

/// The resource.
#[derive(Debug, Default)]
pub(crate) struct Resource<'a> {
    /// `service.name`.
    pub(crate) service: Option<Str<'a>>,
    /// The tags of each span.
    pub(crate) tags: Attributes<'a>,
    bytes: usize,
}

impl<'a> Resource<'a> {
    /// Adds an attribute. Those that describe the SDK are left out, and so are those beyond the limits.
    pub(crate) fn add(&mut self, key: Str<'a>, value: Str<'a>) {
        if key == "service.name" {
            self.service = Some(value).filter(|service| !service.is_empty());
            return;
        }
        let bytes = self.bytes + key.len() + value.len();
        if !key.starts_with("telemetry.") && self.tags.len() < MAX_ATTRIBUTES && bytes <= MAX_BYTES {
            self.bytes = bytes;
            self.tags.push((key, value));
        }
    }
}

/// The instrumentation scope: a tag, as in OpenTelemetry's Zipkin exporters.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) tags: Attributes<'a>,
}

impl<'a> Scope<'a> {
    /// Without what is empty or very long.
    pub(crate) fn new(name: Str<'a>, version: Str<'a>) -> Self {
        let tags = [("otel.scope.name", name), ("otel.scope.version", version)];
        let tags = tags.into_iter().filter(|(_, value)| (1..MAX_BYTES).contains(&value.len()));
        Self { tags: tags.map(|(key, value)| (Cow::Borrowed(key), value)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_span_would_repeat_is_bounded() {
        let mut resource = Resource::default();
        resource.add("big".into(), "x".repeat(MAX_BYTES).into());
        for index in 0..1_000 {
            resource.add(format!("k{index}").into(), "v".into());
        }
        resource.add("service.name".into(), "a".into());
        assert_eq!((resource.tags.len(), resource.service.as_deref()), (MAX_ATTRIBUTES, Some("a")));
        assert!(resource.tags.iter().all(|(key, _)| key.starts_with('k')), "the large one is left out");
        let scope = Scope::new("x".repeat(MAX_BYTES).into(), "1".into());
        assert_eq!(scope.tags, [("otel.scope.version".into(), "1".into())]);
    }

    #[test]
    fn attributes_of_the_sdk_are_left_out() {
        let mut resource = Resource::default();
        resource.add("telemetry.sdk.name".into(), "octet".into());
        resource.add("host.name".into(), "h".into());
        assert_eq!(resource.tags, [("host.name".into(), "h".into())]);
    }
}
