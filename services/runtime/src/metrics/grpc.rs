//! gRPC's series, with the names and labels of go-grpc-prometheus, so that existing dashboards work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use prometheus::{IntCounter, IntCounterVec};
use tonic::Code;

use super::{Metrics, Seconds, SecondsSeries};
use crate::telemetry::{GrpcSpan, SampledIds};

/// `grpc_server_*`, or `grpc_client_*` of one upstream. Clones share their series.
#[derive(Clone)]
pub struct GrpcMetrics {
    families: Families,
    /// On the client, the value of the last label.
    upstream: Option<String>,
    /// By path. A process serves or calls few RPCs, and the series of each are looked up once.
    rpcs: Arc<Mutex<HashMap<String, Arc<Rpc>>>>,
}

#[derive(Clone)]
struct Families {
    started: IntCounterVec,
    handled: IntCounterVec,
    seconds: Seconds,
}

/// The series of one RPC.
struct Rpc {
    started: IntCounter,
    seconds: SecondsSeries,
    succeeded: IntCounter,
    handled: IntCounterVec,
    labels: Vec<String>,
}

impl GrpcMetrics {
    /// The series of calls that this process serves.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn server(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let labels = ["grpc_type", "grpc_service", "grpc_method"];
        Ok(Self::new(Families::register(metrics, "server", &labels)?, None))
    }

    /// The series of calls that this process makes; [`for_upstream`](Self::for_upstream) sets the upstream.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn client(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let labels = ["grpc_type", "grpc_service", "grpc_method", "upstream"];
        let families = Families::register(metrics, "client", &labels)?;
        Ok(Self::new(families, Some(String::new())))
    }

    /// The same series for calls to `upstream`.
    #[must_use]
    pub fn for_upstream(&self, upstream: &str) -> Self {
        Self::new(self.families.clone(), Some(upstream.to_owned()))
    }

    fn new(families: Families, upstream: Option<String>) -> Self {
        Self { families, upstream, rpcs: Arc::default() }
    }

    /// Counts a started unary call. `path` is HTTP/2's `/package.Service/Method`, one of few.
    pub fn start(&self, path: &str) -> GrpcCall {
        self.start_as(path, RpcKind::Unary)
    }

    /// Counts a started call. The first call of a path determines its kind.
    pub fn start_as(&self, path: &str, kind: RpcKind) -> GrpcCall {
        let rpc = self.rpc(path, kind);
        rpc.started.inc();
        GrpcCall { rpc, started: Instant::now(), code: Code::Cancelled, span: None }
    }

    fn rpc(&self, path: &str, kind: RpcKind) -> Arc<Rpc> {
        // The map is valid even after a thread panicked while holding the lock.
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
    fn register(metrics: &Metrics, side: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        let mut with_code = labels.to_vec();
        with_code.push("grpc_code");
        Ok(Self {
            started: metrics.counter(
                &format!("grpc_{side}_started_total"),
                &format!("RPCs started on the {side}"),
                labels,
            )?,
            handled: metrics.counter(
                &format!("grpc_{side}_handled_total"),
                &format!("RPCs completed on the {side}, by status code"),
                &with_code,
            )?,
            seconds: metrics.seconds(
                &format!("grpc_{side}_handling_seconds"),
                &format!("Duration of RPCs on the {side}, in seconds"),
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
            seconds: self.seconds.with(&labels),
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
    /// Whether the client sends a stream, which cannot be sent again.
    pub fn client_streams(self) -> bool {
        matches!(self, Self::ClientStream | Self::BidiStream)
    }

    /// The label of go-grpc-prometheus.
    fn label(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::ClientStream => "client_stream",
            Self::BidiStream => "bidi_stream",
        }
    }
}

/// A call in flight. Counted when dropped: as cancelled, unless it [ended](GrpcCall::end) before.
pub struct GrpcCall {
    rpc: Arc<Rpc>,
    started: Instant,
    code: Code,
    /// The exemplar of its duration.
    span: Option<SampledIds>,
}

impl GrpcCall {
    /// The span of the call, which its duration refers to as an exemplar.
    #[must_use]
    pub fn traced_by(mut self, span: &GrpcSpan) -> Self {
        self.span = span.span().sampled_ids();
        self
    }

    /// Ends the call with its status code.
    pub fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for GrpcCall {
    fn drop(&mut self) {
        self.rpc.seconds.observe(self.started.elapsed(), self.span);
        if self.code == Code::Ok {
            self.rpc.succeeded.inc();
        } else {
            self.rpc.handled.with_label_values(&with_code(&self.rpc.labels, self.code)).inc();
        }
    }
}

/// The labels with the code in the spelling of Go's gRPC, which differs from Rust's in two.
fn with_code(labels: &[String], code: Code) -> Vec<String> {
    let name = match code {
        Code::Ok => "OK".to_owned(),
        Code::Cancelled => "Canceled".to_owned(),
        code => format!("{code:?}"),
    };
    labels.iter().cloned().chain([name]).collect()
}
