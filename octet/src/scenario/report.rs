//! Reports: Markdown for people, `JUnit` XML for CI, JSON with everything.

use std::fmt::Write as _;

use serde_json::json;

use super::{
    judge::{Case, Outcome},
    ledger::clock,
    round::{Round, Verdict},
};

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Unjudged => "could not be judged",
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "held",
        Outcome::Broken => "broken",
        Outcome::Skipped => "not judged",
        Outcome::Unjudged => "could not be judged",
    }
}

/// The measured value, the first bad second and the traces.
fn details(case: &Case) -> String {
    let mut text = case.measured.clone();
    if let Some(second) = case.first_bad_second {
        let _ = write!(text, "; first bad second: {second}");
    }
    if !case.traces.is_empty() {
        let _ = write!(text, "; traces: {}", case.traces.join(", "));
    }
    text
}

/// The lines for a terminal.
pub(crate) fn lines(round: &Round) -> String {
    let mut text = String::new();
    for case in &round.cases {
        let _ = writeln!(
            text,
            "  {:<10} {}: {} ({})",
            word(case.outcome),
            case.when,
            case.expected,
            details(case)
        );
    }
    if let Some(reason) = &round.reason {
        let _ = writeln!(text, "  {reason}");
    }
    text.trim_end().to_owned()
}

pub(crate) fn markdown(title: &str, verdict: Verdict, rounds: &[Round]) -> String {
    // A `|` would end a cell.
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = format!("# {title}\n\n**{}**\n", verdict.word());
    for (number, round) in (1..).zip(rounds) {
        let _ = writeln!(text, "\n## Round {number}: {} (seed {})\n", round.verdict.word(), round.seed);
        if let Some(reason) = &round.reason {
            let _ = writeln!(text, "{reason}\n");
        }
        if !round.cases.is_empty() {
            text.push_str("| when | expected | measured | result |\n|---|---|---|---|\n");
        }
        for case in &round.cases {
            let (expected, details) = (cell(&case.expected), cell(&details(case)));
            let _ = writeln!(text, "| {} | {expected} | {details} | {} |", case.when, word(case.outcome));
        }
        if !round.ledger.is_empty() {
            text.push_str("\n| from | to | what | acted |\n|---|---|---|---|\n");
        }
        for entry in &round.ledger {
            let until = entry.until_ms.map(clock).unwrap_or_default();
            let acted = entry.acted.map(|acted| format!("{acted} times")).unwrap_or_default();
            let what = cell(&format!("{} {}", entry.kind, entry.what));
            let problems = if entry.problems.is_empty() {
                String::new()
            } else {
                cell(&format!(" ({})", entry.problems.join("; ")))
            };
            let _ = writeln!(text, "| {} | {until} | {what}{problems} | {acted} |", clock(entry.from_ms));
        }
    }
    text
}

fn escaped(text: &str) -> String {
    let is_allowed = |character: &char| !character.is_control();
    text.chars().filter(is_allowed).fold(String::new(), |mut escaped, character| {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
        escaped
    })
}

pub(crate) fn junit(title: &str, rounds: &[Round]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (number, round) in (1..).zip(rounds) {
        let count =
            |wanted: &[Outcome]| round.cases.iter().filter(|case| wanted.contains(&case.outcome)).count();
        let (failures, skipped) = (count(&[Outcome::Broken]), count(&[Outcome::Skipped, Outcome::Unjudged]));
        let errors = usize::from(round.reason.is_some());
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}, round {number}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">",
            escaped(title),
            round.cases.len() + errors
        );
        for case in &round.cases {
            let name = escaped(&format!("{}: {}", case.when, case.expected));
            let details = escaped(&details(case));
            let _ = match case.outcome {
                Outcome::Held => writeln!(text, "    <testcase name=\"{name}\"/>"),
                Outcome::Broken => {
                    writeln!(
                        text,
                        "    <testcase name=\"{name}\"><failure message=\"{details}\"/></testcase>"
                    )
                }
                Outcome::Skipped | Outcome::Unjudged => {
                    writeln!(
                        text,
                        "    <testcase name=\"{name}\"><skipped message=\"{details}\"/></testcase>"
                    )
                }
            };
        }
        if let Some(reason) = &round.reason {
            let reason = escaped(reason);
            let _ =
                writeln!(text, "    <testcase name=\"judgement\"><error message=\"{reason}\"/></testcase>");
        }
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

pub(crate) fn json(title: &str, verdict: Verdict, rounds: &[Round]) -> serde_json::Value {
    json!({ "title": title, "verdict": verdict, "rounds": rounds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round() -> Round {
        let case = |expected: &str, outcome| Case {
            when: "during",
            expected: expected.to_owned(),
            outcome,
            measured: "5 of 10".to_owned(),
            first_bad_second: Some(3),
            traces: vec!["abc".to_owned()],
        };
        let cases = vec![case("errors rate<0.1", Outcome::Broken), case("alert A fires", Outcome::Skipped)];
        Round { seed: 7, verdict: Verdict::Broken, reason: None, cases, ledger: Vec::new(), load: None }
    }

    #[test]
    fn a_broken_expectation_is_a_failure_and_a_skipped_one_is_skipped() {
        let text = junit("a <b>", &[round()]);
        for part in [
            "<testsuite name=\"a &lt;b&gt;, round 1\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"1\">",
            "<testcase name=\"during: errors rate&lt;0.1\"><failure message=\"5 of 10; first bad second: 3; traces: abc\"/>",
            "<skipped message=\"",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let text = markdown("t", Verdict::Broken, &[round()]);
        assert!(
            text.contains(
                "| during | errors rate<0.1 | 5 of 10; first bad second: 3; traces: abc | broken |"
            ),
            "{text}"
        );
        assert_eq!(json("t", Verdict::Broken, &[round()])["rounds"][0]["cases"][0]["outcome"], "broken");
    }
}
