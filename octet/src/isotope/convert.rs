//! From isotope's graph to a topology file.

use std::{fmt, fmt::Write as _, time::Duration};

use octet_fault::duration_text;
use octet_topology::MAX_REPLICAS;

use super::{
    quantity,
    yaml::{self, InvalidYaml, Node, Value},
};

/// The largest payload of a topology, in bytes.
const MAX_PAYLOAD: u64 = 1 << 20;

/// The longest work.
const MAX_WORK: Duration = Duration::from_hours(1);

/// A converted graph.
#[derive(Debug)]
pub(crate) struct Imported {
    /// The topology file.
    pub(crate) toml: String,
    /// What it does not say as the graph did.
    pub(crate) notes: Vec<Note>,
}

/// Something that the topology does not say as the graph did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Its line, counted from 1.
    pub(crate) line: usize,
    /// What it was, and what became of it.
    pub(crate) text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.line, self.text)
    }
}

/// Converts a graph. Whether the result is a valid topology, without cycles for instance, is for the caller to check.
///
/// # Errors
/// A file that is not YAML, or not a graph of services.
pub(crate) fn convert(text: &str) -> Result<Imported, InvalidYaml> {
    let root = yaml::read(text)?;
    let services = match root.field("services") {
        Some(Node { value: Value::List(services), .. }) => services,
        Some(other) => return Err(InvalidYaml::new(other.line, "services must be a list")),
        None => return Err(InvalidYaml::new(root.line, "no services: not a graph of isotope")),
    };
    let mut import = Import { notes: Vec::new(), defaults: root.field("defaults") };
    import.unknown(&root, &["apiVersion", "kind", "defaults", "services"]);
    if let Some(defaults) = import.defaults {
        import.unknown(
            defaults,
            &["type", "requestSize", "responseSize", "errorRate", "numReplicas", "script"],
        );
    }
    let mut entry = None;
    let (mut tables, mut rules) = (String::new(), String::new());
    for service in services {
        let (name, table, more) = import.service(service)?;
        if service.field("isEntrypoint").and_then(Node::scalar) == Some("true") {
            match &entry {
                None => entry = Some(name),
                Some(first) => {
                    let text = format!("isEntrypoint: a mesh has one entry; {first} is kept");
                    import.note(service.line, text);
                }
            }
        }
        tables += &table;
        rules += &more;
    }
    let entry = entry
        .ok_or_else(|| InvalidYaml::new(root.line, "no service is an entrypoint (isEntrypoint: true)"))?;
    let toml = format!("entry = {}\n{tables}{rules}", quoted(&entry));
    // A default is read for each service.
    import.notes.sort_by(|one, other| (one.line, &one.text).cmp(&(other.line, &other.text)));
    import.notes.dedup();
    Ok(Imported { toml, notes: import.notes })
}

struct Import<'a> {
    notes: Vec<Note>,
    defaults: Option<&'a Node>,
}

/// A command of a script.
enum Command {
    Sleep(Duration),
    Call(Call),
}

/// One call of a script.
struct Call {
    service: String,
    line: usize,
    size: Option<u64>,
    /// In percent.
    probability: Option<f64>,
    times: u32,
}

impl Import<'_> {
    fn note(&mut self, line: usize, text: impl Into<String>) {
        self.notes.push(Note { line, text: text.into() });
    }

    fn unknown(&mut self, node: &Node, known: &[&str]) {
        let unknown = node.fields().filter_map(|(key, _)| Some((key.line, key.scalar()?)));
        let unknown: Vec<_> = unknown.filter(|(_, name)| !known.contains(name)).collect();
        for (line, name) in unknown {
            self.note(line, format!("{name:?} is not supported; left out"));
        }
    }

    /// The calls of a script, in the order of its steps. Writes `calls` and `work`.
    fn script(&mut self, script: &Node, table: &mut String) -> Result<Vec<Call>, InvalidYaml> {
        let Value::List(commands) = &script.value else {
            return Err(InvalidYaml::new(script.line, "script must be a list of commands"));
        };
        let (mut steps, mut calls, mut work) = (Vec::new(), Vec::<Call>::new(), Duration::ZERO);
        for command in commands {
            let together = match &command.value {
                Value::List(commands) => commands.as_slice(),
                _ => std::slice::from_ref(command),
            };
            let mut step = Vec::new();
            // Sleeps of one step pass together.
            let mut slept = Duration::ZERO;
            for command in together {
                match self.command(command)? {
                    Some(Command::Sleep(time)) => {
                        if !calls.is_empty() || together.len() > 1 {
                            self.note(command.line, "sleep: added to the work before all calls");
                        }
                        slept = slept.max(time);
                    }
                    Some(Command::Call(call)) => {
                        match calls.iter_mut().find(|known| known.service == call.service) {
                            None => {
                                step.push(quoted(&call.service));
                                calls.push(call);
                            }
                            Some(known) => {
                                known.times += 1;
                                let text = format!(
                                    "call: {} is called again; added to its first call, with that one's size and probability",
                                    call.service
                                );
                                self.note(call.line, text);
                            }
                        }
                    }
                    None => {}
                }
            }
            work += slept;
            if !step.is_empty() {
                steps.push(format!("[{}]", step.join(", ")));
            }
        }
        if !steps.is_empty() {
            line(table, format_args!("calls = [{}]", steps.join(", ")));
        }
        if !work.is_zero() {
            if work > MAX_WORK {
                self.note(script.line, "sleep: at most 1h");
            }
            line(table, format_args!("work = \"{}\"", duration_text(work.min(MAX_WORK))));
        }
        Ok(calls)
    }

    /// `None` for a command that is not supported.
    fn command(&mut self, command: &Node) -> Result<Option<Command>, InvalidYaml> {
        if let Some(sleep) = command.field("sleep") {
            self.unknown(command, &["sleep"]);
            let time = sleep.scalar().and_then(quantity::duration);
            let time =
                time.ok_or_else(|| InvalidYaml::new(sleep.line, "sleep must be a duration such as 10ms"))?;
            return Ok(Some(Command::Sleep(time)));
        }
        let Some(call) = command.field("call") else {
            if matches!(command.value, Value::List(_)) {
                self.note(command.line, "a list inside of a list is not supported; left out");
            } else {
                self.unknown(command, &[]);
            }
            return Ok(None);
        };
        self.unknown(command, &["call"]);
        let (service, size, probability) = if let Some(name) = call.scalar() {
            (Some(name), None, None)
        } else {
            self.unknown(call, &["service", "size", "payloadSize", "probability"]);
            let size = call.field("size").or_else(|| call.field("payloadSize"));
            (call.field("service").and_then(Node::scalar), size, call.field("probability"))
        };
        let service =
            service.ok_or_else(|| InvalidYaml::new(call.line, "call must name a service"))?.to_owned();
        let size = size.map(|size| self.size(size)).transpose()?;
        let probability = match probability {
            // A whole number of percent, without a sign.
            Some(node) => {
                let percent = node.scalar().and_then(|text| text.parse::<f64>().ok());
                let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
                Some(percent.ok_or_else(|| {
                    InvalidYaml::new(node.line, "probability must be a percentage from 0 to 100")
                })?)
            }
            None => None,
        };
        if probability == Some(0.0) {
            self.note(call.line, format!("call: {service} is never called (probability 0); left out"));
            return Ok(None);
        }
        Ok(Some(Command::Call(Call { service, line: call.line, size, probability, times: 1 })))
    }

    fn size(&mut self, node: &Node) -> Result<u64, InvalidYaml> {
        let size = node.scalar().and_then(quantity::size);
        let size = size.ok_or_else(|| InvalidYaml::new(node.line, "must be a size such as 128 or 10 KB"))?;
        if size > MAX_PAYLOAD {
            self.note(node.line, "size: at most 1 MiB");
        }
        Ok(size.min(MAX_PAYLOAD))
    }

    /// The name, the table, and further tables.
    fn service(&mut self, service: &Node) -> Result<(String, String, String), InvalidYaml> {
        let name = service.field("name").and_then(Node::scalar);
        let name = name.ok_or_else(|| InvalidYaml::new(service.line, "a service has no name"))?.to_owned();
        self.unknown(
            service,
            &["name", "type", "isEntrypoint", "numReplicas", "errorRate", "responseSize", "script"],
        );
        let defaults = self.defaults;
        let field = |key: &str| service.field(key).or_else(|| defaults?.field(key));
        if let Some(kind) = field("type").filter(|kind| kind.scalar() != Some("grpc")) {
            self.note(kind.line, "type: every service of Octet speaks gRPC");
        }
        let mut table = format!("\n[[service]]\nname = {}\n", quoted(&name));
        let mut rules = String::new();
        let calls = match field("script") {
            Some(script) => self.script(script, &mut table)?,
            None => Vec::new(),
        };
        if let Some(replicas) = field("numReplicas") {
            let number =
                replicas.scalar().and_then(|text| text.parse::<u32>().ok()).filter(|number| *number > 0);
            let number = number
                .ok_or_else(|| InvalidYaml::new(replicas.line, "numReplicas must be a whole number"))?;
            if number > MAX_REPLICAS {
                self.note(replicas.line, format!("numReplicas: at most {MAX_REPLICAS}"));
            }
            line(&mut table, format_args!("replicas = {}", number.min(MAX_REPLICAS)));
        }
        if let Some(size) = field("responseSize") {
            let bytes = self.size(size)?;
            line(&mut table, format_args!("payload = \"{bytes}B\""));
        }
        if let Some(rate) = field("errorRate") {
            let percent = percentage(rate)?;
            if percent > 0.0 {
                line(&mut rules, format_args!("\n[[fault]]\nat = {}", quoted(&name)));
                line(&mut rules, format_args!("abort = \"INTERNAL\"\nshare = \"{percent}%\""));
            }
        }
        let request_size = defaults.and_then(|defaults| defaults.field("requestSize"));
        let request_size = request_size.map(|size| self.size(size)).transpose()?;
        for call in calls {
            let mut rule = String::new();
            if call.times > 1 {
                line(&mut rule, format_args!("times = {}", call.times));
            }
            if let Some(probability) = call.probability.filter(|probability| *probability < 100.0) {
                line(&mut rule, format_args!("share = \"{probability}%\""));
            }
            if let Some(size) = call.size.or(request_size).filter(|size| *size > 0) {
                line(&mut rule, format_args!("payload = \"{size}B\""));
            }
            if !rule.is_empty() {
                line(
                    &mut rules,
                    format_args!("\n[[edge]]\nat = {}", quoted(&format!("{name}>{}", call.service))),
                );
                rules += &rule;
            }
        }
        Ok((name, table, rules))
    }
}

fn line(text: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

/// JSON's escapes are TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

fn percentage(node: &Node) -> Result<f64, InvalidYaml> {
    let percent = node.scalar().and_then(quantity::percentage);
    percent.ok_or_else(|| InvalidYaml::new(node.line, "must be a percentage such as 10%"))
}

#[cfg(test)]
mod tests {
    use octet_topology::{ServiceName, Topology};

    use super::*;

    const GRAPH: &str = "\
defaults:
  responseSize: 1 KB
  requestSize: 128
services:
- name: entry
  isEntrypoint: true
  type: http
  script:
  - sleep: 5ms
  - - call: cart
    - call: {service: ads, probability: 50}
  - sleep: 2ms
  - call: {service: shipping, size: 4 KB}
- name: cart
  numReplicas: 20
  errorRate: 0.1%
  numRbacPolicies: 3
  script:
  - call: shipping
  - call: shipping
- name: ads
- name: shipping
";

    #[test]
    fn a_graph_becomes_a_valid_topology_and_what_differs_is_reported_with_its_line() {
        let imported = convert(GRAPH).unwrap();
        let topology =
            Topology::parse(&imported.toml, "imported").unwrap_or_else(|findings| panic!("{findings}"));
        let entry = topology.entry();
        let steps: Vec<Vec<_>> =
            entry.steps.iter().map(|step| step.iter().map(ServiceName::as_str).collect()).collect();
        assert_eq!(steps, [vec!["cart", "ads"], vec!["shipping"]]);
        assert_eq!(entry.behaviour.work.unwrap().to_string(), "7ms");
        assert_eq!(topology.services()[1].replicas, 16);
        assert_eq!(topology.edge("entry", "ads").share.to_string(), "50%");
        assert_eq!(topology.edge("entry", "shipping").payload.unwrap().to_string(), "4KiB");
        assert_eq!(topology.edge("entry", "cart").payload.unwrap().to_string(), "128B");
        assert_eq!(topology.edge("cart", "shipping").times, 2);
        assert_eq!(topology.faults()[0].to_string(), "at=cart abort=INTERNAL share=0.1%");
        let notes: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "7: type: every service of Octet speaks gRPC",
                "12: sleep: added to the work before all calls",
                "15: numReplicas: at most 16",
                "17: \"numRbacPolicies\" is not supported; left out",
                "20: call: shipping is called again; added to its first call, with that one's size and probability",
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_graph_is_refused_with_its_line() {
        for (text, line, problem) in [
            ("a: 1", 1, "no services"),
            ("services: 1", 1, "must be a list"),
            ("services:\n- type: grpc", 2, "has no name"),
            ("services:\n- name: a", 1, "no service is an entrypoint"),
            ("services:\n- name: a\n  script: x", 3, "script must be a list"),
            ("services:\n- name: a\n  script:\n  - sleep: soon", 4, "sleep must be a duration"),
            ("services:\n- name: a\n  script:\n  - call: {size: 1}", 4, "call must name a service"),
            ("services:\n- name: a\n  errorRate: many", 3, "must be a percentage"),
            ("services:\n- name: a\n  responseSize: big", 3, "must be a size"),
            ("services:\n- name: a\n  numReplicas: 0", 3, "numReplicas must be a whole number"),
        ] {
            let refused = convert(text).expect_err(text);
            assert!(refused.line == line && refused.problem.contains(problem), "{text}: {refused}");
        }
    }

    #[test]
    fn names_cannot_change_the_file() {
        let text = r#"services: [{name: "a\"\n[[service]]", isEntrypoint: true}]"#;
        let imported = convert(text).unwrap();
        let findings = Topology::parse(&imported.toml, "imported").unwrap_err();
        assert!(findings.to_string().contains("service[0].name"), "{findings}");
    }
}
