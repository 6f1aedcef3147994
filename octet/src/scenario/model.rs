//! A scenario that is valid.

use std::{collections::BTreeMap, fmt, time::Duration};

use octet_fault::{Fault, duration_text};
use octet_topology::Topology;

use super::condition::Condition;
use crate::audit::telemetry::FindingKind;

/// Requests of one scenario: each is remembered until the verdict.
pub(crate) const MAX_REQUESTS: u64 = 2_000_000;

/// A scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) title: String,
    pub(crate) seed: Option<u64>,
    pub(crate) topology: Topology,
    pub(crate) topology_text: String,
    /// Whether the file names a topology.
    pub(crate) has_own_topology: bool,
    /// Variables of every process.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) load: Load,
    pub(crate) faults: Vec<TimedFault>,
    pub(crate) actions: Vec<Action>,
    pub(crate) expectations: Vec<Expectation>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Requests a second, of an open loop.
    pub(crate) rate: Option<u32>,
    /// The users, or the most requests that wait for their responses at a time.
    pub(crate) users: u32,
    pub(crate) lasting: Duration,
    pub(crate) timeout: Duration,
    /// The time at the start that belongs to no window.
    pub(crate) warm_up: Duration,
}

/// A fault and when it acts.
#[derive(Debug, Clone)]
pub(crate) struct TimedFault {
    pub(crate) fault: Fault,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// What happens to processes.
#[derive(Debug, Clone)]
pub(crate) struct Action {
    /// As in the file.
    pub(crate) at: String,
    /// The processes, in order.
    pub(crate) processes: Vec<String>,
    pub(crate) verb: Verb,
    pub(crate) from: Duration,
    /// For kill, stop and freeze: the time until it is undone.
    pub(crate) lasting: Option<Duration>,
}

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Kill,
    Stop,
    Freeze,
    Thaw,
    Restart,
    Poison,
}

impl Verb {
    pub(crate) const ALL: [(&'static str, Self); 6] = [
        ("kill", Self::Kill),
        ("stop", Self::Stop),
        ("freeze", Self::Freeze),
        ("thaw", Self::Thaw),
        ("restart", Self::Restart),
        ("poison", Self::Poison),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, verb)| *verb == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb.name(), self.at)?;
        self.lasting.map_or(Ok(()), |lasting| write!(formatter, " for {}", duration_text(lasting)))
    }
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    /// From the end of the warm-up to the first fault or action.
    Before,
    /// From the first fault or action to the end of the last.
    During,
    /// From there to the end of the load.
    After,
    /// The whole load, and what remains when it is over.
    End,
}

impl When {
    pub(crate) const ALL: [(&'static str, Self); 4] =
        [("before", Self::Before), ("during", Self::During), ("after", Self::After), ("end", Self::End)];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, when)| *when == self).map_or("", |(name, _)| name)
    }
}

/// What must hold.
#[derive(Debug)]
pub(crate) struct Expectation {
    pub(crate) when: When,
    /// The time at the start of the window that does not count; for a state, the time until it must be reached.
    pub(crate) within: Option<Duration>,
    pub(crate) checks: Vec<Check>,
}

/// One thing that must hold: a case of the report.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    Latency(Condition),
    Errors(Condition),
    Goodput(Condition),
    /// No other outcome than success and these.
    FailuresOnly(Vec<String>),
    Queue(Condition),
    /// The process is ready, or not, at some moment.
    Readiness {
        process: String,
        is_ready: bool,
    },
    Alert {
        fire: Vec<String>,
        within: Option<Duration>,
        no_others: bool,
    },
    Audit,
    /// How many spans have this fault.
    Telemetry(FindingKind, Condition),
    /// The processes' counters agree with the answers.
    Counters,
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency(condition) => write!(formatter, "latency {condition}"),
            Self::Errors(condition) => write!(formatter, "errors {condition}"),
            Self::Goodput(condition) => write!(formatter, "goodput {condition}"),
            Self::FailuresOnly(outcomes) => write!(formatter, "failures only {}", outcomes.join(", ")),
            Self::Queue(condition) => write!(formatter, "queue {condition}"),
            Self::Readiness { process, is_ready: true } => write!(formatter, "{process} is ready"),
            Self::Readiness { process, is_ready: false } => write!(formatter, "{process} is not ready"),
            Self::Alert { fire, within, no_others } => {
                if fire.is_empty() {
                    return formatter.write_str("no alert fires");
                }
                write!(formatter, "alert {} fires", fire.join(", "))?;
                if let Some(within) = within {
                    write!(formatter, " within {}", duration_text(*within))?;
                }
                formatter.write_str(if *no_others { ", and no other" } else { "" })
            }
            Self::Audit => formatter.write_str("audit clean"),
            Self::Telemetry(kind, condition) => write!(formatter, "spans {} {condition}", kind.of_spans()),
            Self::Counters => formatter.write_str("counters agree with the answers"),
        }
    }
}
