//! The headers of a call, as every format of a trace's context reads them, and `OTEL_RESOURCE_ATTRIBUTES` and its like in
//! the first line.

use std::collections::BTreeMap;

use octet_runtime::{
    environment::Environment,
    telemetry::{SpanKind, TelemetrySettings, Tracer},
};

use crate::{
    headers::{first_line, parse},
    holds::{lossy, one_line},
};

pub(crate) fn run(bytes: &[u8]) {
    let (list, block) = first_line(bytes);
    let names =
        ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_PROPAGATORS", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_HEADERS"];
    let variables: BTreeMap<String, String> =
        names.iter().map(|name| ((*name).to_owned(), lossy(list))).collect();
    let mut environment = Environment::new(&variables);
    TelemetrySettings::from_environment(&mut environment);
    if let Err(faults) = environment.finish(()) {
        faults.iter().for_each(|fault| one_line(&fault.to_string()));
    }

    let headers = parse(block);
    let tracer = Tracer::off();
    let incoming = tracer.extract(&headers);
    let pairs: Vec<(String, String)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    if let Some(ids) = incoming.ids() {
        let is_id = |id: &str| id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        assert!(matches!(ids.trace.len(), 16 | 32) && is_id(&ids.trace), "{ids:?}");
        assert!(ids.trace.bytes().any(|digit| digit != b'0'), "an id of nought");
        // A message's headers say the same, where none of them stands twice or is no text.
        if pairs.len() == headers.keys_len() && headers.len() == headers.keys_len() {
            assert_eq!(tracer.extract_message(&pairs).ids(), Some(ids));
        }
    }

    // With no exporter on, what came goes on.
    let span = tracer.start(&incoming, SpanKind::Server, "fuzz");
    let mut out = headers.clone();
    span.inject(&mut out);
    assert_eq!(out, headers);
}
