//! Faults as manifests of other tools, which can say fewer of them.

use octet_fault::{Address, Effect, Fault, Spread, duration_text};

use crate::{cli::FaultTarget, failure::Failure};

/// The manifests.
///
/// # Errors
/// [`Failure::Configuration`] with every fault that the tool cannot say, and why.
pub(super) fn render(faults: &[Fault], to: FaultTarget) -> Result<String, Failure> {
    let (mut rendered, mut refused) = (Vec::new(), Vec::new());
    for (number, fault) in (1..).zip(faults) {
        let manifest = match to {
            FaultTarget::Istio => istio(fault, number),
            FaultTarget::ChaosMesh => chaos_mesh(fault, number),
        };
        match manifest {
            Ok(manifest) => rendered.push(manifest),
            Err(why) => refused.push(format!("{fault}: {why}")),
        }
    }
    if refused.is_empty() {
        Ok(rendered.join("---\n"))
    } else {
        Err(Failure::Configuration(refused.join("\n")))
    }
}

/// What no other tool can say.
fn common(fault: &Fault) -> Result<(), String> {
    if fault.is_blind() {
        return Err("blind is Octet's own".to_owned());
    }
    if fault.has_max() {
        return Err("max is Octet's own".to_owned());
    }
    Ok(())
}

/// A `VirtualService`, which acts in the callers' proxies. Its route's own retries are off while it has a fault.
fn istio(fault: &Fault, number: usize) -> Result<String, String> {
    common(fault)?;
    if fault.lasts().is_some() {
        return Err("Istio's faults do not end by themselves: leave `for` out".to_owned());
    }
    let Address::Call { caller, callee } = fault.at() else {
        return Err("Istio acts on calls: CALLER>CALLEE".to_owned());
    };
    let host = callee.name().ok_or("Istio needs the name of the callee")?;
    let percentage = format!("percentage: {{ value: {} }}", fault.share().fraction() * 100.0);
    let effect = match fault.effect() {
        Effect::Delay(Spread::Fixed(delay)) => {
            format!("delay: {{ fixedDelay: {}, {percentage} }}", seconds(*delay))
        }
        Effect::Delay(_) => return Err("Istio has fixed delays only".to_owned()),
        Effect::Abort(code) => format!("abort: {{ grpcStatus: {:?}, {percentage} }}", code.name()),
        other => return Err(format!("Istio cannot {}", other.key())),
    };
    let mut conditions = Vec::new();
    if let Some(caller) = caller.name() {
        conditions.push(format!("sourceLabels: {{ app.kubernetes.io/name: {caller} }}"));
    }
    if let Some(when) = fault.when() {
        conditions.push(format!("headers: {{ {:?}: {{ exact: {:?} }} }}", when.header, when.value));
    }
    let matches = match conditions.as_slice() {
        [] => String::new(),
        conditions => format!("      match: [{{ {} }}]\n", conditions.join(", ")),
    };
    Ok(format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: octet-fault-{number}\nspec:\n  \
         hosts: [{host}]\n  http:\n    - fault: {{ {effect} }}\n{matches}      route: [{{ destination: {{ host: {host} }} \
         }}]\n    - route: [{{ destination: {{ host: {host} }} }}]\n"
    ))
}

/// A `NetworkChaos`, `StressChaos` or `PodChaos`.
fn chaos_mesh(fault: &Fault, number: usize) -> Result<String, String> {
    common(fault)?;
    if fault.when().is_some() {
        return Err("Chaos Mesh cannot match headers of gRPC".to_owned());
    }
    let Address::Service { name, replica: None } = fault.at() else {
        return Err("Chaos Mesh acts on all pods of a service: SERVICE or *".to_owned());
    };
    if !fault.share().is_whole() {
        return Err("Chaos Mesh acts on pods, and not on a share of calls".to_owned());
    }
    let (kind, effect) = match fault.effect() {
        Effect::Delay(Spread::Fixed(delay)) => {
            ("NetworkChaos", format!("  action: delay\n  delay: {{ latency: {} }}\n", duration_text(*delay)))
        }
        Effect::Delay(Spread::Range(from, to)) => {
            let (middle, jitter) = ((*from + *to) / 2, to.saturating_sub(*from) / 2);
            let (middle, jitter) = (duration_text(middle), duration_text(jitter));
            ("NetworkChaos", format!("  action: delay\n  delay: {{ latency: {middle}, jitter: {jitter} }}\n"))
        }
        Effect::Crash => ("PodChaos", "  action: pod-kill\n".to_owned()),
        Effect::Drop => ("NetworkChaos", "  action: loss\n  loss: { loss: \"100\" }\n".to_owned()),
        other => return Err(format!("Chaos Mesh cannot {} {}", other.key(), other.value())),
    };
    let selector = match name.name() {
        Some(name) => format!("{{ labelSelectors: {{ app.kubernetes.io/name: {name} }} }}"),
        None => "{ labelSelectors: { app.kubernetes.io/part-of: octet } }".to_owned(),
    };
    let lasting =
        fault.lasts().map(|lasts| format!("  duration: {}\n", duration_text(lasts))).unwrap_or_default();
    Ok(format!(
        "apiVersion: chaos-mesh.org/v1alpha1\nkind: {kind}\nmetadata:\n  name: octet-fault-{number}\nspec:\n  mode: all\n  \
         selector: {selector}\n{effect}{lasting}"
    ))
}

/// A duration as Istio reads it.
fn seconds(duration: std::time::Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use octet_fault::parse;

    use super::*;

    fn rendered(text: &str, to: FaultTarget) -> Result<String, String> {
        render(&parse(text).unwrap(), to).map_err(|failure| failure.to_string())
    }

    #[test]
    fn istio_gets_delays_and_aborts_of_calls() {
        let text = "at=edge>stock abort=UNAVAILABLE share=10% when=x-user=jason\nat=*>cart delay=1500ms";
        let manifests = rendered(text, FaultTarget::Istio).unwrap();
        for part in [
            "hosts: [stock]",
            "abort: { grpcStatus: \"UNAVAILABLE\", percentage: { value: 10 } }",
            "match: [{ sourceLabels: { app.kubernetes.io/name: edge }, headers: { \"x-user\": { exact: \"jason\" } } }]",
            "---\n",
            "delay: { fixedDelay: 1.5s, percentage: { value: 100 } }",
        ] {
            assert!(manifests.contains(part), "{part}\n{manifests}");
        }
    }

    #[test]
    fn chaos_mesh_gets_what_acts_on_all_pods_of_a_service() {
        let manifests =
            rendered("at=stock delay=1ms..9ms for=5m\nat=* crash=true", FaultTarget::ChaosMesh).unwrap();
        for part in ["kind: NetworkChaos", "latency: 5ms, jitter: 4ms", "duration: 5m", "kind: PodChaos"] {
            assert!(manifests.contains(part), "{part}\n{manifests}");
        }
    }

    #[test]
    fn what_a_tool_cannot_say_is_refused_by_name() {
        let text = "at=edge>stock lose=INTERNAL\nat=stock delay=1ms\nat=edge>stock drop=true blind=true";
        let refused = rendered(text, FaultTarget::Istio).unwrap_err();
        assert_eq!(
            refused,
            "at=edge>stock lose=INTERNAL: Istio cannot lose\nat=stock delay=1ms: Istio acts on calls: CALLER>CALLEE\n\
             at=edge>stock drop=true blind=true: blind is Octet's own"
        );
        let refused = rendered("at=stock lose=INTERNAL\nat=stock drop=true share=5%", FaultTarget::ChaosMesh)
            .unwrap_err();
        assert!(
            refused.contains("Chaos Mesh cannot lose INTERNAL") && refused.contains("share of calls"),
            "{refused}"
        );
    }
}
