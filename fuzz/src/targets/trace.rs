//! Variables of OpenTelemetry with the value of the first line, then the headers of a call, read by every propagator.

use std::collections::BTreeMap;

use octet_runtime::{
    environment::Environment,
    telemetry::{SpanKind, TelemetrySettings, Tracer},
};

use crate::{
    checks::{lossy, one_line},
    headers::{first_line, parse},
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
        assert!(ids.trace.bytes().any(|digit| digit != b'0'), "an id of zeros");
        // The headers of a message give the same ids, if all headers are text and none occurs twice.
        if pairs.len() == headers.keys_len() && headers.len() == headers.keys_len() {
            assert_eq!(tracer.extract_message(&pairs).ids(), Some(ids));
        }
    }

    // Without an exporter, the incoming headers pass unchanged.
    let span = tracer.start(&incoming, SpanKind::Server, "fuzz");
    let mut out = headers.clone();
    span.inject(&mut out);
    assert_eq!(out, headers);
}
