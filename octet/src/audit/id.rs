//! The id of a greeting in 16 bytes.

use std::{fmt, str::FromStr};

/// A UUID, parsed in either case and formatted in lower case with hyphens, as the ids of documents are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GreetingId(u128);

/// The text is not a UUID with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl GreetingId {
    /// The id in big-endian order.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id of [`to_bytes`](Self::to_bytes).
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl FromStr for GreetingId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() != 36 {
            return Err(InvalidId);
        }
        let mut value: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            let digit = match (index, byte) {
                (8 | 13 | 18 | 23, b'-') => continue,
                (8 | 13 | 18 | 23, _) => return Err(InvalidId),
                (_, b'0'..=b'9') => byte - b'0',
                (_, b'a'..=b'f') => byte - b'a' + 10,
                (_, b'A'..=b'F') => byte - b'A' + 10,
                _ => return Err(InvalidId),
            };
            value = (value << 4) | u128::from(digit);
        }
        Ok(Self(value))
    }
}

impl fmt::Display for GreetingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, bits: u32| (self.0 >> shift) & ((1 << bits) - 1);
        write!(formatter, "{:08x}-{:04x}-{:04x}", part(96, 32), part(80, 16), part(64, 16))?;
        write!(formatter, "-{:04x}-{:012x}", part(48, 16), part(0, 48))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_parsed_and_formatted_without_change() {
        for text in [
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ] {
            let id: GreetingId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(GreetingId::from_bytes(id.to_bytes()), id);
        }
    }

    #[test]
    fn an_id_in_upper_case_is_the_same_id() {
        let id: GreetingId = "67E55044-10B1-426F-9247-BB680E5FE0C8".parse().unwrap();
        assert_eq!(id.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "67e5504410b1426f9247bb680e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0cg",
            "67e55044-10b1-426f-92470bb680e5fe0c8",
            "+7e55044-10b1-426f-9247-bb680e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0é",
        ] {
            assert_eq!(text.parse::<GreetingId>(), Err(InvalidId), "{text}");
        }
    }
}
