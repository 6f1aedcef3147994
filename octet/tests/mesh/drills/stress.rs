//! Honest users beside callers that leave, a user whose deadline nothing can meet, and every attack in turn: no honest
//! request fails, and no process grows.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::Request;
use tokio::task::JoinSet;

use super::{
    attack::{ATTACKS, Targets},
    conclude, is_full,
    leave::{expiring, leaving},
    print_report, recovers,
};
use crate::{
    client::Client,
    load::Report,
    platform::{Mesh, PATIENCE, PROCESSES, peak_resident, resident},
};

const HONEST: usize = 5;

/// Callers leave within this time.
const STAY: Duration = Duration::from_millis(20);

/// No process may exceed this.
const MAX_RESIDENT: u64 = 128 * 1024 * 1024;

/// Responses that honest users get during each attack, on the busiest machine.
const LEAST: usize = 10;

/// Between two looks at the memory.
const INTERVAL: Duration = Duration::from_millis(250);

/// Rounds of honest users alone and then attacked, and the length of each part and of each attack.
struct Plan {
    rounds: usize,
    alone: Duration,
    attack: Duration,
}

impl Plan {
    fn new() -> Self {
        if is_full() {
            // Ten minutes of attacks.
            Self { rounds: 10, alone: Duration::from_secs(10), attack: Duration::from_secs(10) }
        } else {
            Self { rounds: 1, alone: Duration::from_secs(2), attack: Duration::from_secs(1) }
        }
    }
}

/// Users that send one request after another, each on its own connection.
struct Honest {
    times: Arc<Mutex<Vec<Duration>>>,
    stop: Arc<AtomicBool>,
    users: JoinSet<Report>,
}

impl Honest {
    fn start(mesh: &Mesh) -> Self {
        let (times, stop) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let user = |url: String, times: Arc<Mutex<Vec<_>>>, stop: Arc<AtomicBool>| async move {
            let client = Client::new();
            let mut report = Report::default();
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                report.add(client.send(Request::get(&url).body(Full::default()).expect("a request")).await);
                times.lock().expect("whole").push(started.elapsed());
            }
            report
        };
        let users = (0..HONEST).map(|_| user(mesh.url("/api/greeting"), times.clone(), stop.clone()));
        Self { users: users.collect(), times, stop }
    }

    /// The times of the requests that ended since the last call.
    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.times.lock().expect("whole"))
    }

    async fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut total = Report::default();
        for report in self.users.join_all().await {
            total.answers.extend(report.answers);
            total.invalid.extend(report.invalid);
            total.failures.extend(report.failures);
            total.unanswered.extend(report.unanswered);
        }
        total
    }
}

/// The memory of every process, over time.
#[derive(Default)]
struct Memory {
    pids: Vec<rustix::process::Pid>,
    samples: Vec<Vec<u64>>,
}

impl Memory {
    /// Watches for `time`, and until honest users have had `LEAST` responses.
    async fn watch(&mut self, time: Duration, honest: &Honest) {
        let started = Instant::now();
        while started.elapsed() < time || honest.times.lock().expect("whole").len() < LEAST {
            assert!(started.elapsed() < time + PATIENCE, "honest users get no responses");
            for (pid, samples) in self.pids.iter().zip(&mut self.samples) {
                samples.push(resident(*pid));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Checks that no process has grown from the first third of the time to the last, and returns the figures.
    fn check(self) -> String {
        let mut text = String::new();
        for ((process, pid), samples) in PROCESSES.iter().zip(self.pids).zip(self.samples) {
            let third = samples.len() / 3;
            let [start, middle, end] = [0, 1, 2].map(|part| {
                let mut part = samples[part * third..(part + 1) * third].to_vec();
                part.sort_unstable();
                part[third / 2]
            });
            let peak = peak_resident(pid);
            let _ = writeln!(
                text,
                "    {process}: {} {} {} MB, peak {} MB",
                start / 1_000_000,
                middle / 1_000_000,
                end / 1_000_000,
                peak / 1_000_000
            );
            assert!(peak < MAX_RESIDENT, "{process} has grown to {peak} bytes");
            // A short drill is the start-up itself.
            assert!(
                !is_full() || end < start + start / 4 + 4_000_000,
                "{process} grew from {start} to {end}"
            );
        }
        text
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[tokio::test]
async fn no_attack_fails_a_call_of_others_or_makes_a_process_grow() {
    let Plan { rounds, alone, attack } = Plan::new();
    // A small trace store is full soon, and then flat.
    let traces = if is_full() { "32MiB" } else { "8MiB" };
    // Honest users do not run into the default deadline of 5 s, which a busy machine may need.
    let mesh = Mesh::builder().with("COLLECTOR_MEMORY", traces).with("REQUEST_TIMEOUT", "25s").start().await;
    let pids = mesh.pids();
    let honest = Honest::start(&mesh);
    // Caches and the trace store fill.
    tokio::time::sleep(if is_full() { Duration::from_mins(1) } else { alone }).await;

    let mut memory = Memory { samples: vec![Vec::new(); pids.len()], pids: pids.clone() };
    let (mut times_alone, mut times_attacked) = (Vec::new(), Vec::new());
    let mut by_attack = vec![Vec::new(); ATTACKS.len()];
    let (left, expired) = (Arc::default(), Arc::default());
    for _ in 0..rounds {
        honest.take();
        Memory::default().watch(alone, &honest).await;
        times_alone.append(&mut honest.take());
        let mut others = [leaving(&mesh, STAY, &left), expiring(&mesh, 1, STAY, &expired)];
        for ((_, attack_with), times) in ATTACKS.iter().zip(&mut by_attack) {
            let attacking = tokio::spawn(attack_with(Targets::of(&mesh)));
            memory.watch(attack, &honest).await;
            attacking.abort();
            let mut taken = honest.take();
            times.extend_from_slice(&taken);
            times_attacked.append(&mut taken);
        }
        for others in &mut others {
            others.shutdown().await;
        }
        recovers(&mesh).await;
    }
    let recovery = recovers(&mesh).await;
    let report = honest.stop().await;
    assert_eq!(report.failures(), [].into());
    assert_eq!(mesh.pids(), pids, "no process was restarted");

    let count = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
    let mut text = format!(
        "stress: {} honest requests alone, p50 {:?}, p99 {:?}; {} attacked, p50 {:?}, p99 {:?}; {} callers left, {} \
         deadlines expired\n",
        times_alone.len(),
        percentile(&mut times_alone, 50),
        percentile(&mut times_alone, 99),
        times_attacked.len(),
        percentile(&mut times_attacked, 50),
        percentile(&mut times_attacked, 99),
        count(&left),
        count(&expired),
    );
    for ((name, _), times) in ATTACKS.iter().zip(&mut by_attack) {
        let (requests, p50, p99) = (times.len(), percentile(times, 50), percentile(times, 99));
        let _ = writeln!(text, "    {name}: {requests} requests, p50 {p50:?}, p99 {p99:?}");
    }
    text.push_str(&memory.check());
    print_report(&text);
    conclude("stress", &mesh, &report, recovery).await;
    mesh.end().await;
}
