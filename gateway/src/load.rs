//! `/api/load`: the page's load runs.
//!
//! A browser has about six connections to a host; a page that sends load over them cannot refresh. Under `octet up` the
//! gateway runs `octet load` as its child process instead, one run at a time, and all users of the page see it.

mod child;
mod plan;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
use tokio::sync::Notify;
use tonic::Code;

use self::plan::{Limits, Plan};
use crate::{access, backlog::Backlog, edge, limits, rest::collect};

/// Bytes of a plan.
const MAX_PLAN: usize = 4096;

/// The load runs of this gateway.
#[derive(Clone)]
pub(crate) struct Loads(Arc<Shared>);

struct Shared {
    /// The program to run, and where the gateway serves; or why there are no runs.
    target: Result<Target, &'static str>,
    drain: Drain,
    limits: limits::Limits,
    bodies: Backlog,
    pool: DescriptorPool,
    current: Mutex<Option<Run>>,
}

struct Target {
    program: PathBuf,
    address: SocketAddr,
}

/// The last run.
#[derive(Clone)]
struct Run {
    id: String,
    plan: Plan,
    state: RunState,
    /// Why it failed.
    failure: Option<String>,
    /// The last report of `octet load`.
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
    NoRuns(&'static str),
    NotAllowed(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NoRuns(reason) => edge::error(StatusCode::NOT_FOUND, Code::NotFound, reason),
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
struct Answer<'a> {
    /// Whether this client may start runs.
    available: bool,
    /// Why it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    limits: Limits,
    /// The last run, or `null`.
    run: Option<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    plan: &'a Plan,
    state: RunState,
    failure: Option<&'a str>,
    report: Option<&'a RawValue>,
}

impl Loads {
    /// `program` is `octet`, or `None` if this gateway starts no load. `address` is the gateway's own.
    pub(crate) fn new(
        program: Option<PathBuf>,
        scheme: &str,
        address: Option<SocketAddr>,
        drain: Drain,
        limits: limits::Limits,
        bodies: Backlog,
    ) -> Self {
        let target = match (program, address) {
            (Some(_), _) if scheme != "http" => Err("octet load does not speak HTTPS"),
            (Some(program), Some(address)) => Ok(Target { program, address }),
            _ => Err("load runs are off; octet up switches them on"),
        };
        let pool = DescriptorPool::new();
        Self(Arc::new(Shared { target, drain, limits, bodies, pool, current: Mutex::new(None) }))
    }

    pub(crate) fn router(self) -> Router {
        let methods = get(show).post(start).delete(stop);
        Router::new().route("/api/load", methods).with_state(self)
    }

    fn current(&self) -> MutexGuard<'_, Option<Run>> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target, if the request may start and stop runs.
    fn permitted(&self, request: &Parts) -> Result<&Target, Refusal> {
        let target = self.0.target.as_ref().map_err(|reason| Refusal::NoRuns(reason))?;
        check(request).map_err(Refusal::NotAllowed)?;
        Ok(target)
    }

    fn answer(&self, status: StatusCode, unavailable: Option<&str>) -> Response {
        let run = self.current().clone();
        let shown = run.as_ref().map(|run| Shown {
            id: &run.id,
            plan: &run.plan,
            state: run.state,
            failure: run.failure.as_deref(),
            report: run.report.as_deref(),
        });
        let answer = Answer {
            available: unavailable.is_none(),
            reason: unavailable,
            limits: Limits::default(),
            run: shown,
        };
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        (status, [(header::CACHE_CONTROL, "no-store")], edge::json(body)).into_response()
    }

    /// Changes the run `id`, if it is still the last one.
    fn update(&self, id: &str, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.current().as_mut().filter(|run| run.id == id) {
            change(run);
        }
    }
}

/// Whether the request may start and stop loads.
fn check(request: &Parts) -> Result<(), String> {
    access::check(request).map_err(|stranger| stranger.reason("start loads"))
}

async fn show(State(loads): State<Loads>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let off = loads.0.target.as_ref().err().map(|reason| (*reason).to_owned());
    let refused = off.or_else(|| check(&request).err());
    loads.answer(StatusCode::OK, refused.as_deref())
}

async fn start(State(loads): State<Loads>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = match loads.permitted(&parts) {
        Ok(target) => target,
        Err(refused) => return refused.into_response(),
    };
    if !access::is_json(&parts) {
        let message = "content type must be application/json";
        return edge::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message);
    }
    let body = match collect(body, &loads.0.limits, None, &loads.0.bodies).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(&loads.0.pool),
    };
    let plan = match body.get(..MAX_PLAN + 1) {
        Some(_) => Err(format!("a plan has at most {MAX_PLAN} bytes")),
        None => Plan::read(&body),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(problem) => return edge::error(StatusCode::BAD_REQUEST, Code::InvalidArgument, &problem),
    };

    // Checked and set under one lock: one run at a time.
    let mut current = loads.current();
    if current.as_ref().is_some_and(|run| run.state.is_active()) {
        let message = "a load is running; stop it, or wait for its end";
        return edge::error(StatusCode::CONFLICT, Code::AlreadyExists, message);
    }
    if loads.0.drain.has_started() {
        return edge::overloaded("the gateway is shutting down");
    }
    let child = match child::start(&target.program, target.address, &plan) {
        Ok(child) => child,
        Err(error) => {
            tracing::error!(%error, "cannot start octet load");
            let message = "octet load cannot be started; see the gateway's log";
            return edge::error(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message);
        }
    };
    let (id, stop) = (uuid::Uuid::new_v4().to_string(), Arc::new(Notify::new()));
    tracing::info!(%id, ?plan, "load started");
    let patience = plan.patience();
    *current = Some(Run {
        id: id.clone(),
        plan,
        state: RunState::Running,
        failure: None,
        report: None,
        stop: Arc::clone(&stop),
    });
    drop(current);
    tokio::spawn(child::follow(child, loads.clone(), id, stop, patience));
    loads.answer(StatusCode::CREATED, None)
}

async fn stop(State(loads): State<Loads>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(refused) = loads.permitted(&parts) {
        return refused.into_response();
    }
    {
        let mut current = loads.current();
        let Some(run) = current.as_mut().filter(|run| run.state.is_active()) else {
            return edge::error(StatusCode::NOT_FOUND, Code::NotFound, "no load is running");
        };
        run.state = RunState::Stopping;
        run.stop.notify_one();
    }
    loads.answer(StatusCode::OK, None)
}
