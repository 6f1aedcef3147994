use serde_json::json;

use super::*;

fn report() -> String {
    let ledger = json!([
        { "kind": "fault", "what": "at=service-e>service-g abort=UNAVAILABLE share=30% blind=true", "fromMs": 10_000, "untilMs": 20_000, "acted": 9, "problems": [] },
        { "kind": "action", "what": "kill service-d for 6s", "fromMs": 30_000, "untilMs": 36_000, "acted": null, "problems": [] },
    ]);
    json!({ "title": "t", "verdict": "held", "rounds": [{ "seed": 7, "ledger": ledger }] }).to_string()
}

fn graded(findings: &serde_json::Value) -> Score {
    score(&json!({ "findings": findings }).to_string(), &report(), 1).expect("valid")
}

#[test]
fn control_characters_of_the_files_are_not_printed() {
    let wrong = score("{\"findings\": [{\"a\\u001b[2J\": 1}]}", &report(), 1).expect_err("an unknown field");
    assert!(wrong.starts_with("answer: ") && !wrong.contains(char::is_control), "{wrong:?}");
    let odd = graded(&json!([{ "at": "x\u{1b}[2J", "what": "abort" }]));
    assert!(!odd.wrong[0].contains(char::is_control), "{odd:?}");
}

#[test]
fn a_diagnosis_is_graded_by_place_effect_and_time() {
    let right = json!({ "at": "service-e>service-g", "what": "abort", "from": 10, "until": "20s" });
    let kill = json!({ "at": "service-d", "what": "kill", "from": 30.0, "until": 36 });
    let of = |findings: &serde_json::Value| (graded(findings).total * 1_000.0).round() / 1_000.0;
    for (findings, expected) in [
        (json!([right, kill]), 1.0),
        (json!([right]), 0.5),
        (json!([]), 0.0),
        // A wrong one costs as much as a right one wins.
        (
            json!([right, kill, { "at": "service-h", "what": "delay" }, { "at": "service-a", "what": "kill" }]),
            0.5,
        ),
        // The service for the call; half of the time; another effect.
        (json!([{ "at": "service-g", "what": "abort", "from": 10, "until": 20 }, kill]), 0.875),
        (json!([{ "at": "service-e>service-g", "what": "abort", "from": 10, "until": 15 }, kill]), 0.95),
        (json!([{ "at": "service-e>service-g", "what": "delay", "from": 10, "until": 20 }, kill]), 0.85),
        (json!([{ "at": "service-e>service-g", "what": "abort" }, kill]), 0.9),
        (json!([{ "at": "service-e", "what": "abort", "from": 10, "until": 20 }, kill]), 0.5),
        // The same thing twice is found once.
        (json!([right, right]), 0.5),
    ] {
        assert!((of(&findings) - expected).abs() < 1e-9, "{findings}: {}", of(&findings));
    }
    let score = graded(&json!([right, { "at": "service-h", "what": "delay" }]));
    assert_eq!(score.wrong, ["delay at service-h"]);
    assert_eq!(score.marks[0].claimed.as_deref(), Some("service-e>service-g"));
    assert_eq!(score.marks[1].claimed, None);
}

#[test]
fn what_is_no_diagnosis_or_no_report_is_refused_with_its_name() {
    let answer = json!({ "findings": [] }).to_string();
    for (answer, report, round, why) in [
        ("{", report(), 1, "answer: EOF"),
        ("{\"findings\": [{\"at\": \"x\"}]}", report(), 1, "answer: missing field `what`"),
        (
            r#"{"findings": [{"at": "x", "what": "kill", "from": -1}]}"#,
            report(),
            1,
            "answer: findings[0]: from and until must be",
        ),
        (&answer, "[]".to_owned(), 1, "report: "),
        (&answer, report(), 2, "report: it has 1 rounds"),
        (&answer, report(), 0, "report: it has 1 rounds"),
        (&answer, json!({ "rounds": [{ "ledger": [] }] }).to_string(), 1, "report: nothing took place"),
    ] {
        let refused = score(answer, &report, round).expect_err(why);
        assert!(refused.starts_with(why), "{refused}");
    }
    let many = vec![json!({ "at": "x", "what": "kill" }); 1_001];
    assert!(score(&json!({ "findings": many }).to_string(), &report(), 1).is_err());
}
