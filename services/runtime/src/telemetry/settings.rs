//! OpenTelemetry's standard variables.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::Uri;
use percent_encoding::percent_decode_str;
use tokio_rustls::rustls::ClientConfig;

use super::{
    batch::{BatchSettings, milliseconds},
    conventions::Conventions,
    logs::LogExport,
    otlp::{OtlpSettings, Signal, Times},
    propagators::PropagatorSettings,
    sampler::TraceSampler,
    sender::{self, ENDPOINT, Version},
    tls,
};
use crate::environment::Environment;

/// How a process makes and exports spans, and exports metrics and log lines.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    pub(super) zipkin: Option<ZipkinSettings>,
    pub(super) otlp: Option<OtlpSettings>,
    pub(super) propagators: PropagatorSettings,
    pub(super) sampler: TraceSampler,
    pub(super) batch: BatchSettings,
    pub(super) conventions: Conventions,
    /// Overrides the service's own name.
    pub(super) service: Option<String>,
    /// Attributes of every span, and of the resource.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) metrics: Option<(OtlpSettings, Times)>,
    pub(super) logs: Option<LogExport>,
    /// Distinguishes this process from others of the service.
    pub(super) instance: String,
}

#[derive(Debug, Clone)]
pub(super) struct ZipkinSettings {
    pub(super) endpoint: Uri,
    pub(super) protocol: ZipkinProtocol,
    pub(super) timeout: Duration,
    /// Of an `https://` endpoint.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// The format of reports to Zipkin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ZipkinProtocol {
    /// Protobuf; JSON once the backend refuses it.
    Protobuf,
    Json,
}

/// An exporter of `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` or `OTEL_LOGS_EXPORTER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exporter {
    Zipkin,
    Otlp,
    /// The admin server always exports metrics for Prometheus.
    Prometheus,
}

/// The exporters of a signal, by their names.
const OF_TRACES: &[(&str, Exporter)] = &[("zipkin", Exporter::Zipkin), ("otlp", Exporter::Otlp)];
const OF_METRICS: &[(&str, Exporter)] = &[("otlp", Exporter::Otlp), ("prometheus", Exporter::Prometheus)];
const OF_LOGS: &[(&str, Exporter)] = &[("otlp", Exporter::Otlp)];

impl TelemetrySettings {
    /// Reads `OTEL_*`. `OTEL_TRACES_EXPORTER` is a list of `zipkin` and `otlp`, or `none`, which is also the default: a
    /// service that is started alone has no backend.
    ///
    /// `OTEL_METRICS_EXPORTER` is a list of `otlp` and `prometheus`, or `none`, and `OTEL_LOGS_EXPORTER` is `otlp` or `none`,
    /// which is the default of both.
    ///
    /// `OTEL_SERVICE_NAME` overrides a `service.name` in `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let is_disabled = environment.or("OTEL_SDK_DISABLED", "true or false", false, |text| {
            text.to_ascii_lowercase().parse::<bool>()
        });
        let mut exporters = |variable: &str, allowed: &str, known| {
            let exporters = environment.or(variable, allowed, Vec::new(), |text| exporters(text, known));
            if is_disabled { Vec::new() } else { exporters }
        };
        let of_traces = exporters("OTEL_TRACES_EXPORTER", "a list of zipkin and otlp, or none", OF_TRACES);
        let of_metrics =
            exporters("OTEL_METRICS_EXPORTER", "a list of otlp and prometheus, or none", OF_METRICS);
        let of_logs = exporters("OTEL_LOGS_EXPORTER", "otlp or none", OF_LOGS);
        let (has_zipkin, has_otlp) =
            (of_traces.contains(&Exporter::Zipkin), of_traces.contains(&Exporter::Otlp));
        let (has_metrics, has_logs) =
            (of_metrics.contains(&Exporter::Otlp), of_logs.contains(&Exporter::Otlp));
        let zipkin = ZipkinSettings::from_environment(environment, has_zipkin);
        let otlp = OtlpSettings::from_environment(environment, Signal::Traces, has_otlp);
        let metrics = OtlpSettings::from_environment(environment, Signal::Metrics, has_metrics);
        let times = times(environment, has_metrics);
        let logs = OtlpSettings::from_environment(environment, Signal::Logs, has_logs);
        let batch_of_logs = BatchSettings::from_environment(environment, "OTEL_BLRP");
        let mut attributes = environment.or(
            "OTEL_RESOURCE_ATTRIBUTES",
            "a comma-separated list of name=value, percent-encoded where needed",
            Vec::new(),
            pairs,
        );
        let named = attributes.iter().position(|(name, _)| name == "service.name");
        let named = named.map(|index| attributes.remove(index).1);
        let service = environment.text("OTEL_SERVICE_NAME").or(named);
        let instance = uuid::Uuid::new_v4().to_string();
        let logs = has_logs.then(|| LogExport {
            otlp: logs,
            batch: batch_of_logs,
            service: service.clone(),
            attributes: attributes.clone(),
            instance: instance.clone(),
            installed: Arc::default(),
        });
        Self {
            zipkin: has_zipkin.then_some(zipkin),
            otlp: has_otlp.then_some(otlp),
            propagators: PropagatorSettings::from_environment(environment),
            sampler: TraceSampler::from_environment(environment),
            batch: BatchSettings::from_environment(environment, "OTEL_BSP"),
            conventions: Conventions::from_environment(environment),
            service,
            attributes,
            metrics: has_metrics.then_some((metrics, times)),
            logs,
            instance,
        }
    }

    /// Where log lines are exported.
    pub(crate) fn log_export(&self) -> Option<LogExport> {
        self.logs.clone()
    }

    /// The service's name in spans; `name` unless the environment names another.
    pub fn service_name<'n>(&'n self, name: &'n str) -> &'n str {
        self.service.as_deref().unwrap_or(name)
    }
}

impl ZipkinSettings {
    /// The certificate's name is Octet's own: OpenTelemetry has none for Zipkin. It is read only where `is_on`.
    fn from_environment(environment: &mut Environment<'_>, is_on: bool) -> Self {
        let default = Uri::from_static("http://localhost:9411/api/v2/spans");
        let endpoint = environment.or("OTEL_EXPORTER_ZIPKIN_ENDPOINT", ENDPOINT, default, sender::endpoint);
        // The specification reserves this name.
        let protocol = environment.or(
            "OTEL_EXPORTER_ZIPKIN_PROTOCOL",
            "http/protobuf or http/json",
            ZipkinProtocol::Protobuf,
            |text| match text {
                "http/protobuf" => Ok(ZipkinProtocol::Protobuf),
                "http/json" => Ok(ZipkinProtocol::Json),
                _ => Err(()),
            },
        );
        let variable = "OTEL_EXPORTER_ZIPKIN_CERTIFICATE";
        let file = environment.text(variable);
        let is_https = is_on && endpoint.scheme_str() == Some("https");
        let tls = is_https.then(|| tls::client(environment, variable, file.as_deref(), Version::Http1));
        let timeout = milliseconds(environment, "OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10_000);
        Self { endpoint, protocol, timeout, tls: tls.flatten() }
    }
}

/// `OTEL_METRIC_EXPORT_*`. Sums are cumulative: no other preference is accepted where metrics are exported.
fn times(environment: &mut Environment<'_>, is_on: bool) -> Times {
    let variable = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let preference = environment.text(variable);
    if is_on && preference.is_some_and(|preference| !preference.eq_ignore_ascii_case("cumulative")) {
        environment.fault(variable, "must be cumulative");
    }
    Times {
        interval: milliseconds(environment, "OTEL_METRIC_EXPORT_INTERVAL", 60_000),
        timeout: milliseconds(environment, "OTEL_METRIC_EXPORT_TIMEOUT", 30_000),
    }
}

/// A list of known names, or `none`.
fn exporters(text: &str, known: &[(&str, Exporter)]) -> Result<Vec<Exporter>, ()> {
    let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names == ["none"] {
        return Ok(Vec::new());
    }
    let exporter = |name: &&str| {
        let known = known.iter().find(|(known, _)| known == name);
        known.map(|(_, exporter)| *exporter).ok_or(())
    };
    names.iter().map(exporter).collect()
}

/// `name=value,…` in the format of W3C Baggage, percent-encoded.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, ()> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (name, value) = entry.split_once('=').ok_or(())?;
            let (name, value) = (decoded(name.trim())?, decoded(value.trim())?);
            if name.is_empty() { Err(()) } else { Ok((name, value)) }
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, ()> {
    let is_escape =
        |after: &[u8]| after.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    // The decoder leaves a malformed escape as it is.
    if !text.as_bytes().split(|byte| *byte == b'%').skip(1).all(is_escape) {
        return Err(());
    }
    percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<TelemetrySettings, String> {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut environment = Environment::new(&variables);
        let settings = TelemetrySettings::from_environment(&mut environment);
        environment.finish(settings).map_err(|faults| faults.to_string())
    }

    #[test]
    fn no_exporter_is_on_by_default() {
        for variables in [
            &[][..],
            &[("OTEL_TRACES_EXPORTER", "none")],
            &[("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_SDK_DISABLED", "true")],
        ] {
            let settings = settings(variables).unwrap();
            assert!(settings.zipkin.is_none() && settings.otlp.is_none(), "{variables:?}");
        }
    }

    #[test]
    fn each_exporter_has_its_standard_variables() {
        let settings = settings(&[
            ("OTEL_TRACES_EXPORTER", "zipkin, otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment%2Eenvironment=a%2Cb"),
        ])
        .unwrap();
        assert_eq!(settings.zipkin.unwrap().endpoint, "http://localhost:9411/api/v2/spans");
        let otlp = settings.otlp.unwrap();
        assert_eq!(otlp.endpoint, "http://collector:4318/v1/traces");
        assert_eq!(otlp.headers["x-key"], "a b");
        assert!(!format!("{otlp:?}").contains("a b"));
        assert_eq!(settings.service.as_deref(), Some("other"));
        assert_eq!(settings.attributes, [("deployment.environment".to_owned(), "a,b".to_owned())]);
    }

    #[test]
    fn otel_service_name_overrides_the_resource_attribute() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other");
        assert_eq!(settings(&[attributes]).unwrap().service.as_deref(), Some("other"));
        let settings = settings(&[attributes, ("OTEL_SERVICE_NAME", "own")]).unwrap();
        assert_eq!((settings.service.as_deref(), settings.attributes), (Some("own"), vec![]));
    }

    #[test]
    fn all_faults_are_reported_together() {
        let faults = settings(&[
            ("OTEL_TRACES_EXPORTER", "jaeger"),
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "ftp://zipkin"),
            ("OTEL_EXPORTER_ZIPKIN_PROTOCOL", "thrift"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%+1"),
            ("OTEL_PROPAGATORS", "jaeger"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_METRICS_EXPORTER", "otlp,zipkin"),
            ("OTEL_LOGS_EXPORTER", "console"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector:4318"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "soon"),
        ])
        .unwrap_err();
        assert_eq!(faults.lines().count(), 14, "{faults}");
        let allowed = "OTEL_METRICS_EXPORTER: must be a list of otlp and prometheus, or none, but is";
        assert!(
            faults.contains(allowed) && faults.contains("OTEL_LOGS_EXPORTER: must be otlp or none"),
            "{faults}"
        );
    }

    #[test]
    fn metrics_and_logs_are_exported_where_they_are_asked_for_with_variables_of_their_own() {
        for exporter in ["none", "prometheus", ""] {
            let settings = settings(&[("OTEL_METRICS_EXPORTER", exporter)]).unwrap();
            assert!(settings.metrics.is_none() && settings.logs.is_none(), "{exporter}");
        }
        let on = [("OTEL_METRICS_EXPORTER", "prometheus,otlp"), ("OTEL_LOGS_EXPORTER", "otlp")];
        let disabled = settings(&[on[0], on[1], ("OTEL_SDK_DISABLED", "true")]).unwrap();
        assert!(disabled.metrics.is_none() && disabled.logs.is_none());

        let own = settings(&[
            on[0],
            on[1],
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=1"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
        ])
        .unwrap();
        let ((metrics, times), logs) = (own.metrics.unwrap(), own.logs.unwrap().otlp);
        assert_eq!(metrics.endpoint, "http://all:4318/v1/metrics");
        let path = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
        assert_eq!(logs.endpoint, *format!("http://all:4318{path}"));
        assert_eq!((metrics.headers.len(), logs.headers.len()), (1, 0));
        assert_eq!(times.interval, Duration::from_secs(5));
    }

    #[test]
    fn temporality_other_than_cumulative_is_refused_where_metrics_are_exported() {
        let delta = ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
        let faults = settings(&[delta, ("OTEL_METRICS_EXPORTER", "otlp")]).unwrap_err();
        assert_eq!(faults, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: must be cumulative");
        assert!(settings(&[delta]).is_ok());
    }

    #[test]
    fn variables_for_traces_take_precedence_and_each_protocol_has_its_path() {
        let otlp = |variables: &[(&str, &str)]| {
            let all: Vec<_> = [("OTEL_TRACES_EXPORTER", "otlp")].iter().chain(variables).copied().collect();
            settings(&all).unwrap().otlp.unwrap()
        };
        let grpc_path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        for (variables, endpoint) in [
            (&[][..], "http://localhost:4318/v1/traces".to_owned()),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1/base/")], "http://c:1/base/v1/traces".to_owned()),
            (&[(traces, "http://c:1/exact")], "http://c:1/exact".to_owned()),
            (&[protocol], format!("http://localhost:4317{grpc_path}")),
            (&[protocol, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:2/")], format!("http://c:2{grpc_path}")),
            (&[protocol, (traces, "http://c:3")], format!("http://c:3{grpc_path}")),
        ] {
            assert_eq!(otlp(variables).endpoint.to_string(), endpoint, "{variables:?}");
        }
        let both = otlp(&[
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "6"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=3"),
        ]);
        assert!(both.is_compressed && both.tls.is_none());
        assert_eq!(both.timeout, Duration::from_millis(6));
        assert_eq!(
            (&both.headers["a"], &both.headers["b"], both.headers.len()),
            (&"1".parse().unwrap(), &"3".parse().unwrap(), 2)
        );
    }

    #[test]
    fn a_certificate_file_that_cannot_be_used_is_a_fault_of_its_variable() {
        for (exporter, endpoint, certificate) in [
            ("otlp", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
            ("otlp", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"),
            ("zipkin", "OTEL_EXPORTER_ZIPKIN_ENDPOINT", "OTEL_EXPORTER_ZIPKIN_CERTIFICATE"),
        ] {
            for file in ["/does/not/exist", "/dev/null"] {
                let faults = settings(&[
                    ("OTEL_TRACES_EXPORTER", exporter),
                    (endpoint, "https://backend"),
                    (certificate, file),
                ])
                .unwrap_err();
                assert!(faults.starts_with(certificate) && faults.lines().count() == 1, "{faults}");
            }
        }
    }
}
