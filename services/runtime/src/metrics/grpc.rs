//! gRPC's series, named and labelled as go-grpc-prometheus does, so that existing dashboards read them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use tonic::Code;

use super::Metrics;

/// `grpc_server_*`, or `grpc_client_*` of one upstream. Clones share the same series.
#[derive(Clone)]
pub struct GrpcMetrics {
    families: Families,
    /// The last label's value, on the client's side.
    upstream: Option<String>,
    /// By path. A process answers or makes a handful of RPCs, so that finding the series of each once is all
    /// the bookkeeping a call costs.
    rpcs: Arc<Mutex<HashMap<String, Arc<Rpc>>>>,
}

#[derive(Clone)]
struct Families {
    started: IntCounterVec,
    handled: IntCounterVec,
    seconds: HistogramVec,
}

/// The series of one RPC.
struct Rpc {
    started: IntCounter,
    seconds: Histogram,
    succeeded: IntCounter,
    handled: IntCounterVec,
    labels: Vec<String>,
}

impl GrpcMetrics {
    /// The series of calls that this process answers.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn server(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let labels = ["grpc_type", "grpc_service", "grpc_method"];
        Ok(Self::new(Families::register(metrics, "server", "answered", &labels)?, None))
    }

    /// The series of calls that this process makes; [`of`](Self::of) says to whom.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn client(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let labels = ["grpc_type", "grpc_service", "grpc_method", "upstream"];
        let families = Families::register(metrics, "client", "made", &labels)?;
        Ok(Self::new(families, Some(String::new())))
    }

    /// The same series for calls to `upstream`.
    #[must_use]
    pub fn of(&self, upstream: &str) -> Self {
        Self::new(self.families.clone(), Some(upstream.to_owned()))
    }

    fn new(families: Families, upstream: Option<String>) -> Self {
        Self { families, upstream, rpcs: Arc::default() }
    }

    /// Counts a unary call as begun. `path` is HTTP/2's `/package.Service/Method`, and one of few.
    pub fn begin(&self, path: &str) -> GrpcCall {
        self.begin_as(path, RpcKind::Unary)
    }

    /// Counts a call as begun. An RPC is of one kind: the first call of a path says of which.
    pub fn begin_as(&self, path: &str, kind: RpcKind) -> GrpcCall {
        let rpc = self.rpc(path, kind);
        rpc.started.inc();
        GrpcCall { rpc, begun: Instant::now(), code: Code::Cancelled }
    }

    fn rpc(&self, path: &str, kind: RpcKind) -> Arc<Rpc> {
        // A map is whole even where a thread panicked that held it.
        let mut rpcs = self.rpcs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rpc) = rpcs.get(path) {
            return rpc.clone();
        }
        let rpc = Arc::new(self.families.rpc(path, kind, self.upstream.as_deref()));
        rpcs.insert(path.to_owned(), rpc.clone());
        rpc
    }
}

impl Families {
    fn register(
        metrics: &Metrics,
        side: &str,
        verb: &str,
        labels: &[&str],
    ) -> Result<Self, prometheus::Error> {
        let mut with_code = labels.to_vec();
        with_code.push("grpc_code");
        Ok(Self {
            started: metrics.counter(
                &format!("grpc_{side}_started_total"),
                &format!("RPCs begun, of those {verb}"),
                labels,
            )?,
            handled: metrics.counter(
                &format!("grpc_{side}_handled_total"),
                &format!("RPCs ended, of those {verb}, by status code"),
                &with_code,
            )?,
            seconds: metrics.seconds(
                &format!("grpc_{side}_handling_seconds"),
                &format!("Seconds from begin to end, of RPCs {verb}"),
                labels,
            )?,
        })
    }

    fn rpc(&self, path: &str, kind: RpcKind, upstream: Option<&str>) -> Rpc {
        let (service, method) =
            path.trim_start_matches('/').split_once('/').unwrap_or(("unknown", "unknown"));
        let mut labels = vec![kind.label().to_owned(), service.to_owned(), method.to_owned()];
        labels.extend(upstream.map(str::to_owned));
        Rpc {
            started: self.started.with_label_values(&labels),
            seconds: self.seconds.with_label_values(&labels),
            succeeded: self.handled.with_label_values(&with_code(&labels, Code::Ok)),
            handled: self.handled.clone(),
            labels,
        }
    }
}

/// Which sides of an RPC send a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RpcKind {
    /// Neither.
    Unary,
    /// The server alone.
    ServerStream,
    /// The client alone.
    ClientStream,
    /// Both.
    BidiStream,
}

impl RpcKind {
    /// Whether the client sends a stream: what was taken from it cannot be sent again.
    pub fn client_streams(self) -> bool {
        matches!(self, Self::ClientStream | Self::BidiStream)
    }

    /// As go-grpc-prometheus has it.
    fn label(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::ClientStream => "client_stream",
            Self::BidiStream => "bidi_stream",
        }
    }
}

/// A call under way. Counted when dropped: as cancelled, unless it [ended](GrpcCall::end) before.
pub struct GrpcCall {
    rpc: Arc<Rpc>,
    begun: Instant,
    code: Code,
}

impl GrpcCall {
    /// The call has its answer.
    pub fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for GrpcCall {
    fn drop(&mut self) {
        self.rpc.seconds.observe(self.begun.elapsed().as_secs_f64());
        if self.code == Code::Ok {
            self.rpc.succeeded.inc();
        } else {
            self.rpc.handled.with_label_values(&with_code(&self.rpc.labels, self.code)).inc();
        }
    }
}

/// The labels with the code as Go's gRPC spells it, which is Rust's name of it but for two.
fn with_code(labels: &[String], code: Code) -> Vec<String> {
    let name = match code {
        Code::Ok => "OK".to_owned(),
        Code::Cancelled => "Canceled".to_owned(),
        code => format!("{code:?}"),
    };
    labels.iter().cloned().chain([name]).collect()
}
