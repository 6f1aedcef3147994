//! Identifiers and literals in SQL. `COPY` takes no parameters.

/// `name` as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A literal without a type, which takes that of the column beside it. Valid for both settings of
/// `standard_conforming_strings`.
pub(super) fn text(value: &str) -> String {
    format!("E'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// Microseconds since 1970 in UTC, as a literal without a type. The session's time zone is UTC.
pub(super) fn micros(value: i64) -> String {
    format!("'{}'", timestamp(value))
}

/// Microseconds since 1970 in UTC, as `PostgreSQL` reads them in every setting of `DateStyle`.
pub(super) fn timestamp(value: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (day, time) = (value.div_euclid(DAY), value.rem_euclid(DAY));
    let (year, month, day) = civil(day);
    let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    // There is no year 0.
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}+00{era}")
}

/// The year, month and day of a day since 1970, in the proleptic Gregorian calendar.
///
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_end_their_quotes() {
        assert_eq!(quoted("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
        assert_eq!(text(r"it's \'"), r"E'it''s \\'''");
    }

    #[test]
    fn timestamps_are_exact_to_the_microsecond_in_every_era() {
        for (micros, expected) in [
            (0, "1970-01-01 00:00:00.000000+00"),
            (-1, "1969-12-31 23:59:59.999999+00"),
            (951_782_400_000_001, "2000-02-29 00:00:00.000001+00"),
            (253_402_300_800_000_000, "10000-01-01 00:00:00.000000+00"),
            (-62_135_596_800_000_000, "0001-01-01 00:00:00.000000+00"),
            (-62_135_596_800_000_001, "0001-12-31 23:59:59.999999+00 BC"),
        ] {
            assert_eq!(timestamp(micros), expected);
        }
    }
}
