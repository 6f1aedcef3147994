//! Remembers every request of the load, for windows that are known only when it is over.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use octet_load::{Outcome, Sample, Watch};

/// Traces that are kept of each second, of failures and of slow responses.
const TRACES: usize = 3;

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// When it was due, in milliseconds after the start.
    pub(crate) due_ms: u32,
    pub(crate) latency_us: u32,
    pub(crate) outcome: Outcome,
}

/// The traces of one second.
#[derive(Debug, Default, Clone)]
struct Traces {
    failed: Vec<String>,
    /// Slowest first.
    slow: Vec<(u32, String)>,
}

/// The watcher of a load.
pub(crate) struct Measure {
    points: Mutex<Vec<Point>>,
    traces: Mutex<BTreeMap<u32, Traces>>,
    /// Where answers are saved for the audit.
    answers: Mutex<Option<BufWriter<File>>>,
    keeps_answers: bool,
    request_ids: String,
}

impl Measure {
    /// Saves answers, with their traces, to `answers`. The ids of requests begin with `request_ids`, so that with the same seed the same
    /// requests meet the same faults.
    pub(crate) fn new(answers: Option<&Path>, request_ids: String) -> io::Result<Self> {
        let file = answers.map(File::create).transpose()?;
        Ok(Self {
            points: Mutex::default(),
            traces: Mutex::default(),
            keeps_answers: file.is_some(),
            answers: Mutex::new(file.map(BufWriter::new)),
            request_ids,
        })
    }

    /// Closes the file of answers.
    pub(crate) fn finish_answers(&self) -> io::Result<()> {
        lock(&self.answers).take().map_or(Ok(()), |mut file| file.flush())
    }

    pub(crate) fn points(&self) -> Vec<Point> {
        std::mem::take(&mut *lock(&self.points))
    }

    /// Up to three traces of a second: of failures, or of the slowest.
    pub(crate) fn traces(&self, second: u32, of_failures: bool) -> Vec<String> {
        let traces = lock(&self.traces);
        let Some(traces) = traces.get(&second) else { return Vec::new() };
        if of_failures {
            traces.failed.clone()
        } else {
            traces.slow.iter().map(|(_, trace)| trace.clone()).collect()
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch for Measure {
    fn keeps_bodies(&self) -> bool {
        self.keeps_answers
    }

    fn headers(&self, index: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(id) = HeaderValue::from_str(&format!("{}-{index}", self.request_ids)) {
            headers.insert("x-request-id", id);
        }
        headers
    }

    fn ended(&self, sample: Sample) {
        let point = Point {
            due_ms: u32::try_from(sample.due.as_millis()).unwrap_or(u32::MAX),
            latency_us: micros(sample.latency),
            outcome: sample.outcome,
        };
        lock(&self.points).push(point);
        if let Some(response) = &sample.trace {
            let trace = response.trace_id().to_owned();
            let mut traces = lock(&self.traces);
            let traces = traces.entry(point.due_ms / 1_000).or_default();
            if !sample.outcome.is_success() && traces.failed.len() < TRACES {
                traces.failed.push(trace.clone());
            }
            let at = traces.slow.partition_point(|(latency, _)| *latency >= point.latency_us);
            if at < TRACES {
                traces.slow.insert(at, (point.latency_us, trace));
                traces.slow.truncate(TRACES);
            }
        }
        if let Some(body) = sample.body
            && let Some(file) = lock(&self.answers).as_mut()
        {
            let line: Vec<u8> = body.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
            // The audit finds fewer answers than the load had, and says so.
            let _ = file.write_all(&line).and_then(|()| file.write_all(b"\n"));
            if let Some(trace) = &sample.trace {
                let _ = writeln!(file, "traceresponse: {}", trace.as_str());
            }
        }
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
