//! Sampling: `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.

use opentelemetry::trace::{SpanContext, SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

use super::extracted::{B3, Decision, Extracted};
use crate::environment::Environment;

/// Decides once per process and call.
#[derive(Debug, Clone)]
pub(super) struct TraceSampler {
    root: Sampler,
    caller: Caller,
}

/// Whether the caller's decision is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Followed,
    Overruled,
}

impl TraceSampler {
    /// `parentbased_always_on` when unset, by the specification.
    pub(super) fn from_environment(environment: &mut Environment<'_>) -> Self {
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
        let allowed = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off \
                       or parentbased_traceidratio";
        let (kind, caller) =
            environment.or("OTEL_TRACES_SAMPLER", allowed, (Kind::On, Caller::Followed), |text| {
                let (root, caller) = match text.strip_prefix("parentbased_") {
                    Some(root) => (root, Caller::Followed),
                    None => (text, Caller::Overruled),
                };
                match root {
                    "always_on" => Ok((Kind::On, caller)),
                    "always_off" => Ok((Kind::Off, caller)),
                    "traceidratio" => Ok((Kind::Ratio, caller)),
                    _ => Err(()),
                }
            });
        let root = match kind {
            Kind::On => Sampler::AlwaysOn,
            Kind::Off => Sampler::AlwaysOff,
            Kind::Ratio => {
                let ratio = environment.or(ARGUMENT, "a ratio from 0 to 1", 1.0, |text| {
                    text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or(())
                });
                Sampler::TraceIdRatioBased(ratio)
            }
        };
        Self { root, caller }
    }

    /// Whether this process records the trace. B3's debug flag always does. Without a caller, or where the caller deferred
    /// the decision, the trace is sampled like a root.
    pub(super) fn is_sampled(&self, extracted: &Extracted, trace: TraceId) -> bool {
        let decided = match &extracted.b3 {
            Some(B3 { decision: Some(Decision::Debug), .. }) => return true,
            Some(b3) => b3.decision.map(Decision::is_sampled),
            None => extracted.caller.as_ref().map(SpanContext::is_sampled),
        };
        if let (Caller::Followed, Some(is_sampled)) = (self.caller, decided) {
            return is_sampled;
        }
        let result = self.root.should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }
}

enum Kind {
    On,
    Off,
    Ratio,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::telemetry::propagators::Propagators;

    fn sampler(variables: &[(&str, &str)]) -> Result<TraceSampler, String> {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut environment = Environment::new(&variables);
        let sampler = TraceSampler::from_environment(&mut environment);
        environment.finish(sampler).map_err(|faults| faults.to_string())
    }

    fn is_sampled(sampler: &TraceSampler, b3: &str) -> bool {
        let headers = [("b3".to_owned(), b3.to_owned())];
        let extracted = Propagators::default().extract(&&headers[..]);
        sampler.is_sampled(&extracted, TraceId::from_bytes([0x7f; 16]))
    }

    #[test]
    fn a_parent_based_sampler_follows_the_callers_decision() {
        let ids = "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312";
        for (name, argument, cases) in [
            // Accept, deny, debug, deferred, no header, a lone deny.
            ("parentbased_always_on", "", [true, false, true, true, true, false]),
            ("parentbased_always_off", "", [true, false, true, false, false, false]),
            ("parentbased_traceidratio", "0", [true, false, true, false, false, false]),
            ("always_on", "", [true, true, true, true, true, true]),
            ("always_off", "", [false, false, true, false, false, false]),
            ("traceidratio", "1", [true, true, true, true, true, true]),
        ] {
            let sampler =
                sampler(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)]).unwrap();
            let headers = [format!("{ids}-1"), format!("{ids}-0"), format!("{ids}-d"), ids.to_owned()];
            let headers = headers.into_iter().chain([String::new(), "0".to_owned()]);
            let sampled: Vec<bool> = headers.map(|b3| is_sampled(&sampler, &b3)).collect();
            assert_eq!(sampled, cases, "{name}");
        }
    }

    #[test]
    fn an_unknown_sampler_or_invalid_ratio_is_refused() {
        assert!(sampler(&[("OTEL_TRACES_SAMPLER", "sometimes")]).is_err());
        let ratio = sampler(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]);
        assert!(ratio.unwrap_err().starts_with("OTEL_TRACES_SAMPLER_ARG: must be a ratio"));
        assert!(sampler(&[]).is_ok());
    }
}
