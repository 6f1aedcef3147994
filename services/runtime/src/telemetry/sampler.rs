//! Which traces are recorded: `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.

use opentelemetry::trace::{SpanContext, SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

use super::{
    b3::{B3, Decision},
    propagators::Said,
};
use crate::environment::Environment;

/// Decides once a process about each call.
#[derive(Debug, Clone)]
pub(super) struct TraceSampler {
    root: Sampler,
    caller: Caller,
}

/// Whether a caller's decision holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Followed,
    Overruled,
}

impl TraceSampler {
    /// `parentbased_always_on` when unset, as the specification has it.
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

    /// Whether the trace is recorded here, by what its caller said of it. B3's debug always is: somebody asked for this
    /// very trace. A caller that left the decision open, or sent none, is decided for as a root is.
    pub(super) fn is_sampled(&self, incoming: &Said, trace: TraceId) -> bool {
        let said = match &incoming.b3 {
            Some(B3 { decision: Some(Decision::Debug), .. }) => return true,
            Some(b3) => b3.decision.map(Decision::is_sampled),
            None => incoming.caller.as_ref().map(SpanContext::is_sampled),
        };
        if let (Caller::Followed, Some(is_sampled)) = (self.caller, said) {
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
        let incoming = Propagators::default().extract(&&headers[..]);
        sampler.is_sampled(&incoming, TraceId::from_bytes([0x7f; 16]))
    }

    #[test]
    fn a_callers_decision_holds_where_the_sampler_is_parent_based() {
        let ids = "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312";
        for (name, argument, cases) in [
            // Of a caller that said yes, said no, asked for debug, left it open, said nothing, said no alone.
            ("parentbased_always_on", "", [true, false, true, true, true, false]),
            ("parentbased_always_off", "", [true, false, true, false, false, false]),
            ("parentbased_traceidratio", "0", [true, false, true, false, false, false]),
            ("always_on", "", [true, true, true, true, true, true]),
            ("always_off", "", [false, false, true, false, false, false]),
            ("traceidratio", "1", [true, true, true, true, true, true]),
        ] {
            let sampler =
                sampler(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)]).unwrap();
            let said = [format!("{ids}-1"), format!("{ids}-0"), format!("{ids}-d"), ids.to_owned()];
            let said = said.into_iter().chain([String::new(), "0".to_owned()]);
            let sampled: Vec<bool> = said.map(|b3| is_sampled(&sampler, &b3)).collect();
            assert_eq!(sampled, cases, "{name}");
        }
    }

    #[test]
    fn a_mistyped_sampler_or_ratio_is_refused() {
        assert!(sampler(&[("OTEL_TRACES_SAMPLER", "sometimes")]).is_err());
        let ratio = sampler(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]);
        assert!(ratio.unwrap_err().starts_with("OTEL_TRACES_SAMPLER_ARG: must be a ratio"));
        assert!(sampler(&[]).is_ok());
    }
}
