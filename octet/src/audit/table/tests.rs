//! The report as text and as JSON.

use std::time::{Duration, SystemTime};

use octet_backends::inspect::{QueueDepth, Sight};
use serde_json::json;

use super::*;

fn store(name: &str, documents: Result<u64, &str>) -> Store {
    let store =
        octet_topology::Store { database: name.parse().unwrap(), collection: "greetings".parse().unwrap() };
    Store { service: name.to_owned(), store, documents: documents.map_err(str::to_owned) }
}

fn queue(depth: QueueDepth) -> Queue {
    Queue {
        sight: Sight::Everything,
        name: "service-d.greeting".to_owned(),
        is_consumed: true,
        depth: Ok(depth),
        newest_dead_letters: vec![],
    }
}

fn report(answered: Option<Answered>, waited: Option<Duration>) -> Report {
    Report {
        stores: vec![store("service-c", Ok(5_000))],
        queues: vec![queue(QueueDepth::default())],
        answered,
        waited,
    }
}

fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn verdict(report: &Report) -> String {
    report.table().lines().last().unwrap().to_owned()
}

#[test]
fn tables_are_aligned_and_escaped() {
    let letter = DeadLetter {
        id: "7".to_owned(),
        reason: "not a greeting\u{1b}[2J".to_owned(),
        attempts: 1,
        at: Some(SystemTime::UNIX_EPOCH),
    };
    let depth = QueueDepth { ready: 12, leased: 100, dead_lettered: 1, redelivered: 1_234_567 };
    let report = Report {
        stores: vec![store("service-c", Ok(5_000)), store("service-long", Err("file x.sqlite"))],
        queues: vec![Queue { newest_dead_letters: vec![letter], ..queue(depth) }],
        answered: None,
        waited: None,
    };
    let expected = r"
  service       store                   documents
  service-c     service-c.greetings         5,000
  service-long  service-long.greetings          -  empty: file x.sqlite does not exist yet

  queue               ready  leased  dead-lettered  redelivered
  service-d.greeting     12     100              1    1,234,567

newest dead letters of service-d.greeting
  1970-01-01T00:00:00Z  7  after 1 delivery: not a greeting\u{1b}[2J

GAP: 1 message dead-lettered (service-d.greeting 1)";
    assert_eq!(report.table(), expected.trim_start_matches('\n'));
}

#[test]
fn an_unknown_count_is_a_dash_and_not_zero() {
    let queue =
        Queue { sight: Sight::DeadLetters, ..queue(QueueDepth { ready: 3, ..QueueDepth::default() }) };
    assert_eq!(queue.to_json()["leased"], serde_json::Value::Null);
    let report = Report { stores: vec![], queues: vec![queue], answered: None, waited: None };
    let row = report.table().lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(row, "service-d.greeting 3 - 0 -");
}

#[test]
fn the_verdict_on_answers_is_one_line() {
    let thirty = Some(Duration::from_secs(30));
    let all = || Answered { answers: 5_000, greetings: 35_000, checked: 20_000, ..Answered::default() };
    for (answered, waited, line) in [
        (all(), None, "complete: 5,000 answers claim 20,000 documents, all found"),
        (
            Answered { answers: 1, greetings: 1, checked: 1, ..Answered::default() },
            thirty,
            "complete: 1 answer claims 1 document, all found",
        ),
        (Answered::default(), None, "nothing to check: 0 answers"),
        (
            Answered { queued: counts(&[("service-f", 12)]), ..all() },
            None,
            "complete so far: 5,000 answers claim 20,000 documents, 12 still queued (use --wait 30s to wait for them)",
        ),
        (
            Answered { queued: counts(&[("service-f", 12)]), ..all() },
            thirty,
            "GAP: 12 still queued after 30s (service-f 12)",
        ),
        (
            Answered {
                missing: counts(&[("service-f", 1), ("service-g", 2)]),
                dead_lettered: counts(&[("service-f", 4)]),
                altered: counts(&[("service-c", 1)]),
                duplicates: 7,
                invalid: 1,
                ..all()
            },
            None,
            "GAP: 3 of 20,000 documents missing (service-f 1, service-g 2); 4 of 20,000 documents dead-lettered \
             (service-f 4); 1 of 20,000 documents altered (service-c 1); 7 ids in more than one answer; \
             1 of 5,000 answers invalid",
        ),
    ] {
        let report = report(Some(answered), waited);
        assert_eq!(verdict(&report), line);
        assert_eq!(report.verdict() == Verdict::Gap, line.starts_with("GAP"), "{line}");
    }
}

#[test]
fn the_verdict_without_answers_depends_on_the_queues() {
    let second = Some(Duration::from_secs(1));
    let full = QueueDepth { ready: 1, leased: 1, ..QueueDepth::default() };
    for (depth, waited, line) in [
        (QueueDepth::default(), None, "complete: 5,000 documents, no messages queued or dead-lettered"),
        (
            full,
            None,
            "complete so far: 5,000 documents, 2 messages still queued (use --wait 30s to wait for them)",
        ),
        (full, second, "GAP: 2 messages still queued after 1s (service-d.greeting 2)"),
    ] {
        let report = Report { queues: vec![queue(depth)], ..report(None, waited) };
        assert_eq!(verdict(&report), line);
        assert_eq!(report.verdict() == Verdict::Gap, line.starts_with("GAP"), "{line}");
        // The messages of a queue without a consumer stay queued.
        let unconsumed = Report { queues: vec![Queue { is_consumed: false, ..queue(depth) }], ..report };
        assert_eq!(unconsumed.verdict(), Verdict::Complete);
    }

    // A mistyped directory must not look like a complete platform.
    let nothing = Report {
        stores: vec![store("service-c", Err("file"))],
        queues: vec![Queue { depth: Err("file".to_owned()), ..queue(full) }],
        ..report(None, None)
    };
    assert_eq!(
        (nothing.verdict(), nothing.to_json()["verdict"].as_str()),
        (Verdict::Nothing, Some("nothing"))
    );
    assert_eq!(verdict(&nothing), "nothing to check: no store and no queue exists yet");
}

#[test]
fn the_json_report_has_the_same_content() {
    let answered = Answered {
        answers: 1,
        greetings: 7,
        checked: 4,
        missing: counts(&[("service-g", 1)]),
        ..Answered::default()
    };
    assert_eq!(
        report(Some(answered), None).to_json(),
        json!({
            "stores": [
                { "service": "service-c", "database": "service-c", "collection": "greetings", "documents": 5_000 },
            ],
            "queues": [{
                "queue": "service-d.greeting",
                "ready": 0,
                "leased": 0,
                "deadLettered": 0,
                "redelivered": 0,
                "newestDeadLetters": [],
            }],
            "answered": {
                "answers": 1,
                "greetings": 7,
                "checked": 4,
                "missing": 1,
                "queued": 0,
                "deadLettered": 0,
                "altered": 0,
                "duplicates": 0,
                "invalid": 0,
                "surplus": {},
            },
            "verdict": "gap",
        })
    );
    assert_eq!(report(None, None).to_json()["answered"], json!(null));
}

#[test]
fn a_time_after_the_year_9999_is_formatted_without_panic() {
    let far = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(i64::MAX).unwrap());
    assert_eq!(rfc3339(far), "at an unknown time");
}

#[test]
fn documents_that_no_answer_claims_are_surplus() {
    let answered = |documents: u64, missing: &[(&str, u64)]| Answered {
        documents: counts(&[("service-c", documents)]),
        missing: counts(missing),
        ..Answered::default()
    };
    let surplus = |answered| report(Some(answered), None).surplus().get("service-c").copied();
    assert_eq!(surplus(answered(5_000, &[])), None);
    assert_eq!(surplus(answered(4_990, &[])), Some(10));
    assert_eq!(surplus(answered(5_000, &[("service-c", 3)])), Some(3));
    assert_eq!(surplus(Answered::default()), None, "no answer claims its documents");
    let table = report(Some(answered(4_999, &[])), None).table();
    assert!(table.contains("\nsurplus: service-c has 1 document that no answer claims\n"), "{table}");
}
