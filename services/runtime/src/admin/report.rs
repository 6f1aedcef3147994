//! What another process reports at its admin server: readiness, version, restarts, CPU, memory, store, queue.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

use super::histogram::Histogram;

/// Bytes of the largest response that is read.
const RESPONSE_LIMIT: usize = 1024 * 1024;

/// Bytes of the longest reason that is kept.
const REASON_LIMIT: usize = 1024;

/// Reads admin servers. Clones share their connections.
#[derive(Debug, Clone)]
pub struct AdminClient {
    client: Client<HttpConnector, Full<Bytes>>,
    pub(super) limit: Duration,
}

/// What one process reports. A figure that it does not export is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminReport {
    /// The error holds the reasons, one a line.
    pub readiness: Result<(), String>,
    /// The version of its build.
    pub version: Option<String>,
    /// Its start, in seconds since the Unix epoch.
    pub started: Option<f64>,
    /// How often `octet up` has restarted it.
    pub restarts: Option<u64>,
    /// CPU time since its start, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Its store.
    pub store: Option<StoreReport>,
    /// The queue that it consumes.
    pub queue: Option<QueueReport>,
}

/// The state of a store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreReport {
    /// Whether it answered the last check.
    pub up: bool,
    /// Durations of inserts in seconds, since the start of the process.
    pub inserts: Histogram,
}

/// The state of a queue, as its consumer sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueReport {
    /// Messages that wait.
    pub ready: u64,
    /// Age in seconds of the oldest one; 0 when none waits, `None` where the broker does not report it.
    pub oldest_seconds: Option<f64>,
    /// Messages in the dead-letter queue.
    pub dead_letters: u64,
}

/// A process whose admin server could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableAdmin {
    /// It did not respond within this time.
    #[error("no response within {0:?}")]
    Timeout(Duration),
    /// The connection failed, or the response was not one of an admin server.
    #[error("{0}")]
    Failed(String),
}

impl AdminClient {
    /// A client whose reports take at most `limit` each.
    pub fn new(limit: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector);
        Self { client, limit }
    }

    /// Reads `/readyz` and `/metrics` at `admin`, `host:port`.
    ///
    /// # Errors
    /// [`UnreadableAdmin`].
    pub async fn report(&self, admin: impl fmt::Display) -> Result<AdminReport, UnreadableAdmin> {
        let read = async {
            let (status, reasons) = self.get(format!("http://{admin}/readyz")).await?;
            let readiness = match status {
                StatusCode::OK => Ok(()),
                StatusCode::SERVICE_UNAVAILABLE => Err(reason(&reasons)),
                status => {
                    return Err(UnreadableAdmin::Failed(format!(
                        "/readyz returned HTTP {}",
                        status.as_u16()
                    )));
                }
            };
            let (status, metrics) = self.get(format!("http://{admin}/metrics")).await?;
            if status != StatusCode::OK {
                return Err(UnreadableAdmin::Failed(format!("/metrics returned HTTP {}", status.as_u16())));
            }
            Ok(AdminReport::new(readiness, &metrics))
        };
        timeout(self.limit, read).await.unwrap_or(Err(UnreadableAdmin::Timeout(self.limit)))
    }

    async fn get(&self, url: String) -> Result<(StatusCode, String), UnreadableAdmin> {
        self.send(Request::get(&url).header(header::ACCEPT, "text/plain").body(Full::default())).await
    }

    pub(super) async fn send(
        &self,
        request: http::Result<Request<Full<Bytes>>>,
    ) -> Result<(StatusCode, String), UnreadableAdmin> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            UnreadableAdmin::Failed(deepest_cause(error).to_string())
        };
        let request = request.map_err(|error| failed(&error))?;
        let uri = request.uri().clone();
        let response = self.client.request(request).await;
        let (parts, body) = response.map_err(|error| failed(&error))?.into_parts();
        let body = Limited::new(body, RESPONSE_LIMIT).collect().await;
        let body = body.map_err(|error| UnreadableAdmin::Failed(format!("{uri}: {error}")))?.to_bytes();
        Ok((parts.status, String::from_utf8_lossy(&body).into_owned()))
    }
}

impl AdminReport {
    fn new(readiness: Result<(), String>, metrics: &str) -> Self {
        let value = |name: &str| sample(metrics, name).and_then(|(_, value)| value.parse::<f64>().ok());
        // A whole number has no decimal point in this format.
        let whole = |name: &str| sample(metrics, name).and_then(|(_, value)| value.parse::<u64>().ok());
        let queue = whole("octet_queue_ready").map(|ready| QueueReport {
            ready,
            oldest_seconds: value("octet_queue_oldest_seconds"),
            dead_letters: whole("octet_queue_dead_letters").unwrap_or_default(),
        });
        let store = value("octet_store_up").map(|up| StoreReport {
            up: up > 0.0,
            inserts: histogram(metrics, "octet_store_insert_seconds_bucket"),
        });
        Self {
            readiness,
            version: sample(metrics, "octet_build_info").and_then(|(labels, _)| label(labels, "version")),
            started: value("process_start_time_seconds"),
            restarts: whole("octet_process_restarts"),
            cpu_seconds: value("process_cpu_seconds_total"),
            resident_bytes: whole("process_resident_memory_bytes"),
            store,
            queue,
        }
    }
}

/// The buckets of a histogram without other labels.
fn histogram(metrics: &str, name: &str) -> Histogram {
    let mut histogram = Histogram::default();
    for line in metrics.lines() {
        let bucket = line.strip_prefix(name).and_then(|rest| rest.strip_prefix("{le=\""));
        if let Some((bound, count)) = bucket.and_then(|rest| rest.split_once("\"} "))
            && let Ok(count) = count.trim().parse()
        {
            histogram.add(bound, count);
        }
    }
    histogram
}

/// The labels and the value of the first sample of a series in Prometheus's text format.
fn sample<'a>(metrics: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    metrics.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        if let Some(value) = rest.strip_prefix(' ') {
            return Some(("", value.trim()));
        }
        // A label's value may hold a brace, and a value holds none.
        let (labels, value) = rest.strip_prefix('{')?.rsplit_once('}')?;
        Some((labels, value.trim()))
    })
}

/// The value of a label without escaped characters.
fn label(labels: &str, name: &str) -> Option<String> {
    let start = format!("{name}=\"");
    let value = labels.split(',').find_map(|label| label.strip_prefix(start.as_str()))?;
    Some(value.trim_end_matches('"').to_owned())
}

/// The reasons of a process that is not ready, cut to a bounded length.
pub(super) fn reason(text: &str) -> String {
    let text = text.trim();
    let cut = text.char_indices().map(|(index, _)| index).find(|index| *index >= REASON_LIMIT);
    cut.and_then(|end| text.get(..end)).unwrap_or(text).to_owned()
}

/// The deepest cause is the specific one.
fn deepest_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_process_are_read_from_its_metrics() {
        let metrics = "\
# HELP octet_build_info Version of this build\n\
# TYPE octet_build_info gauge\n\
octet_build_info{service=\"a}b\",version=\"0.1.0\"} 1\n\
octet_queue_dead_letters 2\n\
octet_queue_ready 7\n\
octet_queue_ready_more 9\n\
process_cpu_seconds_total 1.25\n\
process_resident_memory_bytes 12345678\n\
process_start_time_seconds 1700000000\n\
octet_process_restarts 3\n\
octet_store_up 1\n\
octet_store_insert_seconds_bucket{le=\"0.001\"} 8\n\
octet_store_insert_seconds_bucket{le=\"+Inf\"} 9\n";
        let mut inserts = Histogram::default();
        for (bound, count) in [("0.001", 8), ("+Inf", 9)] {
            inserts.add(bound, count);
        }
        let report = AdminReport::new(Err("store: connection refused".to_owned()), metrics);
        assert_eq!(
            report,
            AdminReport {
                readiness: Err("store: connection refused".to_owned()),
                version: Some("0.1.0".to_owned()),
                started: Some(1_700_000_000.0),
                restarts: Some(3),
                cpu_seconds: Some(1.25),
                resident_bytes: Some(12_345_678),
                store: Some(StoreReport { up: true, inserts }),
                queue: Some(QueueReport { ready: 7, oldest_seconds: None, dead_letters: 2 }),
            }
        );
        let empty = AdminReport::new(Ok(()), "");
        assert_eq!((empty.version, empty.queue, empty.cpu_seconds), (None, None, None));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let cut = reason(&"é".repeat(REASON_LIMIT));
        assert!((REASON_LIMIT..REASON_LIMIT + 4).contains(&cut.len()), "{}", cut.len());
        assert_eq!(reason(" store: gone\n"), "store: gone");
    }

    #[tokio::test]
    async fn a_process_that_is_unavailable_or_does_not_respond_is_an_error() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = listener.local_addr().unwrap();
        let client = AdminClient::new(Duration::from_millis(50));
        assert_eq!(client.report(silent).await, Err(UnreadableAdmin::Timeout(Duration::from_millis(50))));

        drop(listener);
        let client = AdminClient::new(Duration::from_secs(20));
        let refused = client.report(silent).await.expect_err("refused").to_string();
        assert!(refused.contains("refused"), "{refused}");
    }
}
