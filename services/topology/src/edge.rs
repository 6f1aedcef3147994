//! How one service calls another.

use std::{fmt, str::FromStr, time::Duration};

use octet_fault::{Code, Party, Share, Size, Spread, duration_text};
use serde::{Serialize, Serializer};

use crate::{
    behaviour::{duration, text},
    name::InvalidText,
};

/// How a caller chooses among the addresses of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The first address that can be reached.
    PickFirst,
    /// Each address in turn.
    RoundRobin,
    /// The address with the fewest calls in flight.
    LeastRequest,
}

impl Balance {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::PickFirst, Self::RoundRobin, Self::LeastRequest];

    /// Its spelling in topologies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PickFirst => "pick_first",
            Self::RoundRobin => "round_robin",
            Self::LeastRequest => "least_request",
        }
    }
}

impl FromStr for Balance {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Self::ALL.into_iter().find(|balance| balance.as_str() == text).ok_or_else(|| {
            InvalidText::new(text, "way to balance", "use pick_first, round_robin or least_request")
        })
    }
}

/// When and how often a failed call is tried again, beside the retries of what was provably not processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// The most attempts of one call, the first included.
    pub attempts: u32,
    /// The codes that are tried again.
    #[serde(serialize_with = "codes")]
    pub on: Vec<Code>,
    /// The most retries, as a share of all calls; `None` for no such limit.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub budget: Option<Share>,
    /// The pause before the first retry; it doubles with each.
    #[serde(serialize_with = "pause")]
    pub backoff: Duration,
}

impl Retry {
    /// The pause before the first retry, where the file does not say.
    pub const DEFAULT_BACKOFF: Duration = Duration::from_millis(25);

    /// Attempts, gRPC's numbers of codes, the budget from 0 to 1, and the pause.
    pub fn parts(&self) -> (u32, Vec<i32>, Option<f64>, Duration) {
        let codes = self.on.iter().map(|code| code.number()).collect();
        (self.attempts, codes, self.budget.map(Share::fraction), self.backoff)
    }
}

/// How one service calls another. The default is one call to each, as the caller's deadline allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeSettings {
    /// The share of the caller's calls in which the upstream is called.
    #[serde(serialize_with = "display")]
    pub share: Share,
    /// How often it is called, one call after the other.
    pub times: u32,
    /// The bytes that are added to each request.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub payload: Option<Spread<Size>>,
    /// The most time for a call with its retries.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration")]
    pub deadline: Option<Duration>,
    /// How an address is chosen; `None` for `pick_first` with one address, and `round_robin` with several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// Which failures are tried again; `None` for those of decision 0004 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self { share: Share::WHOLE, times: 1, payload: None, deadline: None, balance: None, retry: None }
    }
}

impl EdgeSettings {
    /// In a few words, for drawings and tables; empty for the default.
    pub fn summary(&self) -> String {
        let mut words = Vec::new();
        if !self.share.is_whole() {
            words.push(self.share.to_string());
        }
        if self.times > 1 {
            words.push(format!("{} times", self.times));
        }
        words.extend(self.payload.map(|payload| format!("payload {payload}")));
        words.extend(self.deadline.map(|deadline| format!("within {}", duration_text(deadline))));
        words.extend(self.balance.map(|balance| balance.as_str().to_owned()));
        words.extend(self.retry.as_ref().map(|retry| {
            let on: Vec<_> = retry.on.iter().map(|code| code.name()).collect();
            let budget = retry.budget.map(|budget| format!(" budget {budget}")).unwrap_or_default();
            format!("{} attempts on {}{budget}", retry.attempts, on.join("|"))
        }));
        words.join(", ")
    }
}

/// One `[[edge]]`: settings for the calls that its address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeRule {
    /// Who calls; can be the gateway.
    pub caller: Party,
    /// Who is called.
    pub callee: Party,
    /// The share of calls, where it says one; and so on.
    pub share: Option<Share>,
    /// See [`EdgeSettings::times`].
    pub times: Option<u32>,
    /// See [`EdgeSettings::payload`].
    pub payload: Option<Spread<Size>>,
    /// See [`EdgeSettings::deadline`].
    pub deadline: Option<Duration>,
    /// See [`EdgeSettings::balance`].
    pub balance: Option<Balance>,
    /// See [`EdgeSettings::retry`].
    pub retry: Option<Retry>,
}

impl EdgeRule {
    /// Whether it is about calls from `caller` to `callee`.
    pub(crate) fn matches(&self, caller: &str, callee: &str) -> bool {
        self.caller.is(caller) && self.callee.is(callee)
    }

    /// A rule that names both sides goes before one that names the callee, then the caller, then neither.
    fn rank(&self) -> u8 {
        match (self.caller.name(), self.callee.name()) {
            (Some(_), Some(_)) => 0,
            (None, Some(_)) => 1,
            (Some(_), None) => 2,
            (None, None) => 3,
        }
    }
}

/// The settings of the calls from `caller` to `callee`: each field from the most specific rule that has it.
pub(crate) fn resolve(rules: &[EdgeRule], caller: &str, callee: &str) -> EdgeSettings {
    let mut matching: Vec<_> = rules.iter().filter(|rule| rule.matches(caller, callee)).collect();
    matching.sort_by_key(|rule| rule.rank());
    let rules = || matching.iter();
    let default = EdgeSettings::default();
    EdgeSettings {
        share: rules().find_map(|rule| rule.share).unwrap_or(default.share),
        times: rules().find_map(|rule| rule.times).unwrap_or(default.times),
        payload: rules().find_map(|rule| rule.payload),
        deadline: rules().find_map(|rule| rule.deadline),
        balance: rules().find_map(|rule| rule.balance),
        retry: rules().find_map(|rule| rule.retry.clone()),
    }
}

fn display<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn pause<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&duration_text(*value))
}

fn codes<S: Serializer>(codes: &[Code], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(codes.iter().map(|code| code.name()))
}
