//! Patterns of times in object names, in the letters of Joda-Time.

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};

/// A parsed `path.format`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TimePath(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field { letter: char, width: usize },
}

/// Numbers only: names of months and days would depend on a language.
const LETTERS: &str = "yYuMdDHkKhmsSewx";

impl TimePath {
    /// Parses a pattern such as `'year'=YYYY/'month'=MM`.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            if character == '\'' {
                pieces.push(Piece::Literal(quoted(&mut characters)?));
            } else if character.is_ascii_alphabetic() {
                let mut width = 1;
                while characters.next_if_eq(&character).is_some() {
                    width += 1;
                }
                let is_name = matches!(character, 'M' | 'e') && width > 2;
                if is_name || !LETTERS.contains(character) {
                    let letters: String = std::iter::repeat_n(character, width).collect();
                    return Err(format!(
                        "{letters} is not supported: use yyyy, MM, dd, HH, mm, ss, SSS, and '…' for text"
                    ));
                }
                pieces.push(Piece::Field { letter: character, width });
            } else {
                pieces.push(Piece::Literal(character.to_string()));
            }
        }
        let path = Self(pieces);
        // A name must not have empty or relative parts.
        match path.format(0) {
            Some(example) if example.split('/').all(|part| !matches!(part, "" | "." | "..")) => Ok(path),
            _ => {
                Err("must be a relative path without empty parts, such as 'year'=YYYY/'month'=MM".to_owned())
            }
        }
    }

    /// The path of a local time in milliseconds since 1970; `None` outside the years of the calendar.
    pub(crate) fn format(&self, millis: i64) -> Option<String> {
        let time = DateTime::from_timestamp_millis(millis)?.naive_utc();
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Field { letter, width } => text.push_str(&field(&time, *letter, *width)),
            }
        }
        Some(text)
    }
}

/// Up to the closing quote; two quotes are one in the text, and outside of it.
fn quoted(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    if characters.next_if_eq(&'\'').is_some() {
        return Ok("'".to_owned());
    }
    while let Some(character) = characters.next() {
        if character != '\'' {
            text.push(character);
        } else if characters.next_if_eq(&'\'').is_some() {
            text.push('\'');
        } else {
            return Ok(text);
        }
    }
    Err("a quoted text does not end".to_owned())
}

fn field(time: &NaiveDateTime, letter: char, width: usize) -> String {
    let hour = time.hour();
    let number = match letter {
        'y' | 'Y' | 'u' if width == 2 => i64::from(time.year().rem_euclid(100)),
        'x' if width == 2 => i64::from(time.iso_week().year().rem_euclid(100)),
        'y' | 'Y' | 'u' => i64::from(time.year()),
        'x' => i64::from(time.iso_week().year()),
        'M' => time.month().into(),
        'd' => time.day().into(),
        'D' => time.ordinal().into(),
        'H' => hour.into(),
        'k' => {
            if hour == 0 {
                24
            } else {
                hour.into()
            }
        }
        'K' => (hour % 12).into(),
        'h' => {
            if hour.is_multiple_of(12) {
                12
            } else {
                (hour % 12).into()
            }
        }
        'm' => time.minute().into(),
        's' => time.second().into(),
        'e' => time.weekday().number_from_monday().into(),
        'w' => time.iso_week().week().into(),
        // `S`: digits of the fraction of a second.
        _ => {
            let digits = format!("{:09}", time.nanosecond());
            return digits.chars().chain(std::iter::repeat('0')).take(width).collect();
        }
    };
    format!("{number:0width$}")
}

/// Milliseconds that a zone is ahead of UTC.
pub(crate) fn zone(name: &str) -> Option<i64> {
    if matches!(name, "UTC" | "Etc/UTC" | "GMT" | "Z" | "Zulu") {
        return Some(0);
    }
    let (sign, rest) = match name.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, name.strip_prefix('-')?),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "00"));
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<i64>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-04 05:06:07.089.
    const MOMENT: i64 = 1_772_600_767_089;

    #[test]
    fn patterns_are_read_as_joda_time_does() {
        for (pattern, path) in [
            ("'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "year=2026/month=03/day=04/hour=05"),
            ("yyyy-MM-dd", "2026-03-04"),
            ("'dt'=yyyyMMdd'T'HHmmss.SSS", "dt=20260304T050607.089"),
            ("yy/D/w/e/k/K/h/x", "26/63/10/3/5/5/5/2026"),
            ("'o''clock'=H''", "o'clock=5'"),
        ] {
            let parsed = TimePath::parse(pattern).expect(pattern);
            assert_eq!(parsed.format(MOMENT).as_deref(), Some(path), "{pattern}");
        }
    }

    #[test]
    fn other_patterns_are_refused() {
        for pattern in ["", "MMM", "EEE", "a", "'year", "/yyyy", "yyyy//MM", "yyyy/", "'..'/yyyy", "z"] {
            assert!(TimePath::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn zones_are_offsets_of_utc() {
        assert_eq!(zone("UTC"), Some(0));
        assert_eq!(zone("+05:30"), Some(19_800_000));
        assert_eq!(zone("-08"), Some(-28_800_000));
        for name in ["Europe/Berlin", "+5", "+19:00", "+05:60", "", "+-1:00"] {
            assert_eq!(zone(name), None, "{name}");
        }
    }
}
