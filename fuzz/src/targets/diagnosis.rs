//! A diagnosis of a detection drill, and the report of the drill: two files, divided by a line `---`.

use octet::scenario::grade;

use crate::checks::{lossy, one_line};

/// One fault and one action.
const REPORT: &str = r#"{"rounds": [{"ledger": [
    {"kind": "fault", "what": "at=service-e>service-g abort=UNAVAILABLE blind=true", "fromMs": 4000, "untilMs": 10000},
    {"kind": "action", "what": "kill service-d for 6s", "fromMs": 12000, "untilMs": null}
]}]}"#;

pub(crate) fn run(bytes: &[u8]) {
    let text = lossy(bytes);
    let (diagnosis, report) = text.split_once("\n---\n").unwrap_or((&text, REPORT));
    match grade(diagnosis, report) {
        Ok(score) => assert!((0.0..=1.0).contains(&score), "a score of {score}"),
        Err(problem) => {
            one_line(&problem);
            assert!(problem.starts_with("answer: ") || problem.starts_with("report: "), "{problem}");
        }
    }
}
