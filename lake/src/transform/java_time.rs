//! Patterns of `SimpleDateFormat`, as chrono's.

/// A pattern of chrono's that means the same. Fractions of a second may have more digits than Java's three.
pub(super) fn to_chrono(pattern: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' {
            if characters.next_if_eq(&'\'').is_some() {
                text.push('\'');
                continue;
            }
            loop {
                match characters.next() {
                    Some('\'') if characters.next_if_eq(&'\'').is_some() => text.push('\''),
                    Some('\'') => break,
                    Some('%') => text.push_str("%%"),
                    Some(other) => text.push(other),
                    None => return Err("a quoted text does not end".to_owned()),
                }
            }
            continue;
        }
        if !character.is_ascii_alphabetic() {
            text.push(character);
            if character == '%' {
                text.push('%');
            }
            continue;
        }
        let mut width = 1;
        while characters.next_if_eq(&character).is_some() {
            width += 1;
        }
        text.push_str(match (character, width) {
            ('y', 2) => "%y",
            ('y', _) => "%Y",
            ('M', 2) => "%m",
            ('M', 3) => "%b",
            ('M', 4..) => "%B",
            ('d', 2) => "%d",
            ('d', 1) => "%-d",
            ('M', 1) => "%-m",
            ('H', 2) => "%H",
            ('H', 1) => "%-H",
            ('h', 2) => "%I",
            ('h', 1) => "%-I",
            ('m', 2) => "%M",
            ('s', 2) => "%S",
            ('S', 3) => "%3f",
            ('S', 6) => "%6f",
            ('S', 9) => "%9f",
            ('a', _) => "%p",
            ('E', 1..=3) => "%a",
            ('E', _) => "%A",
            ('Z', _) => "%z",
            ('X', 3) => "%:z",
            _ => {
                let letters: String = std::iter::repeat_n(character, width).collect();
                return Err(format!(
                    "{letters} is not supported: use yyyy, MM, dd, HH, mm, ss, SSS, Z, XXX, and '…' for text"
                ));
            }
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn patterns_mean_the_same_in_chrono() {
        let moment = DateTime::from_timestamp_micros(1_772_600_767_089_012).expect("a moment");
        for (pattern, text) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-03-04T05:06:07.089+00:00"),
            ("yyyy-MM-dd HH:mm:ss.SSSSSS", "2026-03-04 05:06:07.089012"),
            ("EEE, d MMM yy h:mm a 'o''clock' 100%", "Wed, 4 Mar 26 5:06 AM o'clock 100%"),
        ] {
            let format = to_chrono(pattern).expect(pattern);
            assert_eq!(moment.format(&format).to_string(), text);
        }
        for pattern in ["yyyy'", "G", "w", "SS"] {
            assert!(to_chrono(pattern).is_err(), "{pattern}");
        }
    }
}
