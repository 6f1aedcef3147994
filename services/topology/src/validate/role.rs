//! The fields that `[defaults]` and each service may have.

use std::time::Duration;

use octet_fault::{MAX_CPU, MAX_DELAY, MAX_MEMORY, Quantity, Size, Spread, duration_text, parse_duration};

use super::{number, parsed, value};
use crate::{
    behaviour::{Behaviour, Limit, WhenLeft},
    limits::{MAX_CONCURRENT, MAX_PAYLOAD, MAX_REPLICAS},
    model::Policy,
    name::GreetingText,
    raw::{RawLimit, RawRole, RawText},
    reporter::Reporter,
};

/// The valid fields of one table; `None` where it does not have them.
pub(super) struct Role {
    pub(super) greeting: Option<GreetingText>,
    pub(super) policy: Option<Policy>,
    pub(super) replicas: Option<u32>,
    work: Option<Spread<Duration>>,
    cpu: Option<Spread<Duration>>,
    memory: Option<Spread<Size>>,
    payload: Option<Spread<Size>>,
    limit: Option<Limit>,
    when_left: Option<WhenLeft>,
    ready_after: Option<Duration>,
}

impl Role {
    /// Its own fields, and otherwise those of `defaults`.
    pub(super) fn behaviour(&self, defaults: &Self) -> Behaviour {
        Behaviour {
            work: self.work.or(defaults.work),
            cpu: self.cpu.or(defaults.cpu),
            memory: self.memory.or(defaults.memory),
            payload: self.payload.or(defaults.payload),
            limit: self.limit.or(defaults.limit),
            when_left: self.when_left.or(defaults.when_left).unwrap_or_default(),
            ready_after: self.ready_after.or(defaults.ready_after),
        }
    }
}

pub(super) fn role(raw: &RawRole<'_>, reporter: &mut Reporter) -> Role {
    let replicas = raw.replicas.as_ref();
    let replicas = replicas.and_then(|raw| number(raw, 1..=u64::from(MAX_REPLICAS), reporter));
    Role {
        greeting: value(raw.greeting.as_ref(), reporter),
        policy: value(raw.policy.as_ref(), reporter),
        replicas: replicas.and_then(|replicas| u32::try_from(replicas).ok()),
        work: spread(raw.work.as_ref(), MAX_DELAY, reporter),
        cpu: spread(raw.cpu.as_ref(), MAX_CPU, reporter),
        memory: spread(raw.memory.as_ref(), MAX_MEMORY, reporter),
        payload: spread(raw.payload.as_ref(), MAX_PAYLOAD, reporter),
        limit: raw.limit.as_ref().and_then(|raw| limit(raw, reporter)),
        when_left: value(raw.when_left.as_ref(), reporter),
        ready_after: duration(raw.ready_after.as_ref(), Duration::ZERO, reporter),
    }
}

fn limit(raw: &RawLimit, reporter: &mut Reporter) -> Option<Limit> {
    let concurrent = raw.concurrent.as_ref().and_then(|raw| number(raw, 1..=MAX_CONCURRENT, reporter));
    let queue = raw.queue.as_ref().map_or(Some(0), |raw| number(raw, 0..=MAX_CONCURRENT, reporter));
    let count = |number: u64| usize::try_from(number).ok();
    Some(Limit { concurrent: count(concurrent?)?, queue: count(queue?)? })
}

/// A spread of which no value exceeds `most`.
pub(super) fn spread<T: Quantity>(
    raw: Option<&RawText<'_>>,
    most: T,
    reporter: &mut Reporter,
) -> Option<Spread<T>> {
    let allowed = || format!("{}, at most {}", Spread::<T>::allowed(), most.text());
    parsed(raw, allowed, |text| Spread::parse(text).filter(|spread| spread.most() <= most), reporter)
}

/// A duration from `least` to an hour.
pub(super) fn duration(
    raw: Option<&RawText<'_>>,
    least: Duration,
    reporter: &mut Reporter,
) -> Option<Duration> {
    let range = least..=MAX_DELAY;
    let allowed = || {
        format!(
            "a duration such as 300ms or 5s, from {} to {}",
            duration_text(least),
            duration_text(MAX_DELAY)
        )
    };
    parsed(raw, allowed, |text| parse_duration(text).filter(|duration| range.contains(duration)), reporter)
}
