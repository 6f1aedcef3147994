//! Numbers as digits. The standard library's formatting costs more than the rest of a span: ids, times and durations are
//! written several times per call.

/// The last `N` lower-case hexadecimal digits of `number`, with leading zeros.
pub(super) fn hex<const N: usize>(number: u128) -> [u8; N] {
    let mut left = number;
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = match u8::try_from(left & 0xf).unwrap_or_default() {
            decimal @ 0..=9 => b'0' + decimal,
            letter => b'a' + letter - 10,
        };
        left >>= 4;
    }
    digits
}

/// Writes `number` in decimal digits.
pub(super) fn decimal(out: &mut Vec<u8>, number: u64) {
    let begin = out.len();
    let mut left = number;
    loop {
        out.push(b'0' + u8::try_from(left % 10).unwrap_or_default());
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(begin..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn digits_equal_the_standard_formatting(number: u128, shift in 0_u32..64) {
            proptest::prop_assert_eq!(hex::<32>(number).to_vec(), format!("{number:032x}").into_bytes());
            let short = u64::try_from(number & u128::from(u64::MAX)).unwrap();
            proptest::prop_assert_eq!(hex::<16>(number).to_vec(), format!("{short:016x}").into_bytes());
            let mut out = b"x".to_vec();
            decimal(&mut out, short >> shift);
            proptest::prop_assert_eq!(out, format!("x{}", short >> shift).into_bytes());
        }
    }

    #[test]
    fn zero_is_one_digit() {
        let mut out = Vec::new();
        decimal(&mut out, 0);
        assert_eq!(out, b"0");
    }
}
