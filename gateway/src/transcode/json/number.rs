//! Numbers as JSON writes them, without the detour through a float that would change large integers.

/// The value of a JSON number that is an integer, such as `7`, `7.0` or `70e-1`; `None` for other texts, and for
/// numbers beyond every integer type.
pub(super) fn integer(text: &str) -> Option<i128> {
    let Number { is_negative, whole, fraction, exponent } = Number::parse(text)?;
    let digits = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // The value is `significant` times ten to the power of `zeros`.
    let dropped = digits.len() - significant.len();
    let zeros = exponent - i64::try_from(fraction.len()).ok()? + i64::try_from(dropped).ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(zeros).ok()?)?;
    let value = significant.parse::<i128>().ok()?.checked_mul(scale)?;
    Some(if is_negative { -value } else { value })
}

/// Whether a text is a JSON number.
pub(super) fn is_number(text: &str) -> bool {
    Number::parse(text).is_some()
}

struct Number<'t> {
    is_negative: bool,
    whole: &'t str,
    fraction: &'t str,
    exponent: i64,
}

impl<'t> Number<'t> {
    /// RFC 8259, section 6.
    fn parse(text: &'t str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
        let exponent_digits = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
        if !is_digits(whole)
            || has_leading_zero
            || fraction.is_some_and(|fraction| !is_digits(fraction))
            || exponent_digits.is_some_and(|digits| !is_digits(digits))
        {
            return None;
        }
        // Beyond a million, an exponent makes any number too large or no integer.
        let exponent = exponent.map_or(0, |text| {
            let limit = if text.starts_with('-') { -1_000_000 } else { 1_000_000 };
            text.parse().unwrap_or(limit)
        });
        let exponent = exponent.clamp(-1_000_000, 1_000_000);
        Some(Self {
            is_negative: text.len() > unsigned.len(),
            whole,
            fraction: fraction.unwrap_or_default(),
            exponent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_exactly_in_every_form() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("7", Some(7)),
            ("-7.0", Some(-7)),
            ("70e-1", Some(7)),
            ("1e2", Some(100)),
            ("1.5E+1", Some(15)),
            ("100000.000", Some(100_000)),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("18446744073709551616", Some(18_446_744_073_709_551_616)),
            ("0.5", None),
            ("5e-1", None),
            ("1e-99999999999999999999", None),
            ("1e99999999999999999999", None),
            ("1e39", None),
            ("", None),
            ("-", None),
            ("+1", None),
            ("01", None),
            ("1.", None),
            (".5", None),
            ("1e", None),
            ("1e+", None),
            (" 1", None),
            ("1 ", None),
            ("0x1", None),
            ("1_000", None),
            ("Infinity", None),
        ] {
            assert_eq!(integer(text), expected, "{text:?}");
        }
    }
}
