//! Compares the processes' counters with what the answers prove.
//!
//! Every call that an answer proves was counted by both sides, so that a smaller counter is wrong. A larger one is, too,
//! where the gateway has made exactly as many calls as there are answers, and no call was tried again: then nothing else
//! happened in this mesh.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, anyhow};
use http::StatusCode;
use octet_zipkin::Kind;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::graph::Graph,
    exposition::Sample,
    label::{End, GATEWAY, Label, name},
};
use crate::{failure::Failure, http_client};

/// The longest time for one page.
const LIMIT: Duration = Duration::from_secs(10);

/// Bytes of the largest page: Prometheus's `/federate` has all processes on one.
const PAGE_LIMIT: usize = 16 * 1024 * 1024;

/// The counters of all processes, summed over replicas.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Counters {
    /// By process and what is counted, whatever the outcome.
    all: BTreeMap<Counted, f64>,
    /// The same, of what succeeded.
    succeeded: BTreeMap<Counted, f64>,
    /// Spans that processes dropped, by process.
    dropped: BTreeMap<String, f64>,
    /// Spans that the collector received again.
    repeated: f64,
}

/// What a process counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Calls { caller: String, callee: String },
    Served { service: String },
    Published { service: String },
    Consumed { service: String },
    Stored { service: String },
}

/// One counter beside what it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Counter {
    /// What it counts.
    pub what: String,
    /// What the answers prove.
    pub proven: u64,
    /// What the process has counted; `None` where its page was not given.
    pub counted: Option<f64>,
    /// Whether it is off.
    pub is_off: bool,
}

/// The counters of a telemetry audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Each of them.
    pub counters: Vec<Counter>,
    /// Whether larger counters are off, too.
    pub is_exact: bool,
    /// Spans that processes dropped because their queue was full or the collector did not take them, by process.
    pub dropped: BTreeMap<String, f64>,
    /// Spans that Octet's collector received again, and did not keep.
    pub repeated: f64,
}

impl Counters {
    /// Reads pages in Prometheus's text format, such as `http://localhost:9001/metrics`.
    ///
    /// # Errors
    /// [`Failure::Configuration`] for an invalid URL; [`Failure::Failed`] if a page cannot be read.
    pub async fn fetch(urls: &[String]) -> Result<Self, Failure> {
        let getter = http_client::Getter::new(PAGE_LIMIT);
        let mut counters = Self::default();
        for url in urls {
            let uri = http_client::parse(url).ok_or_else(|| {
                Failure::Configuration(format!(
                    "--metrics: {url:?} must be such as http://localhost:9001/metrics"
                ))
            })?;
            let (status, body) = timeout(LIMIT, getter.get(uri))
                .await
                .map_err(|_| anyhow!("{url}: no response within {}", humantime::format_duration(LIMIT)))?
                .with_context(|| format!("cannot read {url}"))?;
            if status != StatusCode::OK {
                return Err(anyhow!("cannot read {url}: the server returned {status}").into());
            }
            counters.add(&String::from_utf8_lossy(&body));
        }
        Ok(counters)
    }

    /// What was counted since `before`. A process that was restarted in between counts from zero.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        fn subtract<K: Ord>(from: &mut BTreeMap<K, f64>, before: &BTreeMap<K, f64>) {
            for (key, value) in from {
                *value = (*value - before.get(key).copied().unwrap_or_default()).max(0.0);
            }
        }
        subtract(&mut self.all, &before.all);
        subtract(&mut self.succeeded, &before.succeeded);
        subtract(&mut self.dropped, &before.dropped);
        self.repeated = (self.repeated - before.repeated).max(0.0);
        self
    }

    /// Adds the counters of a page. A page of several processes has a label for each; that of one process names it once.
    pub(super) fn add(&mut self, page: &str) {
        let mut named = Sample::all(page).filter(|sample| sample.name == "octet_build_info");
        let process = named.next().map(|sample| sample.label("service").to_owned()).unwrap_or_default();
        for sample in Sample::all(page) {
            let own = Some(sample.label("service")).filter(|own| !own.is_empty());
            let service = own.unwrap_or(&process).to_owned();
            let outcome = sample.label("outcome");
            let is_greeting = || sample.label("grpc_service") == "greeting.v3.GreetingService";
            let (counted, is_success) = match sample.name {
                "grpc_client_handled_total" if is_greeting() => {
                    let callee = sample.label("upstream").to_owned();
                    (Counted::Calls { caller: service, callee }, sample.label("grpc_code") == "OK")
                }
                "grpc_server_handled_total" if is_greeting() => {
                    (Counted::Served { service }, sample.label("grpc_code") == "OK")
                }
                "octet_queue_published_total" => (Counted::Published { service }, outcome == "confirmed"),
                "octet_queue_settled_total" => {
                    (Counted::Consumed { service }, matches!(outcome, "stored" | "duplicate"))
                }
                "octet_store_inserts_total" => {
                    (Counted::Stored { service }, matches!(outcome, "new" | "already_there"))
                }
                "octet_trace_spans_total" if sample.label("result") == "dropped" => {
                    *self.dropped.entry(service).or_default() += sample.value;
                    continue;
                }
                "octet_collector_spans_total" if sample.label("result") == "duplicate" => {
                    self.repeated += sample.value;
                    continue;
                }
                _ => continue,
            };
            *self.all.entry(counted.clone()).or_default() += sample.value;
            *self.succeeded.entry(counted).or_default() += if is_success { sample.value } else { 0.0 };
        }
    }

    /// Compares them with the spans that answers prove.
    pub(super) fn compare(
        &self,
        graph: &Graph,
        proven: &BTreeMap<Label, u64>,
        answers: u64,
        retried: u64,
    ) -> Compared {
        let mut sums: BTreeMap<Counted, u64> = BTreeMap::new();
        for (label, number) in proven {
            if let Some(counted) = counted(graph, *label) {
                *sums.entry(counted).or_default() += number;
            }
        }
        let by_gateway =
            |counted: &Counted| matches!(counted, Counted::Calls { caller, .. } if caller == GATEWAY);
        let made: f64 =
            self.all.iter().filter(|(counted, _)| by_gateway(counted)).map(|(_, value)| value).sum();
        let is_exact = retried == 0 && (made - float(answers)).abs() < 0.5;
        let counters = sums.iter().map(|(counted, proven)| {
            let value = self.succeeded.get(counted).copied();
            let is_less = value.is_some_and(|value| value + 0.5 < float(*proven));
            let all = self.all.get(counted).copied().unwrap_or_default();
            let is_more = is_exact && all > float(*proven) + 0.5;
            Counter { what: counted.to_string(), proven: *proven, counted: value, is_off: is_less || is_more }
        });
        Compared {
            counters: counters.collect(),
            is_exact,
            dropped: self
                .dropped
                .iter()
                .filter(|(_, value)| **value > 0.0)
                .map(|(name, value)| (name.clone(), *value))
                .collect(),
            repeated: self.repeated,
        }
    }
}

/// The counter of a span's label. Each call has one on either side.
fn counted(graph: &Graph, label: Label) -> Option<Counted> {
    let of = |end: End| name(graph, end);
    Some(match (label.side, label.to) {
        (Kind::Client, End::Store(_)) => Counted::Stored { service: of(label.from) },
        (Kind::Client, _) => Counted::Calls { caller: of(label.from), callee: of(label.to) },
        (Kind::Server, End::Service(_)) => Counted::Served { service: of(label.to) },
        (Kind::Server, _) => return None,
        (Kind::Producer, _) => Counted::Published { service: of(label.from) },
        (Kind::Consumer, _) => Counted::Consumed { service: of(label.to) },
    })
}

impl std::fmt::Display for Counted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Calls { caller, callee } => write!(formatter, "calls from {caller} to {callee}"),
            Self::Served { service } => write!(formatter, "calls served by {service}"),
            Self::Published { service } => write!(formatter, "messages published by {service}"),
            Self::Consumed { service } => write!(formatter, "messages settled by {service}"),
            Self::Stored { service } => write!(formatter, "inserts of {service}"),
        }
    }
}

impl Compared {
    /// Whether no counter is off. Where nothing else happened, a span that was received again counts, too.
    pub fn is_clean(&self) -> bool {
        self.off().is_empty()
    }

    /// A sentence for each counter that is off.
    pub fn off(&self) -> Vec<String> {
        let counters = self.counters.iter().filter(|counter| counter.is_off).map(|counter| {
            let counted = counter.counted.unwrap_or_default();
            format!("{}: {counted} counted, {} claimed", counter.what, counter.proven)
        });
        let dropped = self.dropped.iter().map(|(process, spans)| format!("{process} dropped {spans} spans"));
        let repeated = (self.is_exact && self.repeated > 0.0)
            .then(|| format!("{} spans were received again", self.repeated));
        counters.chain(dropped).chain(repeated).collect()
    }

    pub(super) fn to_json(&self) -> Value {
        let counters = self.counters.iter().map(|Counter { what, proven, counted, is_off }| {
            json!({ "what": what, "proven": proven, "counted": counted, "off": is_off })
        });
        json!({
            "exact": self.is_exact,
            "counters": counters.collect::<Vec<_>>(),
            "droppedSpans": self.dropped,
            "repeatedSpans": self.repeated,
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "far fewer calls than the digits of a double")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use octet_topology::Topology;

    use super::*;
    use crate::audit::Overrides;

    const TOPOLOGY: &str =
        "entry = \"a\"\n[[service]]\nname = \"a\"\ncalls = [\"b\"]\n[[service]]\nname = \"b\"\n";

    fn page(process: &str, family: &str, more: &str, value: u32) -> String {
        format!(
            "{family}{{service=\"{process}\",grpc_service=\"greeting.v3.GreetingService\",grpc_code=\"OK\"{more}}} {value}\n"
        )
    }

    fn off(calls: u32, gateway: u32, retried: u64) -> Vec<String> {
        let graph = Graph::new(&Topology::parse(TOPOLOGY, "test").unwrap(), &Overrides::default());
        let service = End::Service;
        let proven = BTreeMap::from([
            (Label::new(End::Gateway, service(0), Kind::Client), 10),
            (Label::new(service(0), service(1), Kind::Client), 10),
            (Label::new(service(0), service(1), Kind::Server), 10),
        ]);
        let mut counters = Counters::default();
        counters.add(&page("gateway", "grpc_client_handled_total", ",upstream=\"a\"", gateway));
        counters.add(&page("a", "grpc_client_handled_total", ",upstream=\"b\"", calls));
        let compared = counters.compare(&graph, &proven, 10, retried);
        assert_eq!(compared.counters.last().unwrap().counted, None, "b's page was not given");
        compared.counters.into_iter().filter(|counter| counter.is_off).map(|counter| counter.what).collect()
    }

    #[test]
    fn a_smaller_counter_is_off_and_a_larger_one_where_nothing_else_happened() {
        assert_eq!(off(10, 10, 0), [""; 0]);
        assert_eq!(off(9, 10, 0), ["calls from a to b"]);
        assert_eq!(off(11, 10, 0), ["calls from a to b"]);
        assert_eq!(off(11, 10, 1), [""; 0], "calls were tried again");
        assert_eq!(off(11, 11, 0), [""; 0], "another request was not saved");
        assert_eq!(off(9, 11, 0), ["calls from a to b"]);
    }
}
