//! What a fault does.

use std::time::Duration;

use crate::{
    address::Address,
    code::Code,
    quantity::{Quantity, Size},
    spread::Spread,
};

/// The longest delay.
pub const MAX_DELAY: Duration = Duration::from_hours(1);
/// The most CPU time of one call.
pub const MAX_CPU: Duration = Duration::from_secs(1);
/// The most memory of one call.
pub const MAX_MEMORY: Size = Size::mib(64);
/// The longest time for which the event loop is blocked.
pub const MAX_STALL: Duration = Duration::from_mins(1);
/// The slowest and the fastest answer that trickles, in bytes a second.
const THROTTLE: (u64, u64) = (1, 1 << 30);

/// What a fault does to a call, a message or a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The answer comes later.
    Delay(Spread<Duration>),
    /// The call fails at once, with nothing done.
    Abort(Code),
    /// The work is done, and then the call fails.
    Lose(Code),
    /// There is no answer until the deadline.
    Drop,
    /// The stream is reset.
    Reset,
    /// The answer trickles at this many bytes a second.
    Throttle(Size),
    /// The call burns CPU time, in slices.
    Cpu(Spread<Duration>),
    /// The call holds memory.
    Memory(Spread<Size>),
    /// The process does nothing else for this time.
    Stall(Spread<Duration>),
    /// The process is not ready, while it serves.
    Unready,
    /// The process ends at once.
    Crash,
    /// The message is published twice.
    Duplicate,
}

/// The keys of all effects.
pub const EFFECTS: [&str; 12] = [
    "delay",
    "abort",
    "lose",
    "drop",
    "reset",
    "throttle",
    "cpu",
    "memory",
    "stall",
    "unready",
    "crash",
    "duplicate",
];

impl Effect {
    /// Reads the effect with this key and value; the error completes the sentence "must be …".
    ///
    /// # Errors
    /// What is allowed. `None` if the key is not that of an effect.
    pub(crate) fn parse(key: &str, value: &str) -> Option<Result<Self, String>> {
        let code = || {
            let names: Vec<_> = Code::names().collect();
            Code::parse(value).ok_or_else(|| format!("one of {}", names.join(", ")))
        };
        let yes = |effect| if value == "true" { Ok(effect) } else { Err("true".to_owned()) };
        Some(match key {
            "delay" => spread(value, MAX_DELAY).map(Self::Delay),
            "abort" => code().map(Self::Abort),
            "lose" => code().map(Self::Lose),
            "drop" => yes(Self::Drop),
            "reset" => yes(Self::Reset),
            "throttle" => rate(value).map(Self::Throttle),
            "cpu" => spread(value, MAX_CPU).map(Self::Cpu),
            "memory" => spread(value, MAX_MEMORY).map(Self::Memory),
            "stall" => spread(value, MAX_STALL).map(Self::Stall),
            "unready" => yes(Self::Unready),
            "crash" => yes(Self::Crash),
            "duplicate" => yes(Self::Duplicate),
            _ => return None,
        })
    }

    /// Its key in the grammar.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Abort(_) => "abort",
            Self::Lose(_) => "lose",
            Self::Drop => "drop",
            Self::Reset => "reset",
            Self::Throttle(_) => "throttle",
            Self::Cpu(_) => "cpu",
            Self::Memory(_) => "memory",
            Self::Stall(_) => "stall",
            Self::Unready => "unready",
            Self::Crash => "crash",
            Self::Duplicate => "duplicate",
        }
    }

    /// Its value in the grammar.
    pub fn value(&self) -> String {
        match self {
            Self::Delay(spread) | Self::Cpu(spread) | Self::Stall(spread) => spread.to_string(),
            Self::Memory(spread) => spread.to_string(),
            Self::Abort(code) | Self::Lose(code) => code.to_string(),
            Self::Throttle(size) => format!("{size}/s"),
            Self::Drop | Self::Reset | Self::Unready | Self::Crash | Self::Duplicate => "true".to_owned(),
        }
    }

    /// Whether the effect takes resources of the process or ends it, so that a request may not ask for it.
    pub fn is_of_process(&self) -> bool {
        matches!(self, Self::Cpu(_) | Self::Memory(_) | Self::Stall(_) | Self::Unready | Self::Crash)
    }

    /// What the effect can act on, where that does not include `address`.
    pub(crate) fn refuses(&self, address: &Address) -> Option<&'static str> {
        let acts = match self {
            Self::Delay(_) | Self::Abort(_) | Self::Lose(_) | Self::Drop => return None,
            Self::Reset | Self::Throttle(_) => (
                matches!(address, Address::Service { .. } | Address::Call { .. }),
                "services and calls (SERVICE, CALLER>CALLEE)",
            ),
            Self::Cpu(_) | Self::Memory(_) | Self::Stall(_) | Self::Unready | Self::Crash => {
                (matches!(address, Address::Service { .. }), "services (SERVICE, SERVICE#2, *)")
            }
            Self::Duplicate => (matches!(address, Address::Queue(_)), "queues (SERVICE>queue)"),
        };
        (!acts.0).then_some(acts.1)
    }
}

/// A spread of values above zero, none of which exceeds `most`.
fn spread<T: Quantity>(value: &str, most: T) -> Result<Spread<T>, String> {
    Spread::<T>::parse(value)
        .filter(|spread| spread.most() <= most && spread.most().units() > 0)
        .ok_or_else(|| format!("{}, above zero and at most {}", Spread::<T>::allowed(), most.text()))
}

fn rate(value: &str) -> Result<Size, String> {
    let size = value.strip_suffix("/s").and_then(Size::parse);
    size.filter(|size| (THROTTLE.0..=THROTTLE.1).contains(&size.get()))
        .ok_or_else(|| "a rate such as 10KiB/s, at least 1B/s and at most 1GiB/s".to_owned())
}
