//! OpenTelemetry's standard variables for traces.

use std::{borrow::Cow, time::Duration};

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::{
    batch::{BatchSettings, milliseconds},
    propagators::PropagatorSettings,
    sampler::TraceSampler,
    sender::{self, ENDPOINT},
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ZipkinSettings {
    pub(super) endpoint: Uri,
    pub(super) timeout: Duration,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct OtlpSettings {
    pub(super) endpoint: Uri,
    pub(super) timeout: Duration,
    pub(super) headers: Vec<(String, String)>,
}

impl std::fmt::Debug for OtlpSettings {
    /// Without the headers, which may contain a key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OtlpSettings").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
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
        let zipkin = ZipkinSettings::from_environment(environment);
        let otlp = OtlpSettings::from_environment(environment);
        let mut attributes = environment.or(
            "OTEL_RESOURCE_ATTRIBUTES",
            "a comma-separated list of name=value, percent-encoded where needed",
            Vec::new(),
            pairs,
        );
        let named = attributes.iter().position(|(name, _)| name == "service.name");
        let named = named.map(|index| attributes.remove(index).1);
        Self {
            zipkin: exporters.contains(&Exporter::Zipkin).then_some(zipkin),
            otlp: exporters.contains(&Exporter::Otlp).then_some(otlp),
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
    fn from_environment(environment: &mut Environment<'_>) -> Self {
        let default = Uri::from_static("http://localhost:9411/api/v2/spans");
        Self {
            endpoint: environment.or("OTEL_EXPORTER_ZIPKIN_ENDPOINT", ENDPOINT, default, sender::endpoint),
            timeout: milliseconds(environment, "OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10_000),
        }
    }
}

impl OtlpSettings {
    fn from_environment(environment: &mut Environment<'_>) -> Self {
        let base = environment.optional("OTEL_EXPORTER_OTLP_ENDPOINT", ENDPOINT, |text| {
            sender::endpoint(&format!("{}/v1/traces", text.trim_end_matches('/')))
        });
        let exact = environment.optional("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ENDPOINT, sender::endpoint);
        for name in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
            environment.optional(name, "http/protobuf", |text| match text {
                "http/protobuf" => Ok(()),
                _ => Err(()),
            });
        }
        for name in ["OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"] {
            environment.optional(name, "none", |text| if text == "none" { Ok(()) } else { Err(()) });
        }
        let mut headers = Vec::new();
        for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
            headers.extend(environment.or(
                name,
                "a comma-separated list of header=value",
                Vec::new(),
                header_pairs,
            ));
        }
        let general = milliseconds(environment, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000);
        let default = u64::try_from(general.as_millis()).unwrap_or(u64::MAX);
        Self {
            endpoint: exact.or(base).unwrap_or(Uri::from_static("http://localhost:4318/v1/traces")),
            timeout: milliseconds(environment, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", default),
            headers,
        }
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
fn pairs(text: &str) -> Result<Vec<(String, String)>, ()> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (name, value) = entry.split_once('=').ok_or(())?;
            let (name, value) = (decoded(name.trim())?, decoded(value.trim())?);
            if name.is_empty() { Err(()) } else { Ok((name, value)) }
        })
        .collect()
}

fn header_pairs(text: &str) -> Result<Vec<(String, String)>, ()> {
    let pairs = pairs(text)?;
    let is_header = |(name, value): &(String, String)| {
        HeaderName::try_from(name.as_str()).is_ok() && HeaderValue::try_from(value.as_str()).is_ok()
    };
    if pairs.iter().all(is_header) { Ok(pairs) } else { Err(()) }
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
        assert_eq!(otlp.headers, [("x-key".to_owned(), "a b".to_owned())]);
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
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "https://zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%+1"),
            ("OTEL_PROPAGATORS", "jaeger"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ])
        .unwrap_err();
        assert_eq!(faults.lines().count(), 7, "{faults}");
    }
}
