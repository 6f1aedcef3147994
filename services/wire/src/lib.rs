//! Protobuf's wire format, read field by field and without copies; [`put`] writes it.
//!
//! Generated code would build the whole message first, and a few bytes can be a large structure: a report of 10 MiB holds
//! five million empty spans of two bytes, which take more than a gigabyte as structures.

pub mod put;

/// The fields of one message, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// A field's value, by its type on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// `int32`, `int64`, `uint32`, `uint64`, `bool`, an enum.
    Varint(u64),
    /// `fixed64`, `double`.
    Fixed64(u64),
    /// `string`, `bytes`, a message, a map's entry.
    Bytes(&'a [u8]),
    /// `fixed32`, `float`.
    Fixed32(u32),
}

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMessage {
    /// The number of bytes of the message that were not read.
    pub left: usize,
}

impl NoMessage {
    /// What is wrong.
    pub const PROBLEM: &str = "is not a protobuf message";
}

impl<'a> Fields<'a> {
    /// The fields of the message in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value; `None` after the last.
    ///
    /// # Errors
    /// [`NoMessage`] where the bytes stop being a message.
    #[expect(clippy::should_implement_trait, reason = "the error comes first, so that `?` works in a loop")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, NoMessage> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let left = self.rest.len();
        self.field().map(Some).ok_or(NoMessage { left })
    }

    /// The bytes after the last field that was read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = u32::try_from(self.varint()?).ok()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(*self.take(8)?.first_chunk()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(*self.take(4)?.first_chunk()?)),
            // Groups, which proto3 does not have.
            _ => return None,
        };
        let number = key >> 3;
        (number > 0).then_some((number, value))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        // Most are short: field keys and lengths.
        if let Some((first @ ..0x80, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Some(u64::from(*first));
        }
        self.long_varint()
    }

    /// At most ten bytes, of which the last has one bit.
    fn long_varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return None;
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(index + 1..)?;
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Value<'a> {
    /// The bytes of a string, a message, or bytes.
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The number of a varint or a fixed field.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => Some(number),
            Self::Fixed32(number) => Some(number.into()),
            Self::Bytes(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, NoMessage> {
        let mut fields = Fields::new(bytes);
        let mut all = Vec::new();
        while let Some(field) = fields.next()? {
            all.push(field);
        }
        Ok(all)
    }

    #[test]
    fn each_wire_type_is_read() {
        let bytes = [8, 0x96, 1, 0x12, 2, b'a', b'b', 0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0x25, 2, 0, 0, 0];
        assert_eq!(
            all(&bytes).expect("a message"),
            [
                (1, Value::Varint(150)),
                (2, Value::Bytes(b"ab")),
                (3, Value::Fixed64(1)),
                (4, Value::Fixed32(2))
            ]
        );
        let largest = [8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(all(&largest).expect("a message"), [(1, Value::Varint(u64::MAX))]);
    }

    #[test]
    fn bytes_that_are_no_message_are_refused_where_they_stop_being_one() {
        let too_large = [8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        for bytes in [
            &[8][..],
            &[0x12, 3, b'a', b'b'],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x19, 1, 2],
            &[0x25, 1, 2],
            &[0x0b],
            &[0x0c],
            &[0x07],
            &[0, 1],
            &[0x80],
            &too_large,
            &[8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
        ] {
            assert_eq!(all(bytes), Err(NoMessage { left: bytes.len() }), "{bytes:?}");
        }
        assert_eq!(all(&[8, 1, 8]), Err(NoMessage { left: 1 }));
    }

    proptest::proptest! {
        #[test]
        fn no_input_causes_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = all(&bytes);
        }
    }
}
