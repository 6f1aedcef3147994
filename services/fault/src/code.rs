//! gRPC's status codes by their names.

use std::fmt;

/// The names in the order of their numbers.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The code of a failed call: any of gRPC's codes except `OK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u8);

impl Code {
    /// `UNAVAILABLE`, the code of a call that may succeed when it is tried again.
    pub const UNAVAILABLE: Self = Self(14);

    /// The code of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let number = NAMES.iter().position(|known| *known == name).filter(|number| *number > 0)?;
        u8::try_from(number).ok().map(Self)
    }

    /// The code's number in gRPC's specification.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// The code's name in gRPC's specification.
    pub fn name(self) -> &'static str {
        code_name(self.number())
    }

    /// The names of all codes, for messages.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().skip(1)
    }
}

/// The name of a code by its number, `OK` included; `UNKNOWN` for other numbers.
pub fn code_name(number: i32) -> &'static str {
    usize::try_from(number).ok().and_then(|number| NAMES.get(number)).copied().unwrap_or("UNKNOWN")
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_but_ok_is_found_by_its_name() {
        for name in Code::names() {
            assert_eq!(Code::parse(name).map(Code::name), Some(name));
        }
        assert_eq!(Code::names().count(), 16);
        for other in ["OK", "unavailable", "14", ""] {
            assert_eq!(Code::parse(other), None, "{other}");
        }
        assert_eq!(Code::parse("UNAVAILABLE"), Some(Code::UNAVAILABLE));
    }
}
