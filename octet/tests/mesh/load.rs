//! A load generator that checks every body.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use http_body_util::Full;
use hyper::{Request, StatusCode};
use octet_testbed::eventually;
use tokio::task::JoinSet;

use crate::{
    client::{Client, ErrorBody, Ids, Reply, RequestError},
    platform::Mesh,
};

/// Limit of the requests of a load without a number, so that it always ends.
const MAX_REQUESTS: usize = 200_000;

/// Workers that send one request after the other, each on its own connection.
pub struct Load {
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    running: Arc<AtomicUsize>,
    workers: JoinSet<Report>,
}

/// The responses.
#[derive(Default)]
pub struct Report {
    /// Valid answers.
    pub answers: Vec<Ids>,
    /// Why bodies with status 200 were invalid.
    pub invalid: Vec<String>,
    /// Responses with another status.
    pub failures: Vec<(StatusCode, ErrorBody)>,
    /// Errors of requests without a response.
    pub unanswered: Vec<String>,
}

impl Load {
    /// Starts `workers` that send `requests` each.
    pub fn start(mesh: &Mesh, workers: usize, requests: usize) -> Self {
        let (done, stop, running) = (Arc::default(), Arc::default(), Arc::new(AtomicUsize::new(workers)));
        let url = mesh.url("/api/greeting");
        let work = (0..workers).map(|_| {
            let sending = worker(url.clone(), requests, Arc::clone(&done), Arc::clone(&stop));
            let running = running.clone();
            async move {
                let report = sending.await;
                running.fetch_sub(1, Ordering::Relaxed);
                report
            }
        });
        Self { workers: work.collect(), done, stop, running }
    }

    /// Starts `workers` that send requests until [`stop`](Self::stop).
    pub fn until_stopped(mesh: &Mesh, workers: usize) -> Self {
        Self::start(mesh, workers, MAX_REQUESTS / workers)
    }

    /// How many requests have ended.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether every worker has ended.
    pub fn is_finished(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Waits until this many requests have ended.
    pub async fn reaches(&self, requests: usize) {
        eventually(&format!("{requests} requests have ended"), async || match self.done() {
            done if done >= requests => Ok(()),
            done => Err(done),
        })
        .await;
    }

    /// Waits until this many more have ended.
    pub async fn continues_for(&self, requests: usize) {
        self.reaches(self.done() + requests).await;
    }

    /// Lets each worker finish its request, and waits for all.
    pub async fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.finish().await
    }

    /// Waits for all workers.
    pub async fn finish(self) -> Report {
        let mut total = Report::default();
        for report in self.workers.join_all().await {
            total.answers.extend(report.answers);
            total.invalid.extend(report.invalid);
            total.failures.extend(report.failures);
            total.unanswered.extend(report.unanswered);
        }
        total
    }
}

impl Report {
    /// Checks that every answer was valid and that no id is in two of them.
    pub fn assert_all_valid(&self) {
        assert_eq!(self.invalid, [""; 0]);
        let mut seen = HashSet::with_capacity(self.answers.len() * 7);
        for id in self.answers.iter().flat_map(|answer| answer.0) {
            assert!(seen.insert(id), "{id} is in two answers");
        }
    }

    /// The number of failures of each kind.
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

    /// The number of requests.
    pub fn requests(&self) -> usize {
        self.answers.len() + self.invalid.len() + self.failures.len() + self.unanswered.len()
    }

    /// The ids of a service's greetings in all answers.
    pub fn ids(&self, service: &str) -> Vec<String> {
        self.answers.iter().map(|answer| answer.of(service)).collect()
    }

    /// Adds a response.
    pub fn add(&mut self, reply: Result<Reply, RequestError>) {
        match reply {
            Ok(reply) if reply.status == StatusCode::OK => match reply.answer() {
                Ok(answer) => self.answers.push(answer.ids()),
                Err(why) => self.invalid.push(why),
            },
            Ok(reply) => self.failures.push((reply.status, reply.error())),
            Err(RequestError { why, .. }) => self.unanswered.push(why),
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
        report.add(client.send_with_reconnect(request).await);
        done.fetch_add(1, Ordering::Relaxed);
    }
    report
}
