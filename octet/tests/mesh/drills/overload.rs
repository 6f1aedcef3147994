//! Overload: the platform serves what it can, refuses the rest at once, and recovers.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Request;
use tokio::task::JoinSet;

use super::{USERS, conclude, is_full, print_report, recovers};
use crate::{
    client::Client,
    load::{Load, Report},
    platform::Mesh,
};

/// How long each phase lasts.
fn phase() -> Duration {
    Duration::from_secs(if is_full() { 8 } else { 1 })
}

/// A report and its rate of valid answers per second.
struct Served {
    report: Report,
    rate: f64,
}

async fn closed_loop(mesh: &Mesh, users: usize) -> Served {
    let started = Instant::now();
    let load = Load::until_stopped(mesh, users);
    tokio::time::sleep(phase()).await;
    let report = load.stop().await;
    let rate = valid_answers_per_second(&report, started);
    Served { report, rate }
}

/// Sends `rate` requests per second, without waiting for responses. The client reuses its connections.
async fn open_loop(mesh: &Mesh, rate: f64) -> (Served, Duration) {
    let client = Client::new();
    let mut requests = JoinSet::new();
    let started = Instant::now();
    let every = Duration::from_secs_f64(1.0 / rate);
    let mut next = tokio::time::interval(every.max(Duration::from_millis(1)));
    let mut sent = 0_u32;
    while started.elapsed() < phase() {
        next.tick().await;
        // Sends all that are due: timers are too coarse for one at a time.
        while f64::from(sent) < started.elapsed().as_secs_f64() * rate {
            sent += 1;
            let (client, url) = (client.clone(), mesh.url("/api/greeting"));
            requests.spawn(async move {
                let sent = Instant::now();
                let request = || Request::get(&url).body(Full::default()).expect("a request");
                (client.send_with_reconnect(request).await, sent.elapsed())
            });
        }
    }
    let mut report = Report::default();
    let mut slowest_refusal = Duration::ZERO;
    for (reply, took) in requests.join_all().await {
        if let Ok(refused) = reply.as_ref().map_err(drop)
            && refused.status == 503
        {
            assert_eq!(refused.header("retry-after"), "1");
            slowest_refusal = slowest_refusal.max(took);
        }
        report.add(reply);
    }
    let rate = valid_answers_per_second(&report, started);
    (Served { report, rate }, slowest_refusal)
}

fn valid_answers_per_second(report: &Report, started: Instant) -> f64 {
    f64::from(u32::try_from(report.answers.len()).expect("bounded")) / started.elapsed().as_secs_f64()
}

#[tokio::test]
async fn overload_is_served_up_to_capacity_and_the_rest_is_refused_at_once() {
    // On a starved machine admitted requests wait longer than the default deadline; refusals must still be immediate.
    let mesh = Mesh::builder().with("REQUEST_TIMEOUT", "60s").start().await;
    let peak = closed_loop(&mesh, USERS).await;
    let crowd = closed_loop(&mesh, 250).await;
    let before = mesh.resident();
    let (flood, slowest_refusal) = open_loop(&mesh, 2.0 * peak.rate.max(crowd.rate)).await;
    let after = mesh.resident();
    let recovery = recovers(&mesh).await;

    assert_eq!(crowd.report.failures(), [].into());
    for (status, body) in &flood.report.failures {
        assert_eq!((status.as_u16(), body.code), (503, 14), "{body:?}");
        assert!(body.message.starts_with("overloaded: "), "{body:?}");
    }
    assert_eq!(flood.report.unanswered, [""; 0]);
    let best = peak.rate.max(crowd.rate);
    print_report(&format!(
        "overload: 25 users {:.0}/s, 250 users {:.0}/s, open loop at twice the peak {:.0}/s ({:.0} %), refused {} \
         (slowest {} ms), memory {} MB before and {} MB after\n",
        peak.rate,
        crowd.rate,
        flood.rate,
        100.0 * flood.rate / best,
        flood.report.failures.len(),
        slowest_refusal.as_millis(),
        before / 1_000_000,
        after / 1_000_000,
    ));
    if is_full() {
        // A rate is meaningful only if nothing else runs.
        assert!(crowd.rate >= 0.7 * best && flood.rate >= 0.7 * best, "less than 70 % of the peak");
    }
    conclude("after overload", &mesh, &flood.report, recovery).await;
    mesh.end().await;
}
