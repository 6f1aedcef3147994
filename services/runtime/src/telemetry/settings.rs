//! OpenTelemetry's standard variables for traces.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::Uri;
use percent_encoding::percent_decode_str;
use tokio_rustls::rustls::ClientConfig;

use super::{
    batch::{BatchSettings, milliseconds},
    otlp::OtlpSettings,
    propagators::PropagatorSettings,
    sampler::TraceSampler,
    sender::{self, ENDPOINT, Version},
    tls,
};
use crate::environment::Environment;

/// How a process makes and exports spans.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    pub(super) zipkin: Option<ZipkinSettings>,
    pub(super) otlp: Option<OtlpSettings>,
    pub(super) propagators: PropagatorSettings,
    pub(super) sampler: TraceSampler,
    pub(super) batch: BatchSettings,
    /// Overrides the service's own name.
    pub(super) service: Option<String>,
    /// Attributes of every span.
    pub(super) attributes: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct ZipkinSettings {
    pub(super) endpoint: Uri,
    pub(super) timeout: Duration,
    /// Of an `https://` endpoint.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// An exporter of `OTEL_TRACES_EXPORTER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exporter {
    Zipkin,
    Otlp,
}

impl TelemetrySettings {
    /// Reads `OTEL_*`. `OTEL_TRACES_EXPORTER` is a list of `zipkin` and `otlp`, or `none`, which is also the default: a
    /// service that is started alone has no backend.
    ///
    /// `OTEL_SERVICE_NAME` overrides a `service.name` in `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let mut exporters = environment.or(
            "OTEL_TRACES_EXPORTER",
            "a list of zipkin and otlp, or none",
            Vec::new(),
            exporters,
        );
        if environment
            .or("OTEL_SDK_DISABLED", "true or false", false, |text| text.to_ascii_lowercase().parse::<bool>())
        {
            exporters.clear();
        }
        let (has_zipkin, has_otlp) =
            (exporters.contains(&Exporter::Zipkin), exporters.contains(&Exporter::Otlp));
        let zipkin = ZipkinSettings::from_environment(environment, has_zipkin);
        let otlp = OtlpSettings::from_environment(environment, has_otlp);
        let mut attributes = environment.or(
            "OTEL_RESOURCE_ATTRIBUTES",
            "a comma-separated list of name=value, percent-encoded where needed",
            Vec::new(),
            pairs,
        );
        let named = attributes.iter().position(|(name, _)| name == "service.name");
        let named = named.map(|index| attributes.remove(index).1);
        Self {
            zipkin: has_zipkin.then_some(zipkin),
            otlp: has_otlp.then_some(otlp),
            propagators: PropagatorSettings::from_environment(environment),
            sampler: TraceSampler::from_environment(environment),
            batch: BatchSettings::from_environment(environment),
            service: environment.text("OTEL_SERVICE_NAME").or(named),
            attributes,
        }
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
        let variable = "OTEL_EXPORTER_ZIPKIN_CERTIFICATE";
        let file = environment.text(variable);
        let is_https = is_on && endpoint.scheme_str() == Some("https");
        let tls = is_https.then(|| tls::client(environment, variable, file.as_deref(), Version::Http1));
        let timeout = milliseconds(environment, "OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10_000);
        Self { endpoint, timeout, tls: tls.flatten() }
    }
}

fn exporters(text: &str) -> Result<Vec<Exporter>, ()> {
    let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut exporters = Vec::new();
    for name in &names {
        let exporter = match *name {
            "zipkin" => Exporter::Zipkin,
            "otlp" => Exporter::Otlp,
            "none" if names.len() == 1 => continue,
            _ => return Err(()),
        };
        if !exporters.contains(&exporter) {
            exporters.push(exporter);
        }
    }
    Ok(exporters)
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
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%+1"),
            ("OTEL_PROPAGATORS", "jaeger"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ])
        .unwrap_err();
        assert_eq!(faults.lines().count(), 8, "{faults}");
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
