//! Runs that the page starts: `/api/load` and `/api/scenarios`.
//!
//! A browser has about six connections to a host; a page that sends load over them cannot refresh. Under `octet up` the
//! gateway runs `octet` as its child process instead, one run at a time, and all users of the page see it.

mod child;
mod load;
mod scenario;

use std::{
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use octet_runtime::drain::Drain;
use prost_reflect::DescriptorPool;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, Semaphore};
use tonic::Code;

pub(crate) use self::{load::Load, scenario::Scenarios};
use crate::{access, backlog::Backlog, edge, limits, rest::collect};

/// Bytes of a plan.
const MAX_PLAN: usize = 4096;

/// A kind of run.
pub(crate) trait Kind: Send + Sync + 'static {
    /// What a client asks for.
    type Plan: Clone + Debug + Serialize + Send + Sync;
    /// What a response has beside the run.
    type Details: Clone + Default + Serialize + Send + Sync;

    const PATH: &'static str;
    /// The name of a run.
    const NAME: &'static str;
    /// The name of several.
    const NAMES: &'static str;
    /// The subcommand.
    const PROGRAM: &'static str;

    /// What a client that may start runs gets, or why it cannot start any.
    fn details(&self, target: &Target) -> impl Future<Output = Result<Self::Details, String>> + Send;

    /// Reads and checks a plan; the error is for the client.
    fn read(&self, body: &[u8], target: &Target) -> impl Future<Output = Result<Self::Plan, String>> + Send;

    /// The arguments of `octet`.
    fn arguments(&self, plan: &Self::Plan, target: &Target) -> Vec<String>;

    /// When the run must have ended.
    fn patience(&self, plan: &Self::Plan) -> Duration;
}

/// The program that runs, and the gateway that it runs against.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    program: PathBuf,
    address: SocketAddr,
    /// The data directory of the `octet up`, if its stores and queues are there.
    data: Option<PathBuf>,
}

/// Why a gateway has no runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NoRuns {
    Off,
    Https,
}

/// What all kinds of runs of this gateway share.
#[derive(Clone)]
pub(crate) struct Stage {
    target: Result<Target, NoRuns>,
    drain: Drain,
    limits: limits::Limits,
    bodies: Backlog,
    /// One run of any kind at a time: one would measure the other.
    turn: Arc<Semaphore>,
}

impl Stage {
    pub(crate) fn new(
        target: Result<Target, NoRuns>,
        drain: Drain,
        limits: limits::Limits,
        bodies: Backlog,
    ) -> Self {
        Self { target, drain, limits, bodies, turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Target {
    /// `program` is `octet`, or `None` if this gateway starts nothing. `address` is the gateway's own.
    pub(crate) fn new(
        program: Option<PathBuf>,
        scheme: &str,
        address: Option<SocketAddr>,
        data: Option<PathBuf>,
    ) -> Result<Self, NoRuns> {
        match (program, address) {
            (Some(_), _) if scheme != "http" => Err(NoRuns::Https),
            (Some(program), Some(address)) => Ok(Self { program, address, data }),
            _ => Err(NoRuns::Off),
        }
    }

    /// The gateway's URL for a process on this host, with a path.
    fn url(&self, path: &str) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let loopback: IpAddr = match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            };
            address.set_ip(loopback);
        }
        format!("http://{address}{path}")
    }
}

/// The runs of one kind.
pub(crate) struct Runs<K: Kind>(Arc<Shared<K>>);

impl<K: Kind> Clone for Runs<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shared<K: Kind> {
    kind: K,
    stage: Stage,
    pool: DescriptorPool,
    current: Mutex<Option<Run<K::Plan>>>,
}

/// The last run.
#[derive(Clone)]
struct Run<P> {
    id: String,
    plan: P,
    state: RunState,
    /// Why it failed.
    failure: Option<String>,
    /// What the program reported last.
    report: Option<Arc<RawValue>>,
    stop: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum RunState {
    Running,
    /// It sends no more, and waits for responses.
    Stopping,
    Done,
    Stopped,
    Failed,
}

/// Why a request may not start or stop runs.
enum Refusal {
    NoRuns(String),
    NotAllowed(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NoRuns(reason) => edge::error(StatusCode::NOT_FOUND, Code::NotFound, &reason),
            Self::NotAllowed(reason) => edge::error(StatusCode::FORBIDDEN, Code::PermissionDenied, &reason),
        }
    }
}

impl RunState {
    fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Stopping)
    }
}

/// The body of every successful response.
#[derive(Serialize)]
struct Answer<'a, K: Kind> {
    /// Whether this client may start runs.
    available: bool,
    /// Why it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(flatten)]
    details: K::Details,
    /// The last run, or `null`.
    run: Option<Shown<'a, K::Plan>>,
}

#[derive(Serialize)]
struct Shown<'a, P> {
    id: &'a str,
    plan: &'a P,
    state: RunState,
    failure: Option<&'a str>,
    report: Option<&'a RawValue>,
}

impl<K: Kind> Runs<K> {
    pub(crate) fn new(kind: K, stage: Stage) -> Self {
        Self(Arc::new(Shared { kind, stage, pool: DescriptorPool::new(), current: Mutex::new(None) }))
    }

    pub(crate) fn router(self) -> Router {
        let methods = get(show::<K>).post(start::<K>).delete(stop::<K>);
        Router::new().route(K::PATH, methods).with_state(self)
    }

    fn current(&self) -> MutexGuard<'_, Option<Run<K::Plan>>> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target, if the request may start and stop runs.
    fn permitted(&self, request: &Parts) -> Result<&Target, Refusal> {
        let target = self.0.stage.target.as_ref().map_err(|why| {
            Refusal::NoRuns(match why {
                NoRuns::Off => format!("{} are off; octet up switches them on", K::NAMES),
                NoRuns::Https => format!("{} does not speak HTTPS", K::PROGRAM),
            })
        })?;
        let checked = access::check(request);
        checked.map_err(|stranger| Refusal::NotAllowed(stranger.reason(&format!("start {}s", K::NAME))))?;
        Ok(target)
    }

    async fn answer(&self, status: StatusCode, permitted: Result<&Target, Refusal>) -> Response {
        let details = match permitted {
            Ok(target) => self.0.kind.details(target).await,
            Err(Refusal::NoRuns(reason) | Refusal::NotAllowed(reason)) => Err(reason),
        };
        let run = self.current().clone();
        let shown = run.as_ref().map(|run| Shown {
            id: &run.id,
            plan: &run.plan,
            state: run.state,
            failure: run.failure.as_deref(),
            report: run.report.as_deref(),
        });
        let answer = Answer::<K> {
            available: details.is_ok(),
            reason: details.as_ref().err().map(String::as_str),
            run: shown,
            details: details.as_ref().ok().cloned().unwrap_or_default(),
        };
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        (status, [(header::CACHE_CONTROL, "no-store")], edge::json(body)).into_response()
    }

    /// Changes the run `id`, if it is still the last one.
    fn update(&self, id: &str, change: impl FnOnce(&mut Run<K::Plan>)) {
        if let Some(run) = self.current().as_mut().filter(|run| run.id == id) {
            change(run);
        }
    }

    /// Starts the program. Returns the response of a refusal.
    fn launch(&self, target: &Target, plan: K::Plan) -> Option<Response> {
        // Checked and set under one lock: one run at a time.
        let mut current = self.current();
        let conflict = |message: &str| edge::error(StatusCode::CONFLICT, Code::AlreadyExists, message);
        if current.as_ref().is_some_and(|run| run.state.is_active()) {
            return Some(conflict(&format!("a {} is running; stop it, or wait for its end", K::NAME)));
        }
        let Ok(turn) = Arc::clone(&self.0.stage.turn).try_acquire_owned() else {
            return Some(conflict("a load or a scenario is running; stop it, or wait for its end"));
        };
        if self.0.stage.drain.has_started() {
            return Some(edge::overloaded("the gateway is shutting down"));
        }
        let arguments = self.0.kind.arguments(&plan, target);
        let child = match child::start(&target.program, &arguments) {
            Ok(child) => child,
            Err(error) => {
                tracing::error!(%error, "cannot start {}", K::PROGRAM);
                let message = format!("{} cannot be started; see the gateway's log", K::PROGRAM);
                return Some(edge::error(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, &message));
            }
        };
        let (id, stop) = (uuid::Uuid::new_v4().to_string(), Arc::new(Notify::new()));
        tracing::info!(%id, ?plan, "{} started", K::NAME);
        let patience = self.0.kind.patience(&plan);
        *current = Some(Run {
            id: id.clone(),
            plan,
            state: RunState::Running,
            failure: None,
            report: None,
            stop: Arc::clone(&stop),
        });
        drop(current);
        tokio::spawn(child::follow(child, self.clone(), id, (stop, turn), patience));
        None
    }
}

async fn show<K: Kind>(State(runs): State<Runs<K>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    runs.answer(StatusCode::OK, runs.permitted(&request)).await
}

async fn start<K: Kind>(State(runs): State<Runs<K>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = match runs.permitted(&parts) {
        Ok(target) => target,
        Err(refused) => return refused.into_response(),
    };
    if !access::is_json(&parts) {
        let message = "content type must be application/json";
        return edge::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message);
    }
    let stage = &runs.0.stage;
    let body = match collect(body, &stage.limits, None, &stage.bodies).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(&runs.0.pool),
    };
    let plan = match body.get(..MAX_PLAN + 1) {
        Some(_) => Err(format!("a plan has at most {MAX_PLAN} bytes")),
        None => runs.0.kind.read(&body, target).await,
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(problem) => return edge::error(StatusCode::BAD_REQUEST, Code::InvalidArgument, &problem),
    };
    match runs.launch(target, plan) {
        None => runs.answer(StatusCode::CREATED, Ok(target)).await,
        Some(refusal) => refusal,
    }
}

async fn stop<K: Kind>(State(runs): State<Runs<K>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let target = match runs.permitted(&parts) {
        Ok(target) => target,
        Err(refused) => return refused.into_response(),
    };
    {
        let mut current = runs.current();
        let Some(run) = current.as_mut().filter(|run| run.state.is_active()) else {
            let message = format!("no {} is running", K::NAME);
            return edge::error(StatusCode::NOT_FOUND, Code::NotFound, &message);
        };
        run.state = RunState::Stopping;
        run.stop.notify_one();
    }
    runs.answer(StatusCode::OK, Ok(target)).await
}
