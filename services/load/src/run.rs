//! Runs a load.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval_at},
};

use crate::{
    client::{Client, Exchange, Wish},
    limits::PAUSE_AFTER_FAILURE,
    pacer::{self, Pacer},
    plan::Plan,
    record::{Recorder, Times},
    report::{Report, State},
    watch::{Sample, Watch},
};

/// At the planned end, requests that are due are left to users without one for this long: the last ones are due at that
/// moment.
const LAST_DUE: Duration = Duration::from_millis(100);

/// What a running load must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Send.
    Run,
    /// Send no more, and wait for the responses: a request that is given up would count as an error of the server.
    Stop,
    /// Give up the requests in flight, too.
    Abort,
}

/// What all users share.
struct Shared {
    start: Instant,
    timeout: Duration,
    rate: Option<u32>,
    max_requests: u64,
    recorder: Mutex<Recorder>,
    watch: Option<Arc<dyn Watch>>,
    /// The number of the next request.
    next: AtomicU64,
    /// In an open loop: a permit for each request that is due and not sent.
    due: Arc<Semaphore>,
    /// Whether users go on after their current request.
    sending: watch::Sender<bool>,
}

/// Runs the load until its end, or until `order` ends it. Calls `each_second` with the results so far.
///
/// # Errors
/// When the system refuses a thread.
pub async fn run(
    plan: &Plan,
    order: watch::Receiver<Order>,
    each_second: impl FnMut(&Report),
) -> io::Result<Report> {
    send(plan, Instant::now(), order, None, each_second).await
}

/// As [`run`], with the moment that counts as the start, and a watcher of every request.
///
/// # Errors
/// As [`run`].
pub async fn run_watched(
    plan: &Plan,
    start: Instant,
    order: watch::Receiver<Order>,
    watch: Arc<dyn Watch>,
    each_second: impl FnMut(&Report),
) -> io::Result<Report> {
    send(plan, start, order, Some(watch), each_second).await
}

async fn send(
    plan: &Plan,
    start: Instant,
    mut order: watch::Receiver<Order>,
    watch: Option<Arc<dyn Watch>>,
    mut each_second: impl FnMut(&Report),
) -> io::Result<Report> {
    let started = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let recorder = Recorder::new(start).map_err(io::Error::other)?;
    let shared = Arc::new(Shared {
        start,
        timeout: plan.timeout,
        rate: plan.rate,
        max_requests: plan.requests.unwrap_or(u64::MAX),
        recorder: Mutex::new(recorder),
        watch,
        next: AtomicU64::new(0),
        due: Arc::new(Semaphore::new(0)),
        sending: watch::Sender::new(true),
    });
    let _pacer = plan
        .rate
        .map(|rate| Pacer::start(Arc::clone(&shared.due), start, rate, plan.duration, shared.max_requests))
        .transpose()?;
    let mut users: JoinSet<()> =
        Client::all(plan).into_iter().map(|client| user(Arc::clone(&shared), client)).collect();

    let report =
        |state, now: Instant, stopped: Option<Instant>| shared.report(plan, &started, state, now, stopped);
    let mut ticks = interval_at((start + Duration::from_secs(1)).into(), Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let planned_end = tokio::time::sleep_until((start + plan.duration).into());
    tokio::pin!(planned_end);
    // When it stopped sending, and whether that was planned.
    let mut stopped: Option<Instant> = None;
    let mut state = State::Done;
    let mut current = Order::Run;
    loop {
        tokio::select! {
            user = users.join_next() => {
                if user.is_none() {
                    break;
                }
            }
            _ = ticks.tick() => each_second(&report(State::Running, Instant::now(), stopped)),
            () = &mut planned_end, if stopped.is_none() => {
                let now = Instant::now();
                if shared.unsent(plan, now) > 0 && now < start + plan.duration + LAST_DUE {
                    planned_end.as_mut().reset((now + Duration::from_millis(1)).into());
                } else {
                    stopped = Some(now);
                    shared.stop();
                }
            }
            next = next_order(&mut order, current) => {
                current = next;
                if stopped.is_none() {
                    stopped = Some(Instant::now());
                    state = State::Stopped;
                    shared.stop();
                }
                if current == Order::Abort {
                    state = State::Stopped;
                    users.abort_all();
                }
            }
        }
    }
    let now = Instant::now();
    shared.recorder().close_last(now);
    Ok(report(state, now, stopped))
}

/// Waits for an order beyond `current`; never resolves when nobody can give one.
async fn next_order(order: &mut watch::Receiver<Order>, current: Order) -> Order {
    match order.wait_for(|order| *order > current).await {
        Ok(order) => *order,
        Err(_) => std::future::pending().await,
    }
}

/// Sends one request after the other.
async fn user(shared: Arc<Shared>, mut client: Client) {
    let mut sending = shared.sending.subscribe();
    while let Some((index, due)) = shared.next_request(&sending).await {
        let wish = shared.wish(index);
        let sent = Instant::now();
        let exchange = client.send(&wish).await;
        let times = Times { due: due.unwrap_or(sent), sent, ended: Instant::now() };
        let exchange = shared.watched(times, exchange);
        let must_pause = !exchange.outcome.is_response() && shared.rate.is_none();
        shared.recorder().record(times, exchange);
        if must_pause {
            tokio::select! {
                () = tokio::time::sleep(PAUSE_AFTER_FAILURE) => {}
                _ = sending.wait_for(|sending| !sending) => {}
            }
        }
    }
}

impl Shared {
    /// Waits until a request is due. Returns `None` when there are no more; its number and, in an open loop, when it was due.
    async fn next_request(&self, sending: &watch::Receiver<bool>) -> Option<(u64, Option<Instant>)> {
        let Some(rate) = self.rate else {
            if !*sending.borrow() {
                return None;
            }
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            return (index < self.max_requests).then_some((index, None));
        };
        self.due.acquire().await.ok()?.forget();
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index + 1 >= self.max_requests {
            self.due.close();
        }
        Some((index, Some(self.start + pacer::offset(index, rate))))
    }

    fn wish(&self, index: u64) -> Wish {
        let headers = self.watch.as_ref().map(|watch| watch.headers(index)).unwrap_or_default();
        let keeps_body = self.watch.as_ref().is_some_and(|watch| watch.keeps_bodies());
        Wish { deadline: tokio::time::Instant::now() + self.timeout, headers, keeps_body }
    }

    /// Lets the watcher see how a request ended.
    fn watched(&self, times: Times, mut exchange: Exchange) -> Exchange {
        if let Some(watch) = &self.watch {
            watch.ended(Sample {
                due: times.due.saturating_duration_since(self.start),
                latency: times.ended.saturating_duration_since(times.due),
                outcome: exchange.outcome,
                trace: exchange.trace.clone(),
                body: exchange.body.take(),
            });
        }
        exchange
    }

    fn stop(&self) {
        self.sending.send_replace(false);
        self.due.close();
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests that were sent.
    fn sent(&self) -> u64 {
        self.next.load(Ordering::Relaxed).min(self.max_requests)
    }

    /// In an open loop, the requests that were due by `until` and not sent.
    fn unsent(&self, plan: &Plan, until: Instant) -> u64 {
        plan.rate.map_or(0, |rate| {
            let until = until.saturating_duration_since(self.start);
            pacer::due_after(until, rate, plan.duration, self.max_requests).saturating_sub(self.sent())
        })
    }

    fn report(
        &self,
        plan: &Plan,
        started: &str,
        state: State,
        now: Instant,
        stopped: Option<Instant>,
    ) -> Report {
        let mut recorder = self.recorder();
        if state == State::Running {
            recorder.close_until(now);
        }
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        let (requests, succeeded) = (recorder.requests(), recorder.succeeded());
        let unsent = stopped.map_or(0, |stopped| self.unsent(plan, stopped));
        Report {
            state,
            target: plan.target.url().to_owned(),
            protocol: plan.protocol,
            users: plan.users,
            rate: plan.rate,
            duration_seconds: plan.duration.as_secs_f64(),
            max_requests: plan.requests,
            timeout_seconds: plan.timeout.as_secs_f64(),
            started: started.to_owned(),
            elapsed_seconds: rounded(elapsed),
            requests,
            succeeded,
            failed: requests - succeeded,
            in_flight: self.sent().saturating_sub(requests),
            late: recorder.late(),
            unsent,
            per_second: per_second(requests, elapsed),
            outcomes: recorder.outcomes(),
            latency: recorder.latency(),
            success_latency: recorder.success_latency(),
            histogram: recorder.histogram(),
            seconds: recorder.seconds(),
            slowest: recorder.slowest(),
            failures: recorder.failures(),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "far fewer requests than the digits of a double")]
fn per_second(requests: u64, elapsed: f64) -> f64 {
    if elapsed > 0.0 { rounded(requests as f64 / elapsed) } else { 0.0 }
}

/// To thousandths.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
