//! The codes of failures, as small numbers.

use std::{collections::HashMap, ops::RangeInclusive};

use foldhash::quality::RandomState;

/// The codes that always have a number, whatever a reporter invents: gRPC's, and HTTP's errors.
const GRPC: RangeInclusive<u16> = 1..=16;
const HTTP: RangeInclusive<u16> = 400..=599;

/// The maximum number of other codes, and of bytes of one.
const MAX_OTHERS: usize = 256;
const MAX_LENGTH: usize = 64;

/// A code's number: the code itself where it is gRPC's or HTTP's; zero for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CodeId(u16);

impl CodeId {
    pub(super) const NONE: Self = Self(0);
}

/// Others start here.
const FIRST_OTHER: u16 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Codes {
    others: Vec<Box<str>>,
    known: HashMap<Box<str>, CodeId, RandomState>,
}

impl Codes {
    /// The number of a code; that of none beyond the limits, so that the failure counts without its code.
    pub(super) fn id(&mut self, code: Option<&str>) -> CodeId {
        let Some(code) = code else { return CodeId::NONE };
        // Only without a sign and leading zeros, which would not be written the same.
        let number = if code.starts_with(['+', '0']) { None } else { code.parse::<u16>().ok() };
        if let Some(number) = number.filter(|number| GRPC.contains(number) || HTTP.contains(number)) {
            return CodeId(number);
        }
        if let Some(id) = self.known.get(code) {
            return *id;
        }
        if code.len() > MAX_LENGTH || self.others.len() >= MAX_OTHERS {
            return CodeId::NONE;
        }
        let Ok(index) = u16::try_from(self.others.len()) else { return CodeId::NONE };
        let id = CodeId(FIRST_OTHER + index);
        self.others.push(code.into());
        self.known.insert(code.into(), id);
        id
    }

    /// The code with this number; `None` for none.
    pub(super) fn code(&self, id: CodeId) -> Option<Box<str>> {
        match id.0 {
            0 => None,
            number if number < FIRST_OTHER => Some(number.to_string().into()),
            number => self.others.get(usize::from(number - FIRST_OTHER)).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_codes_do_not_displace_those_of_grpc_and_http() {
        let mut codes = Codes::default();
        for number in 0..1_000 {
            codes.id(Some(&format!("invented {number}")));
        }
        for code in ["1", "14", "16", "404", "503", "invented 255"] {
            let id = codes.id(Some(code));
            assert_eq!(codes.code(id).as_deref(), Some(code));
        }
        for code in ["invented 256", "014", "+14", "17", &"x".repeat(65)] {
            assert_eq!(codes.id(Some(code)), CodeId::NONE, "{code}");
        }
        assert_eq!((codes.id(None), codes.code(CodeId::NONE)), (CodeId::NONE, None));
    }
}
