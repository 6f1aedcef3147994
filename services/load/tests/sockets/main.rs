//! Loads over real sockets, against servers with known answers.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic
)]

mod stub;

use std::{collections::BTreeMap, time::Duration};

use octet_load::{Order, Plan, Protocol, Report, State, Target, run};
use stub::{Answer, Greeter, Stub, TRACE};
use tokio::sync::watch;

/// Longer than any load here.
const LONG: Duration = Duration::from_mins(2);

async fn plan(url: &str, protocol: Protocol) -> Plan {
    Plan {
        target: Target::resolve(url, false).await.expect("a target"),
        protocol,
        users: 4,
        rate: None,
        duration: LONG,
        requests: None,
        timeout: Duration::from_secs(30),
    }
}

async fn report(plan: &Plan) -> Report {
    let (_order, orders) = watch::channel(Order::Run);
    run(plan, orders, |_| {}).await.expect("a report")
}

fn outcomes(report: &Report) -> BTreeMap<&str, u64> {
    report.outcomes.iter().map(|(name, count)| (name.as_str(), *count)).collect()
}

#[tokio::test]
async fn every_answer_is_counted_by_its_kind() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let stub = Stub::start(|number| match number % 10 {
            3 => Answer::Status(504),
            5 => Answer::Status(404),
            _ => Answer::Status(200),
        })
        .await;
        let plan = Plan { requests: Some(200), ..plan(&stub.url(), protocol).await };
        let report = report(&plan).await;
        assert_eq!(
            outcomes(&report),
            BTreeMap::from([("HTTP 200", 160), ("HTTP 404", 20), ("HTTP 504", 20)])
        );
        assert_eq!((report.requests, report.succeeded, report.failed, report.in_flight), (200, 160, 40, 0));
        assert_eq!(stub.requests(), 200);
        assert_eq!(report.state, State::Done);
        assert_eq!(report.seconds.iter().map(|second| second.requests).sum::<u64>(), 200);
        let errors: u64 = report.seconds.iter().flat_map(|second| second.errors.values()).sum();
        assert_eq!(errors, 40);
        assert_eq!(report.histogram.iter().map(|bin| bin.count).sum::<u64>(), 160);
        assert_eq!((report.slowest.len(), report.failures.len()), (20, 40));
        let traces = report.slowest.iter().chain(&report.failures).map(|example| example.trace_id.as_deref());
        assert!(traces.into_iter().all(|id| id == Some(TRACE)));
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_a_response_is_counted_and_replaced() {
    let stub =
        Stub::start(|number| if number % 5 == 4 { Answer::Disconnect } else { Answer::Status(200) }).await;
    let plan = Plan { requests: Some(50), ..plan(&stub.url(), Protocol::Http1).await };
    let report = report(&plan).await;
    assert_eq!(outcomes(&report), BTreeMap::from([("HTTP 200", 40), ("connection reset", 10)]));
    assert_eq!(stub.requests(), 50, "none was sent twice");
}

#[tokio::test]
async fn grpc_calls_are_counted_by_code() {
    let address = Greeter::start().await;
    let plan = Plan { requests: Some(100), ..plan(&format!("http://{address}"), Protocol::Grpc).await };
    let report = report(&plan).await;
    assert_eq!(outcomes(&report), BTreeMap::from([("gRPC OK", 75), ("gRPC UNAVAILABLE", 25)]));
    assert_eq!((report.succeeded, report.failed), (75, 25));
}

#[tokio::test]
async fn a_server_that_is_gone_refuses_connections_and_is_not_asked_in_a_busy_loop() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Grpc] {
        let plan =
            Plan { duration: Duration::from_secs(1), ..plan(&format!("http://{address}"), protocol).await };
        let report = report(&plan).await;
        assert_eq!(report.outcomes.keys().collect::<Vec<_>>(), ["connection refused"], "{protocol:?}");
        // Each of 4 users pauses for 100 ms after each.
        assert!((4..=44).contains(&report.requests), "{protocol:?}: {} requests", report.requests);
    }
}

#[tokio::test]
async fn a_request_without_a_response_in_time_is_a_timeout() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let stub = Stub::start(|_| Answer::After(LONG)).await;
        let timeout = Duration::from_millis(300);
        let plan = Plan { requests: Some(4), timeout, ..plan(&stub.url(), protocol).await };
        let report = report(&plan).await;
        assert_eq!(outcomes(&report), BTreeMap::from([("timeout", 4)]));
        assert!(report.latency.expect("requests ended").min_ms >= 299.0);
        assert_eq!(report.success_latency, None);
    }
}

/// A server stalls once, for two seconds. Users who wait for it send nothing meanwhile, so that a closed loop sees four
/// slow requests. At a rate, every request that was due in these two seconds was slow.
#[tokio::test]
async fn an_open_loop_shows_the_wait_that_a_closed_loop_hides() {
    const STALL: Duration = Duration::from_secs(2);
    let start =
        || Stub::start(|number| if number == 50 { Answer::Stall(STALL) } else { Answer::Status(200) });
    let stub = start().await;
    let closed = report(&Plan { requests: Some(400), ..plan(&stub.url(), Protocol::Http1).await }).await;
    let stub = start().await;
    let open = Plan { requests: Some(400), rate: Some(100), ..plan(&stub.url(), Protocol::Http1).await };
    let open = report(&open).await;

    assert_eq!((closed.requests, open.requests), (400, 400));
    let slow = |report: &Report| -> u64 {
        report.histogram.iter().filter(|bin| bin.from_ms >= 500.0).map(|bin| bin.count).sum()
    };
    assert!((1..=8).contains(&slow(&closed)), "{} of a closed loop were slow", slow(&closed));
    assert!(slow(&open) >= 120, "{} of an open loop were slow", slow(&open));
    assert!(open.late >= 120, "{} were late", open.late);
    assert_eq!((open.unsent, closed.late, closed.unsent), (0, 0, 0));
    let p75 = |report: &Report| report.latency.expect("answers").p75_ms;
    assert!(p75(&open) > 5.0 * p75(&closed), "{} and {} ms", p75(&open), p75(&closed));
}

#[tokio::test]
async fn requests_that_were_due_and_not_sent_are_reported() {
    let stub = Stub::start(|_| Answer::After(Duration::from_millis(400))).await;
    let plan = Plan {
        rate: Some(100),
        users: 1,
        duration: Duration::from_secs(1),
        ..plan(&stub.url(), Protocol::Http1).await
    };
    let report = report(&plan).await;
    assert_eq!(report.requests + report.unsent, 100);
    assert!((1..=3).contains(&report.requests), "{} were sent", report.requests);
}

#[tokio::test]
async fn a_rate_is_kept_exactly() {
    let stub = Stub::start(|_| Answer::Status(200)).await;
    let plan = Plan {
        rate: Some(200),
        users: 50,
        duration: Duration::from_secs(2),
        ..plan(&stub.url(), Protocol::Http2).await
    };
    let report = report(&plan).await;
    assert_eq!((report.requests + report.unsent, report.in_flight), (400, 0));
    assert!(report.elapsed_seconds >= 2.0);
}

#[tokio::test]
async fn a_stopped_load_waits_for_its_responses_and_an_aborted_one_does_not() {
    let stub = Stub::start(|_| Answer::After(Duration::from_millis(500))).await;
    let plan_of = async || plan(&stub.url(), Protocol::Http1).await;
    let (order, orders) = watch::channel(Order::Run);
    let plan = plan_of().await;
    let mut seconds = 0;
    let stopped = run(&plan, orders, |report| {
        seconds += 1;
        assert_eq!(report.state, State::Running);
        order.send_replace(Order::Stop);
    });
    let stopped = stopped.await.expect("a report");
    assert!(seconds >= 1);
    assert_eq!((stopped.state, stopped.in_flight, stopped.failed), (State::Stopped, 0, 0));
    assert!(stopped.requests >= 4);

    let stub = Stub::start(|_| Answer::After(LONG)).await;
    let plan = Plan { target: Target::resolve(&stub.url(), false).await.expect("a target"), ..plan };
    let (order, orders) = watch::channel(Order::Run);
    let aborted = run(&plan, orders, |_| {
        order.send_replace(Order::Abort);
    });
    let aborted = aborted.await.expect("a report");
    assert_eq!((aborted.state, aborted.in_flight, aborted.requests), (State::Stopped, 4, 0));
    assert_eq!(aborted.latency, None);
}

#[tokio::test]
async fn a_report_is_read_back_from_its_json() {
    let stub = Stub::start(|number| Answer::Status(if number == 3 { 503 } else { 200 })).await;
    let plan = Plan { requests: Some(20), ..plan(&stub.url(), Protocol::Http1).await };
    let report = report(&plan).await;
    let json = serde_json::to_string(&report).expect("JSON");
    assert_eq!(serde_json::from_str::<Report>(&json).expect("a report"), report);
}
