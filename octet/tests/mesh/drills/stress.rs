//! Honest users beside every attack in turn, without and with callers that leave and a user whose deadline nothing can
//! meet: no honest request fails, no process grows, and no attack makes responses much slower.

use std::{
    fmt::Write as _,
    net::Ipv4Addr,
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

/// The address of the user whose deadline nothing can meet: to the platform, another client than the honest users.
const OTHERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// How much longer the slowest honest responses may take under an attack.
const MAX_SLOWER: u32 = 3;

/// Rounds, each without and then with the other callers; and in each, the time without an attack and of each attack.
struct Plan {
    rounds: usize,
    alone: Duration,
    attack: Duration,
}

impl Plan {
    fn new() -> Self {
        if is_full() {
            // Ten minutes of attacks, and two without.
            Self { rounds: 5, alone: Duration::from_secs(10), attack: Duration::from_secs(10) }
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
        let mut text = String::from("    resident memory in each third of the time:\n");
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

/// The times of honest requests under one condition.
struct Times {
    condition: &'static str,
    alone: Vec<Duration>,
    by_attack: [Vec<Duration>; ATTACKS.len()],
}

impl Times {
    fn new(condition: &'static str) -> Self {
        Self { condition, alone: Vec::new(), by_attack: [const { Vec::new() }; ATTACKS.len()] }
    }

    /// Some time without an attack, then each attack.
    async fn round(&mut self, plan: &Plan, mesh: &Mesh, honest: &Honest, memory: &mut Memory) {
        honest.take();
        memory.watch(plan.alone, honest).await;
        self.alone.append(&mut honest.take());
        for ((_, attack_with), times) in ATTACKS.iter().zip(&mut self.by_attack) {
            let attacking = tokio::spawn(attack_with(Targets::of(mesh)));
            memory.watch(plan.attack, honest).await;
            attacking.abort();
            times.append(&mut honest.take());
        }
        recovers(mesh).await;
    }

    fn report(&mut self) -> String {
        let mut text = format!("stress, {}:\n", self.condition);
        let names = std::iter::once("no attack").chain(ATTACKS.iter().map(|(name, _)| *name));
        for (name, times) in names.zip(std::iter::once(&mut self.alone).chain(&mut self.by_attack)) {
            let (requests, p50, p99) = (times.len(), percentile(times, 50), percentile(times, 99));
            let _ = writeln!(text, "    {name}: {requests} requests, p50 {p50:?}, p99 {p99:?}");
        }
        text
    }

    /// Checks that no attack made responses much slower. Only the program that users run is fast enough for that.
    fn check(&mut self) {
        if !is_full() || cfg!(debug_assertions) {
            return;
        }
        let alone = percentile(&mut self.alone, 99);
        for ((name, _), times) in ATTACKS.iter().zip(&mut self.by_attack) {
            let attacked = percentile(times, 99);
            let condition = self.condition;
            assert!(
                attacked <= alone * MAX_SLOWER,
                "{condition}, {name}: {attacked:?}, without it {alone:?}"
            );
        }
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[tokio::test]
async fn no_attack_fails_a_call_of_others_or_makes_a_process_grow() {
    let plan = Plan::new();
    // A small trace store is full soon, and then flat.
    let traces = if is_full() { "32MiB" } else { "8MiB" };
    let mesh = Mesh::builder().with("COLLECTOR_MEMORY", traces).start().await;
    let pids = mesh.pids();
    let honest = Honest::start(&mesh);
    // Caches and the trace store fill.
    tokio::time::sleep(if is_full() { Duration::from_mins(1) } else { plan.alone }).await;

    let mut memory = Memory { samples: vec![Vec::new(); pids.len()], pids: pids.clone() };
    let mut quiet = Times::new("honest users only");
    let mut busy = Times::new("beside callers that leave");
    let (left, expired) = (Arc::default(), Arc::default());
    for _ in 0..plan.rounds {
        quiet.round(&plan, &mesh, &honest, &mut memory).await;
        let mut others = [leaving(&mesh, STAY, &left), expiring(&mesh, OTHERS, 1, STAY, &expired)];
        busy.round(&plan, &mesh, &honest, &mut memory).await;
        for others in &mut others {
            others.shutdown().await;
        }
    }
    let recovery = recovers(&mesh).await;
    let report = honest.stop().await;
    let count = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
    let gone = format!("    {} callers left, {} deadlines expired\n", count(&left), count(&expired));
    print_report(&(quiet.report() + &busy.report() + &gone));
    assert_eq!(report.failures(), [].into());
    assert_eq!(mesh.pids(), pids, "no process was restarted");
    print_report(&memory.check());
    conclude("stress", &mesh, &report, recovery).await;
    quiet.check();
    busy.check();
    mesh.end().await;
}
