//! More than the platform can do: it serves what it can, refuses the rest at once, and is well again after.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Request;
use tokio::task::JoinSet;

use super::{USERS, conclude, is_full, recovers, say};
use crate::{
    client::Client,
    load::{Load, Report},
    platform::Mesh,
};

/// How long each phase lasts.
fn phase() -> Duration {
    Duration::from_secs(if is_full() { 8 } else { 1 })
}

/// Requests a second that were answered whole.
struct Served {
    report: Report,
    rate: f64,
}

async fn closed_loop(mesh: &Mesh, users: usize) -> Served {
    let begun = Instant::now();
    let load = Load::until_stopped(mesh, users);
    tokio::time::sleep(phase()).await;
    let report = load.stop().await;
    let rate = whole_answers_a_second(&report, begun);
    Served { report, rate }
}

/// Sends `rate` requests a second, whatever becomes of them. The client keeps its connections for the next ones.
async fn open_loop(mesh: &Mesh, rate: f64) -> (Served, Duration) {
    let client = Client::new();
    let mut requests = JoinSet::new();
    let begun = Instant::now();
    let every = Duration::from_secs_f64(1.0 / rate);
    let mut next = tokio::time::interval(every.max(Duration::from_millis(1)));
    let mut sent = 0_u32;
    while begun.elapsed() < phase() {
        next.tick().await;
        // As many as are due by now: timers are too coarse for one at a time.
        while f64::from(sent) < begun.elapsed().as_secs_f64() * rate {
            sent += 1;
            let (client, url) = (client.clone(), mesh.url("/api/greeting"));
            requests.spawn(async move {
                let asked = Instant::now();
                let request = || Request::get(&url).body(Full::default()).expect("a request");
                (client.send_to_a_restarting_gateway(request).await, asked.elapsed())
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
    let rate = whole_answers_a_second(&report, begun);
    (Served { report, rate }, slowest_refusal)
}

fn whole_answers_a_second(report: &Report, begun: Instant) -> f64 {
    f64::from(u32::try_from(report.answers.len()).expect("bounded")) / begun.elapsed().as_secs_f64()
}

#[tokio::test]
async fn overload_is_served_as_far_as_it_goes_and_the_rest_refused_at_once() {
    let mesh = Mesh::start().await;
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
    say(&format!(
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
        // Only where nothing else runs is a rate worth a promise.
        assert!(crowd.rate >= 0.7 * best && flood.rate >= 0.7 * best, "less than 70 % of the peak");
    }
    conclude("after overload", &mesh, &flood.report, recovery).await;
    mesh.end().await;
}
