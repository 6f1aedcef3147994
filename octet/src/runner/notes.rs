//! What a user should know about a configuration that is valid but probably not what they want.

use octet_runtime::environment::Lookup;
use octet_topology::Topology;

use super::plan::{TRACE_QUERY_URL, is_set};

/// Notes about the topology.
pub fn of_topology(topology: &Topology) -> Vec<String> {
    let uncalled = topology.uncalled().map(|service| {
        format!(
            "nobody calls {}, and it consumes no queue: it greets only when it is called directly",
            service.name
        )
    });
    uncalled.collect()
}

/// Notes about traces that the page will not show.
pub(super) fn of_traces(inherited: &dyn Lookup, collector: &str) -> Vec<String> {
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    const ZIPKIN: &str = "OTEL_EXPORTER_ZIPKIN_ENDPOINT";
    let text = |name: &str| {
        let value = inherited.get(name)?.to_string_lossy().trim().to_owned();
        (!value.is_empty()).then_some(value)
    };
    let otlp = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let otlp = otlp.into_iter().find(|name| is_set(inherited, name));
    let exporters = text(EXPORTER);
    let has = |exporter: &str| {
        exporters.as_deref().unwrap_or("zipkin").split(',').any(|other| other.trim() == exporter)
    };
    let mut notes = Vec::new();
    if let Some(name) = otlp
        && !has("otlp")
        && !has("none")
    {
        notes.push(format!(
            "{name} has no effect without the exporter `otlp`: set {EXPORTER}=zipkin,otlp to send spans there and to \
             Octet's collector"
        ));
    }
    if is_set(inherited, TRACE_QUERY_URL) {
        return notes;
    }
    if text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        notes.push(
            "the page will show no traces and no figures of the mesh: OTEL_SDK_DISABLED=true".to_owned(),
        );
    } else if has("none") {
        notes.push(format!("the page will show no traces and no figures of the mesh: {EXPORTER}=none"));
    } else if !has("zipkin") {
        // Without an endpoint of the user's, OTLP goes to the collector.
        if let Some(name) = otlp {
            notes.push(format!(
                "the page will show no traces and no figures of the mesh, because {name} sends spans elsewhere: set \
                 {EXPORTER}=zipkin,otlp to send spans to Octet's collector as well, or {TRACE_QUERY_URL} to a backend \
                 with Zipkin's API"
            ));
        }
    } else if let Some(endpoint) = text(ZIPKIN).filter(|endpoint| !endpoint.starts_with(collector)) {
        let base = endpoint.strip_suffix("/api/v2/spans").unwrap_or(&endpoint);
        notes.push(format!(
            "the page will show no traces and no figures of the mesh, because {ZIPKIN} sends spans to {endpoint}: set \
             {TRACE_QUERY_URL}={base} to read them from there"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn notes(variables: &[(&str, &str)]) -> String {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        of_traces(&variables, "http://127.0.0.1:9411").join("\n")
    }

    #[test]
    fn spans_that_go_elsewhere_are_noted_with_the_remedy() {
        const ZIPKIN: (&str, &str) = ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://zipkin:9411/api/v2/spans");
        const QUERY: (&str, &str) = (TRACE_QUERY_URL, "http://zipkin:9411");
        let otlp = ("OTEL_TRACES_EXPORTER", "otlp");
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://tempo:4318");
        for (variables, remedy) in [
            (&[ZIPKIN][..], "set TRACE_QUERY_URL=http://zipkin:9411 to read them"),
            (&[otlp, endpoint], "set OTEL_TRACES_EXPORTER=zipkin,otlp"),
            (&[otlp, endpoint], "or TRACE_QUERY_URL to a backend"),
            (&[endpoint], "OTEL_EXPORTER_OTLP_ENDPOINT has no effect"),
            (&[endpoint, QUERY], "OTEL_EXPORTER_OTLP_ENDPOINT has no effect"),
            (&[("OTEL_TRACES_EXPORTER", "none")], "OTEL_TRACES_EXPORTER=none"),
            (&[("OTEL_SDK_DISABLED", "TRUE")], "OTEL_SDK_DISABLED=true"),
        ] {
            let notes = notes(variables);
            assert!(notes.contains(remedy) && notes.lines().count() == 1, "{variables:?}: {notes}");
        }
    }

    #[test]
    fn there_is_no_note_where_the_page_finds_the_spans() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_ZIPKIN_ENDPOINT", " ")],
            &[("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://127.0.0.1:9411/api/v2/spans")],
            &[("OTEL_TRACES_EXPORTER", "zipkin, otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://tempo:4318")],
            &[("OTEL_TRACES_EXPORTER", "otlp")],
            &[("OTEL_TRACES_EXPORTER", "otlp"), (TRACE_QUERY_URL, "http://tempo:9411")],
            &[("OTEL_TRACES_EXPORTER", "none"), (TRACE_QUERY_URL, "http://zipkin:9411")],
        ] {
            assert_eq!(notes(variables), "", "{variables:?}");
        }
    }
}
