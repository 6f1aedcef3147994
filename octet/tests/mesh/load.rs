//! Load that reads every body: how many were right, wrong, refused.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{Request, StatusCode};
use tokio::task::JoinSet;

use crate::{
    client::{Answer, Client, ErrorBody},
    platform::{Mesh, PATIENCE},
};

/// Workers that ask one after another, each on its own connection.
pub struct Load {
    done: Arc<AtomicUsize>,
    workers: JoinSet<Report>,
}

/// What came back.
#[derive(Default)]
pub struct Report {
    /// Whole answers.
    pub answers: Vec<Answer>,
    /// Bodies with status 200 that were not what they should be.
    pub wrong: Vec<String>,
    /// Everything else.
    pub failures: Vec<(StatusCode, ErrorBody)>,
}

impl Load {
    /// Begins: `workers` times `requests` each.
    pub fn begin(mesh: &Mesh, workers: usize, requests: usize) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let url = mesh.url("/api/greeting");
        let work = (0..workers).map(|_| worker(url.clone(), requests, done.clone()));
        Self { workers: work.collect(), done }
    }

    /// Waits until so many requests are done.
    pub async fn reaches(&self, requests: usize) {
        let begun = Instant::now();
        while self.done.load(Ordering::Relaxed) < requests {
            assert!(begun.elapsed() < PATIENCE, "only {:?} of {requests} requests", self.done);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits for all.
    pub async fn finish(self) -> Report {
        let mut whole = Report::default();
        for report in self.workers.join_all().await {
            whole.answers.extend(report.answers);
            whole.wrong.extend(report.wrong);
            whole.failures.extend(report.failures);
        }
        whole
    }
}

impl Report {
    /// Every answer was whole, and no id stands in two.
    pub fn assert_none_wrong(&self) {
        assert_eq!(self.wrong, [""; 0]);
        let mut seen = HashSet::new();
        for greeting in self.answers.iter().flat_map(|answer| &answer.greeting) {
            assert!(seen.insert(&greeting.id), "{} stands in two answers", greeting.id);
        }
    }

    /// How often each kind of failure came, for a person to read.
    pub fn failures(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (status, body) in &self.failures {
            *counts.entry(format!("{status} {} {}", body.code, body.message)).or_default() += 1;
        }
        counts
    }

    /// The ids of a service's greetings in all answers.
    pub fn ids(&self, service: &str) -> Vec<String> {
        self.answers.iter().map(|answer| answer.id(service)).collect()
    }
}

async fn worker(url: String, requests: usize, done: Arc<AtomicUsize>) -> Report {
    let client = Client::new();
    let mut report = Report::default();
    for _ in 0..requests {
        let request = Request::get(&url).body(Full::default()).expect("a request");
        let reply = client.send(request).await.expect("the gateway answers");
        if reply.status == StatusCode::OK {
            match reply.answer() {
                Ok(answer) => report.answers.push(answer),
                Err(why) => report.wrong.push(why),
            }
        } else {
            report.failures.push((reply.status, reply.error()));
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    report
}
