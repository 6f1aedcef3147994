//! `numeric` in its binary form: a sign and digits to the base 10,000.

use std::fmt::Write as _;

use arrow_buffer::i256;

/// A number's parts: `digits` are to the base 10,000, the first one times 10,000 to the power of `weight`.
pub(super) struct Numeric<'a> {
    digits: &'a [u8],
    weight: i16,
    sign: u16,
    /// Decimal places that are shown.
    scale: u16,
}

const NEGATIVE: u16 = 0x4000;
const SPECIAL: [(u16, &str); 3] = [(0xC000, "NaN"), (0xD000, "Infinity"), (0xF000, "-Infinity")];

impl<'a> Numeric<'a> {
    /// `None` if the bytes are no number.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, digits) = bytes.split_at_checked(8)?;
        let word = |at: usize| Some(u16::from_be_bytes([*head.get(at)?, *head.get(at + 1)?]));
        let count = usize::from(word(0)?);
        let weight = word(2)?.cast_signed();
        (digits.len() == count * 2).then_some(Self { digits, weight, sign: word(4)?, scale: word(6)? })
    }

    /// NaN or an infinity.
    pub(super) fn special(&self) -> Option<&'static str> {
        SPECIAL.iter().find(|(sign, _)| *sign == self.sign).map(|(_, name)| *name)
    }

    /// The number times ten to the power of `scale`, if it is a whole number of up to 76 digits then.
    pub(super) fn scaled(&self, scale: u8) -> Option<i256> {
        if self.special().is_some() {
            return None;
        }
        let mut value = i256::ZERO;
        // The power of ten of the last digit that was added.
        let mut power = i32::from(self.weight) * 4 + 4;
        for digit in self.groups() {
            value = value.checked_mul(i256::from_i128(10_000))?.checked_add(i256::from_i128(digit.into()))?;
            power -= 4;
        }
        if value == i256::ZERO {
            return Some(value);
        }
        let ten = i256::from_i128(10);
        let shift = power + i32::from(scale);
        for _ in 0..shift.abs() {
            if shift > 0 {
                value = value.checked_mul(ten)?;
            } else if value.checked_rem(ten)? == i256::ZERO {
                value = value.checked_div(ten)?;
            } else {
                return None;
            }
        }
        if self.sign == NEGATIVE { value.checked_neg() } else { Some(value) }
    }

    /// As `PostgreSQL` prints it. Its length is bounded by the 16 bits of weight and scale.
    pub(super) fn text(&self) -> String {
        if let Some(special) = self.special() {
            return special.to_owned();
        }
        let groups: Vec<u16> = self.groups().collect();
        let weight = i32::from(self.weight);
        let at = |index: i32| {
            usize::try_from(index).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0)
        };
        let mut text = String::new();
        if self.sign == NEGATIVE {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{}", if weight < 0 { 0 } else { at(0) });
        for index in 1..=weight {
            let _ = write!(text, "{:04}", at(index));
        }
        let places = usize::from(self.scale);
        if places > 0 {
            text.push('.');
            let whole = text.len();
            let mut index = weight + 1;
            while text.len() < whole + places {
                // Groups before the first one are zero.
                let _ = write!(text, "{:04}", if index < 0 { 0 } else { at(index) });
                index += 1;
            }
            text.truncate(whole + places);
        }
        text
    }

    fn groups(&self) -> impl Iterator<Item = u16> {
        self.digits.as_chunks().0.iter().map(|pair: &[u8; 2]| u16::from_be_bytes(*pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(digits: &[u16], weight: i16, sign: u16, scale: u16) -> Vec<u8> {
        let count = u16::try_from(digits.len()).expect("few digits");
        let head = [count, weight.cast_unsigned(), sign, scale];
        head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_are_read_exactly() {
        for (digits, weight, sign, scale, text, scaled) in [
            (&[][..], 0, 0, 2, "0.00", Some(0)),
            (&[12, 3_400], 0, 0, 2, "12.34", Some(1_234)),
            (&[12, 3_400], 0, NEGATIVE, 2, "-12.34", Some(-1_234)),
            (&[1, 0, 1], 2, 0, 0, "100000001", Some(10_000_000_100)),
            (&[1], 2, 0, 0, "100000000", Some(10_000_000_000)),
            (&[100], -1, 0, 2, "0.01", Some(1)),
            (&[1], -2, 0, 8, "0.00000001", None),
            (&[5_000], -1, 0, 1, "0.5", Some(50)),
        ] {
            let bytes = bytes(digits, weight, sign, scale);
            let number = Numeric::parse(&bytes).expect("a number");
            assert_eq!(number.text(), text);
            assert_eq!(number.scaled(2), scaled.map(i256::from_i128), "{text}");
        }
    }

    #[test]
    fn nan_and_infinities_have_a_name_and_no_value() {
        for (sign, name) in SPECIAL {
            let bytes = bytes(&[], 0, sign, 0);
            let number = Numeric::parse(&bytes).expect("a number");
            assert_eq!((number.text().as_str(), number.scaled(2)), (name, None));
        }
    }

    #[test]
    fn damaged_and_huge_numbers_are_refused() {
        assert!(Numeric::parse(&[0, 1, 0, 0]).is_none());
        assert!(Numeric::parse(&bytes(&[1], 0, 0, 0)[..9]).is_none());
        let huge = bytes(&[1], i16::MAX, 0, 0);
        let huge = Numeric::parse(&huge).expect("a number");
        assert_eq!(huge.scaled(2), None);
        assert_eq!(huge.text().len(), 32_767 * 4 + 1);
    }
}
