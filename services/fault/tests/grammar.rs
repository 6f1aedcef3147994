//! The one-line grammar: what it reads, and every problem with its position.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by its panic")]

use octet_fault::{Fault, KEYS, MAX_FAULTS, parse};
use proptest::{collection::vec, prelude::*, sample::select};

fn one(text: &str) -> Fault {
    let faults = parse(text).unwrap_or_else(|problems| panic!("{text}: {problems}"));
    assert_eq!(faults.len(), 1, "{text}");
    faults[0].clone()
}

#[test]
fn every_effect_is_read_and_written() {
    for text in [
        "at=stock delay=300ms",
        "at=stock delay=1ms..9ms",
        "at=stock delay=\"p50=5ms p90=20ms p99=80ms\"",
        "at=edge>stock abort=UNAVAILABLE share=10%",
        "at=*>stock lose=INTERNAL max=5",
        "at=edge>* drop=true for=5m",
        "at=stock#2 reset=true when=x-user=jason",
        "at=stock throttle=10KiB/s blind=true",
        "at=* cpu=50ms",
        "at=* memory=64MiB",
        "at=* stall=1s",
        "at=stock unready=true",
        "at=stock crash=true share=0.01%",
        "at=orders>queue duplicate=true",
        "at=orders>store abort=UNAVAILABLE",
        "at=stock delay=1s when=\"x-user=jason doe\"",
    ] {
        assert_eq!(one(text).to_string(), text);
    }
}

#[test]
fn faults_stand_on_lines_of_their_own_or_between_semicolons() {
    let text = "# a comment\n\n at=a delay=1s;at=b drop=true ; \r\nat=\"c\" reset=true # why\n";
    let faults: Vec<_> = parse(text).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(faults, ["at=a delay=1s", "at=b drop=true", "at=c reset=true"]);
    assert_eq!(parse("").unwrap(), []);
}

#[test]
fn every_problem_is_reported_with_its_position() {
    let problems = |text: &str| parse(text).unwrap_err().to_string();
    let effects = "delay, abort, lose, drop, reset, throttle, cpu, memory, stall, unready, crash, duplicate";
    for (text, expected) in [
        ("at=stock", format!("1:1: must have an effect: one of {effects}")),
        ("delay=1s", "1:1: at: missing".to_owned()),
        (
            "at=stock delay=1s drop=true",
            "1:19: drop: a fault has one effect, and this one has delay already".to_owned(),
        ),
        ("at=stock delay=1s delay=2s", "1:19: delay: is there twice".to_owned()),
        (
            "at=stock delay=2h",
            "1:16: delay: must be a value such as 5ms, a range (1ms..9ms) or percentiles (p50=1ms p90=5ms p99=9ms), above \
             zero and at most 1h"
                .to_owned(),
        ),
        ("at=stock delay=1s colour=red", format!("1:19: colour: unknown field; fields are: {}", KEYS.join(", "))),
        ("at=stock delay", "1:10: must be KEY=VALUE, such as delay=300ms\n1:1: must have an effect".to_owned()),
        ("at=stock when=\"x=y", "1:15: when: the closing '\"' is missing".to_owned()),
        (
            "at=a>b cpu=1ms",
            "1:8: cpu: cannot act at a>b; it acts on services (SERVICE, SERVICE#2, *)".to_owned(),
        ),
        ("at=a duplicate=true", "1:6: duplicate: cannot act at a; it acts on queues (SERVICE>queue)".to_owned()),
        ("at=a unready=true share=5%", "1:19: share: has no meaning with unready".to_owned()),
        ("at=a drop=yes", "1:11: drop: must be true".to_owned()),
        ("at=a throttle=5", "1:15: throttle: must be a rate such as 10KiB/s".to_owned()),
        (
            "at=a drop=true when=cookie=x",
            "1:21: when: must be HEADER=VALUE with a header that holds no credentials".to_owned(),
        ),
        ("at=a\ndrop=true", "1:1: must have an effect".to_owned()),
    ] {
        let found = problems(text);
        for line in expected.lines() {
            assert!(found.lines().any(|found| found.starts_with(line)), "{text}: {found}");
        }
    }
    let all = problems("at=A abort=OK share=0% max=0 for=0s when=x blind=maybe");
    assert_eq!(all.lines().count(), 7, "{all}");
}

#[test]
fn sixty_four_faults_are_allowed_and_one_more_is_not() {
    let text = |count: usize| "at=a drop=true\n".repeat(count);
    assert_eq!(parse(&text(MAX_FAULTS)).unwrap().len(), MAX_FAULTS);
    let problems = parse(&text(MAX_FAULTS + 1)).unwrap_err().to_string();
    assert_eq!(problems, "65:1: must have at most 64 faults");
    assert!(parse(&"#".repeat(64 * 1024 + 1)).is_err());
    assert_eq!(parse(&"#".repeat(64 * 1024)).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn any_text_like_a_fault_is_read_or_refused_without_a_panic(
        pieces in vec(select(vec![
            "at", "=", "stock", "#2", ">", "*", " ", " ", "delay", "abort", "share", "10%", "300ms", "..", "UNAVAILABLE",
            "\"", ";", "\n", "#", "for", "max", "5", "true", "drop", "when", "x-user=jason", "p50=1ms p90=2ms p99=3ms",
            "é", "\u{0}", "at=stock ", "delay=1s ", "lose=INTERNAL",
        ]), 0..20)
    ) {
        check(&pieces.concat())?;
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(faults) => {
            for fault in faults {
                prop_assert_eq!(parse(&fault.to_string()), Ok(vec![fault]));
            }
        }
        Err(problems) => {
            let lines = text.split('\n').count();
            prop_assert!(problems.iter().count() > 0);
            for problem in &problems {
                prop_assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem}");
                prop_assert!(!problem.message.contains(['\n', '\0']), "{problem:?}");
            }
        }
    }
    Ok(())
}
