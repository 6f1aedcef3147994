//! Which format of the metrics a client prefers, by its `Accept`.

use http::{HeaderMap, header};

/// Whether OpenMetrics is preferred. It must be named, with a version that is served or none: a browser and a `*/*` get the
/// plain format.
pub(super) fn prefers_open_metrics(headers: &HeaderMap) -> bool {
    let (mut open, mut plain) = (0.0, 0.0);
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in ranges.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let (mut quality, mut is_served) = (1.0_f64, true);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("q") => quality = value.parse().unwrap_or(0.0),
                name if name.eq_ignore_ascii_case("version") => is_served = value == "1.0.0",
                _ => {}
            }
        }
        if kind.eq_ignore_ascii_case("application/openmetrics-text") && is_served {
            open = quality.max(open);
        } else if kind.eq_ignore_ascii_case("text/plain") {
            plain = quality.max(plain);
        }
    }
    open > 0.0 && open >= plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().expect("a header"));
        prefers_open_metrics(&headers)
    }

    #[test]
    fn open_metrics_must_be_named_and_preferred() {
        for accept in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"",
            // Prometheus 2.42, 3.0 and Grafana Alloy.
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;\
             q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "text/plain;q=0.5, application/openmetrics-text;q=0.5",
        ] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in [
            "*/*",
            "text/plain",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=much",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;version=2.0.0, text/plain",
            "text/plain, application/openmetrics-text;q=0.9",
            ",;=,",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(!prefers_open_metrics(&HeaderMap::new()));
    }
}
