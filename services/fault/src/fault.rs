//! One fault.

use std::{fmt, time::Duration};

use crate::{address::Address, effect::Effect, quantity::duration_text, share::Share};

/// The most faults of a process at a time, from all sources but requests' headers.
pub const MAX_FAULTS: usize = 64;

/// How many calls a fault acts on at once, where it does not say.
pub const DEFAULT_MAX: u32 = 100;

/// The header, and its value, of the calls that a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct When {
    /// In lower case.
    pub header: String,
    /// The whole value.
    pub value: String,
}

/// One fault: valid, with its effect allowed at its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fault {
    pub(crate) at: Address,
    pub(crate) effect: Effect,
    pub(crate) share: Share,
    pub(crate) max: Option<u32>,
    pub(crate) lasts: Option<Duration>,
    pub(crate) when: Option<When>,
    pub(crate) blind: bool,
}

impl Fault {
    /// Where it acts.
    pub fn at(&self) -> &Address {
        &self.at
    }

    /// What it does.
    pub fn effect(&self) -> &Effect {
        &self.effect
    }

    /// The share of calls that it acts on.
    pub fn share(&self) -> Share {
        self.share
    }

    /// How many calls it acts on at once.
    pub fn max(&self) -> u32 {
        self.max.unwrap_or(DEFAULT_MAX)
    }

    /// Whether it says itself how many calls it acts on at once.
    pub fn has_max(&self) -> bool {
        self.max.is_some()
    }

    /// How long it acts, from the moment at which it is set; `None` for as long as its source says.
    pub fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    /// The header that a call must have.
    pub fn when(&self) -> Option<&When> {
        self.when.as_ref()
    }

    /// Whether neither metrics nor spans nor messages show that it acted.
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// The fault for logs, which do not name a blind one.
    pub fn log_text(&self) -> String {
        if self.blind { "a blind fault".to_owned() } else { self.to_string() }
    }

    /// What its draws depend on. Not the share: with a larger share the same requests fail, and more.
    pub fn identity(&self) -> String {
        let when = self.when.as_ref().map(|when| format!(" when={when}")).unwrap_or_default();
        format!("at={} {}={}{when}", self.at, self.effect.key(), self.effect.value())
    }

    /// The keys and values that [`read_fields`](crate::read_fields) reads; without those that have their defaults.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("at", self.at.to_string()), (self.effect.key(), self.effect.value())];
        if !self.share.is_whole() {
            fields.push(("share", self.share.to_string()));
        }
        fields.extend(self.max.map(|max| ("max", max.to_string())));
        fields.extend(self.lasts.map(|lasts| ("for", duration_text(lasts))));
        fields.extend(self.when.as_ref().map(|when| ("when", when.to_string())));
        if self.blind {
            fields.push(("blind", "true".to_owned()));
        }
        fields
    }
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.header, self.value)
    }
}

/// The fault as one line, which [`parse`](crate::parse) reads.
impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.fields().into_iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            if value.contains([' ', ';']) {
                write!(formatter, "{space}{key}=\"{value}\"")?;
            } else {
                write!(formatter, "{space}{key}={value}")?;
            }
        }
        Ok(())
    }
}
