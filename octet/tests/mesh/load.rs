//! Load that reads every body: how many were right, wrong, refused.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{Request, StatusCode};
use tokio::task::JoinSet;

use crate::{
    client::{Client, ErrorBody, Ids, NoAnswer, Reply},
    platform::{Mesh, PATIENCE},
};

/// The most requests that a load without a number of its own sends, so that it ends whatever the test does.
const MOST: usize = 200_000;

/// Workers that ask one after another, each on its own connection.
pub struct Load {
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    running: Arc<AtomicUsize>,
    workers: JoinSet<Report>,
}

/// What came back.
#[derive(Default)]
pub struct Report {
    /// Whole answers.
    pub answers: Vec<Ids>,
    /// Bodies with status 200 that were not what they should be.
    pub wrong: Vec<String>,
    /// Answers with another status.
    pub failures: Vec<(StatusCode, ErrorBody)>,
    /// Requests whose connection broke before their answer.
    pub unanswered: Vec<String>,
}

impl Load {
    /// Begins: `workers` times `requests` each.
    pub fn begin(mesh: &Mesh, workers: usize, requests: usize) -> Self {
        let (done, stop, running) = (Arc::default(), Arc::default(), Arc::new(AtomicUsize::new(workers)));
        let url = mesh.url("/api/greeting");
        let work = (0..workers).map(|_| {
            let asked = worker(url.clone(), requests, Arc::clone(&done), Arc::clone(&stop));
            let running = running.clone();
            async move {
                let report = asked.await;
                running.fetch_sub(1, Ordering::Relaxed);
                report
            }
        });
        Self { workers: work.collect(), done, stop, running }
    }

    /// Begins: `workers` until [`stop`](Self::stop).
    pub fn until_stopped(mesh: &Mesh, workers: usize) -> Self {
        Self::begin(mesh, workers, MOST / workers)
    }

    /// How many requests are done.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether every worker has ended.
    pub fn is_finished(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Waits until so many requests are done.
    pub async fn reaches(&self, requests: usize) {
        let begun = Instant::now();
        while self.done() < requests {
            assert!(begun.elapsed() < PATIENCE, "only {} of {requests} requests", self.done());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until so many more are done.
    pub async fn goes_on_for(&self, requests: usize) {
        self.reaches(self.done() + requests).await;
    }

    /// Has each worker finish its request, and waits for all.
    pub async fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.finish().await
    }

    /// Waits for all.
    pub async fn finish(self) -> Report {
        let mut whole = Report::default();
        for report in self.workers.join_all().await {
            whole.answers.extend(report.answers);
            whole.wrong.extend(report.wrong);
            whole.failures.extend(report.failures);
            whole.unanswered.extend(report.unanswered);
        }
        whole
    }
}

impl Report {
    /// Every answer was whole, and no id stands in two.
    pub fn assert_none_wrong(&self) {
        assert_eq!(self.wrong, [""; 0]);
        let mut seen = HashSet::with_capacity(self.answers.len() * 7);
        for id in self.answers.iter().flat_map(|answer| answer.0) {
            assert!(seen.insert(id), "{id} stands in two answers");
        }
    }

    /// How often each kind of failure came, for a person to read.
    pub fn failures(&self) -> BTreeMap<String, usize> {
        let answered = self
            .failures
            .iter()
            .map(|(status, body)| format!("{} code {}: {}", status.as_u16(), body.code, body.message));
        let mut counts = BTreeMap::new();
        for failure in answered.chain(self.unanswered.iter().cloned()) {
            *counts.entry(failure).or_default() += 1;
        }
        counts
    }

    /// How many requests were sent.
    pub fn requests(&self) -> usize {
        self.answers.len() + self.wrong.len() + self.failures.len() + self.unanswered.len()
    }

    /// The ids of a service's greetings in all answers.
    pub fn ids(&self, service: &str) -> Vec<String> {
        self.answers.iter().map(|answer| answer.of(service)).collect()
    }

    /// Counts one more.
    pub fn add(&mut self, reply: Result<Reply, NoAnswer>) {
        match reply {
            Ok(reply) if reply.status == StatusCode::OK => match reply.answer() {
                Ok(answer) => self.answers.push(answer.ids()),
                Err(why) => self.wrong.push(why),
            },
            Ok(reply) => self.failures.push((reply.status, reply.error())),
            Err(NoAnswer { why, .. }) => self.unanswered.push(why),
        }
    }
}

async fn worker(url: String, requests: usize, done: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> Report {
    let client = Client::new();
    let mut report = Report::default();
    for _ in 0..requests {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let request = || Request::get(&url).body(Full::default()).expect("a request");
        report.add(client.send_to_a_restarting_gateway(request).await);
        done.fetch_add(1, Ordering::Relaxed);
    }
    report
}
