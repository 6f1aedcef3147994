//! Callers that leave or set a deadline that nothing can meet, beside honest ones: more cancelled calls than one HTTP/2
//! connection between two processes is allowed to reset by default (1,024).

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::Request;
use tokio::task::JoinSet;

use super::{conclude, is_full, print_report, recovers};
use crate::{
    client::Client,
    load::Load,
    platform::{Mesh, PROCESSES, resident},
};

const HONEST: usize = 5;
const LEAVING: u8 = 40;
const EXPIRING: usize = 10;

/// Expired calls of a short drill.
const EXPIRED: usize = 1_000;

/// The time limit of a short drill.
const LIMIT: Duration = Duration::from_mins(15);

/// The length of a full drill.
const FULL: Duration = Duration::from_mins(10);

/// Memory may grow during this time; after it, the maximum of the first half is compared with that of the second.
const WARM_UP: Duration = Duration::from_mins(1);

/// No process may exceed this.
const MAX_RESIDENT: u64 = 128 * 1024 * 1024;

/// A random time up to `max`.
fn up_to(max: Duration) -> Duration {
    Duration::from_micros(fastrand::u64(..u64::try_from(max.as_micros()).expect("short")))
}

/// Callers that leave within `stay`, each time with a connection of its own. Each has an address: closed connections would
/// soon use up the ports of a single one, and the search for a free port takes the time of all clients.
pub(super) fn leaving(mesh: &Mesh, stay: Duration, cancelled: &Arc<AtomicUsize>) -> JoinSet<()> {
    let leave = |address: Ipv4Addr, url: String, cancelled: Arc<AtomicUsize>| async move {
        loop {
            let client = Client::from(address);
            let request = Request::get(&url).body(Full::default()).expect("a request");
            if tokio::time::timeout(up_to(stay), client.send(request)).await.is_err() {
                cancelled.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let addresses = (1..=LEAVING).map(|number| Ipv4Addr::new(127, 0, 1, number));
    addresses.map(|address| leave(address, mesh.url("/api/greeting"), cancelled.clone())).collect()
}

/// A user at `address` whose deadline is 3 ms; further `users` have random ones up to `deadline`.
pub(super) fn expiring(
    mesh: &Mesh,
    address: Ipv4Addr,
    users: usize,
    deadline: Duration,
    expired: &Arc<AtomicUsize>,
) -> JoinSet<()> {
    let expire = move |user: usize, url: String, expired: Arc<AtomicUsize>| async move {
        let client = Client::from(address);
        loop {
            let deadline = if user == 0 { Duration::from_millis(3) } else { up_to(deadline) };
            let request = Request::get(&url).header("grpc-timeout", format!("{}u", deadline.as_micros()));
            let reply = client.send(request.body(Full::default()).expect("a request")).await;
            if reply.is_ok_and(|reply| reply.status == 504) {
                expired.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    (0..users).map(|user| expire(user, mesh.url("/api/greeting"), expired.clone())).collect()
}

#[tokio::test]
async fn callers_that_cancel_thousands_of_calls_fail_no_call_of_others() {
    // A small trace store is full soon, and then flat.
    let mesh = Mesh::builder().with("COLLECTOR_MEMORY", "8MiB").start().await;
    let pids = mesh.pids();
    let (left, expired) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    // More requests than they can send in a full drill.
    let load = Load::start(&mesh, HONEST, 1_000_000);
    let started = Instant::now();
    load.reaches(100).await;
    // Times in which about half of the callers cancel, so that many responses cross the cancellation of their call.
    let response_time = started.elapsed() * u32::try_from(HONEST).expect("small") / 100;
    let stay = (8 * response_time).max(Duration::from_millis(20));
    let mut others =
        [leaving(&mesh, stay, &left), expiring(&mesh, Ipv4Addr::LOCALHOST, EXPIRING, stay, &expired)];

    let started = Instant::now();
    let (mut warm, mut max) = ([0; PROCESSES.len()], [0; PROCESSES.len()]);
    repeat(&expired, || {
        let time = started.elapsed();
        for (((process, pid), warm), max) in PROCESSES.iter().zip(&pids).zip(&mut warm).zip(&mut max) {
            let now = resident(*pid);
            *max = now.max(*max);
            assert!(now < MAX_RESIDENT, "{process} has grown to {now} bytes");
            if time > WARM_UP {
                if time < (FULL + WARM_UP) / 2 {
                    *warm = now.max(*warm);
                }
                // Peaks differ a little; a leak for each cancelled call would exceed this by far.
                assert!(now <= *warm + *warm / 4, "{process} grew from {warm} to {now} bytes");
            }
        }
    })
    .await;
    let honest = load.done();
    load.continues_for(100).await;
    for others in &mut others {
        others.shutdown().await;
    }
    let cancelled = left.load(Ordering::Relaxed) + expired.load(Ordering::Relaxed);

    let recovery = recovers(&mesh).await;
    let report = load.stop().await;
    assert_eq!(report.failures(), [].into(), "after {cancelled} cancelled calls");
    assert_eq!(mesh.pids(), pids, "no process was restarted");
    print_report(&format!(
        "callers that cancel: {cancelled} calls cancelled beside {honest} requests in {} s, resident {} MB max\n",
        started.elapsed().as_secs(),
        max.iter().max().copied().unwrap_or_default() / 1_000_000
    ));
    conclude("callers that cancel", &mesh, &report, recovery).await;
    mesh.end().await;
}

/// Calls `check` until enough calls have expired; in a full drill for a fixed time.
async fn repeat(expired: &AtomicUsize, mut check: impl FnMut()) {
    let started = Instant::now();
    loop {
        check();
        let count = expired.load(Ordering::Relaxed);
        let is_enough = if is_full() { started.elapsed() >= FULL } else { count >= EXPIRED };
        if is_enough {
            return;
        }
        assert!(is_full() || started.elapsed() < LIMIT, "only {count} calls have expired");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
