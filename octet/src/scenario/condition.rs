//! Conditions on a measured value: `p(99)<50ms`, `rate==0`, `ready>10`.

use std::fmt;

use octet_fault::parse_duration;

/// How the value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    More,
}

/// Longer ones first, since `<` starts `<=`.
pub(crate) const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

/// What conditions of one field may measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vocabulary {
    /// The names; `p` stands for `p(0)` to `p(100)`.
    pub(crate) names: &'static [&'static str],
    /// Whether the limits are durations.
    pub(crate) is_time: bool,
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    /// The measured value's name; `p` for percentiles.
    pub(crate) name: String,
    /// Of a percentile.
    pub(crate) percentile: Option<f64>,
    comparison: Comparison,
    limit: f64,
    text: String,
}

impl Condition {
    /// Reads a condition. Times are in milliseconds. The error completes "must be …".
    pub(crate) fn parse(text: &str, vocabulary: Vocabulary) -> Result<Self, String> {
        let allowed = || {
            let names: Vec<_> =
                vocabulary.names.iter().map(|name| if *name == "p" { "p(99)" } else { name }).collect();
            let limit = if vocabulary.is_time { "50ms" } else { "0.01" };
            format!(
                "NAME, one of <, <=, ==, !=, >=, >, and a limit such as {limit}; names are: {}",
                names.join(", ")
            )
        };
        let found = text.find(['<', '>', '=', '!']).ok_or_else(allowed)?;
        let (name, rest) = text.split_at_checked(found).ok_or_else(allowed)?;
        let (comparison, limit) = COMPARISONS
            .iter()
            .find_map(|(sign, comparison)| Some((*comparison, rest.strip_prefix(sign)?)))
            .ok_or_else(allowed)?;
        let limit = limit.trim();
        let limit = if vocabulary.is_time {
            parse_duration(limit).map(|limit| limit.as_secs_f64() * 1_000.0)
        } else {
            limit.parse().ok().filter(|limit: &f64| limit.is_finite() && *limit >= 0.0)
        };
        let name = name.trim();
        let percentile = name
            .strip_prefix("p(")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|number| number.parse().ok())
            .filter(|number: &f64| (0.0..=100.0).contains(number));
        let name = if percentile.is_some() { "p" } else { name };
        if !vocabulary.names.contains(&name) || (name == "p") != percentile.is_some() {
            return Err(allowed());
        }
        Ok(Self {
            name: name.to_owned(),
            percentile,
            comparison,
            limit: limit.ok_or_else(allowed)?,
            text: text.to_owned(),
        })
    }

    /// The condition with its limit as a number, which is in milliseconds for a time.
    pub(crate) fn bare(&self) -> String {
        let sign = COMPARISONS.iter().find(|(_, comparison)| *comparison == self.comparison);
        let name = self.percentile.map_or_else(|| self.name.clone(), |percentile| format!("p({percentile})"));
        format!("{name}{}{}", sign.map_or("", |(sign, _)| sign), self.limit)
    }

    /// Whether the value must be 0.
    pub(crate) fn is_zero(&self) -> bool {
        self.comparison == Comparison::Equal && self.limit == 0.0
    }

    /// Whether the value meets the condition.
    pub(crate) fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Equal => (value - self.limit).abs() < 1e-9,
            Comparison::NotEqual => (value - self.limit).abs() >= 1e-9,
            Comparison::AtLeast => value >= self.limit,
            Comparison::More => value > self.limit,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Vocabulary = Vocabulary { names: &["p", "avg"], is_time: true };
    const RATE: Vocabulary = Vocabulary { names: &["rate", "count"], is_time: false };

    #[test]
    fn conditions_compare_values_with_limits() {
        for (text, vocabulary, met, unmet) in [
            ("p(99)<50ms", LATENCY, 49.0, 50.0),
            ("avg >= 1s", LATENCY, 1_000.0, 999.0),
            ("rate==0", RATE, 0.0, 0.001),
            ("rate!=0", RATE, 0.001, 0.0),
            ("count<=3", RATE, 3.0, 4.0),
            ("rate>0.5", RATE, 0.51, 0.5),
        ] {
            let condition = Condition::parse(text, vocabulary).unwrap();
            assert!(condition.holds(met) && !condition.holds(unmet), "{text}");
            assert_eq!(condition.to_string(), text);
            assert!(Condition::parse(&condition.bare(), RATE).is_ok() || vocabulary.is_time, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_what_is_allowed() {
        for text in
            ["", "rate", "rate=0", "p(101)<1", "speed<1", "rate<-1", "rate<x", "rate<1ms", "<1", "p<1"]
        {
            let refused = Condition::parse(text, RATE).unwrap_err();
            assert!(refused.ends_with("names are: rate, count"), "{text}: {refused}");
        }
        assert!(Condition::parse("p(99)<50", LATENCY).is_err(), "a time has a unit");
    }
}
