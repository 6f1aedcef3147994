//! How a service behaves beside its place in the graph.

use std::{fmt, str::FromStr, time::Duration};

use octet_fault::{Size, Spread, duration_text};
use serde::{Serialize, Serializer};

use crate::name::InvalidText;

/// What a service does with a call whose caller has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenLeft {
    /// It stops, and everything below stops, too.
    #[default]
    Stop,
    /// It finishes the work, whose result nobody takes.
    Finish,
}

impl WhenLeft {
    /// Its spelling in topologies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Finish => "finish",
        }
    }
}

impl FromStr for WhenLeft {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        [Self::Stop, Self::Finish]
            .into_iter()
            .find(|when| when.as_str() == text)
            .ok_or_else(|| InvalidText::new(text, "reaction to a caller that left", "use stop or finish"))
    }
}

/// How many calls a service works on at once; more fail with `RESOURCE_EXHAUSTED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Limit {
    /// The calls that are worked on.
    pub concurrent: usize,
    /// The calls that may wait, in the order of their arrival.
    pub queue: usize,
}

/// How a service behaves beside its place in the graph. The default does nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Behaviour {
    /// The time that each call takes before the service calls its upstreams.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub work: Option<Spread<Duration>>,
    /// The CPU time that each call burns.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub cpu: Option<Spread<Duration>>,
    /// The memory that each call holds until it ends.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub memory: Option<Spread<Size>>,
    /// The bytes that are added to each answer.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub payload: Option<Spread<Size>>,
    /// How many calls it works on at once; `None` for as many as the process admits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// What it does with a call whose caller has left.
    #[serde(skip_serializing_if = "is_default")]
    pub when_left: WhenLeft,
    /// How long it is not ready after its start.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration")]
    pub ready_after: Option<Duration>,
}

impl Behaviour {
    /// The fields that differ from the default, as they are written in a file, without quotes around texts.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        fields.extend(self.work.map(|work| ("work", work.to_string())));
        fields.extend(self.cpu.map(|cpu| ("cpu", cpu.to_string())));
        fields.extend(self.memory.map(|memory| ("memory", memory.to_string())));
        fields.extend(self.payload.map(|payload| ("payload", payload.to_string())));
        fields.extend(self.limit.map(|Limit { concurrent, queue }| {
            ("limit", format!("{{ concurrent = {concurrent}, queue = {queue} }}"))
        }));
        if self.when_left != WhenLeft::default() {
            fields.push(("when_left", self.when_left.as_str().to_owned()));
        }
        fields.extend(self.ready_after.map(|after| ("ready_after", duration_text(after))));
        fields
    }
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// As written in a file.
#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(crate) fn text<T: fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// As written in a file.
#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(crate) fn duration<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    text(&value.map(duration_text), serializer)
}
