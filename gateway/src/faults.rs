//! `/api/faults`: shows, sets and clears the faults of all processes, by the admin servers that `ADMIN_ADDRESSES` names.
//!
//! Only for clients that an admin server would accept: with `ADMIN_TOKEN`, or without one from the gateway's host. Others
//! learn why, and cause no request to any process.

mod mesh;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use octet_fault::Fault;
use octet_runtime::admin::{AdminAccess, FaultChange, lasting, named_fault};
use octet_topology::Topology;
use prost_reflect::DescriptorPool;
use serde::Serialize;
use tonic::Code;

use self::mesh::{FaultMesh, State as Faults};
use crate::{
    access,
    backlog::Backlog,
    edge::{self, ClientAddress},
    limits::Limits,
    processes::AdminAddresses,
    rest::collect,
};

/// Bytes of all faults: what an admin server takes.
const MAX_TEXT: usize = 64 * 1024;

/// What `/api/faults` needs.
pub(crate) struct FaultApi {
    mesh: FaultMesh,
    access: AdminAccess,
    topology: Topology,
    limits: Limits,
    bodies: Backlog,
    pool: DescriptorPool,
}

/// The body of every successful response.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// Whether this client may set and clear faults.
    available: bool,
    /// Why it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whether it would be accepted with the gateway's `ADMIN_TOKEN`.
    needs_token: bool,
    #[serde(flatten)]
    faults: Faults,
}

/// Why a request may not see or change faults.
enum Refusal {
    /// The gateway knows no process.
    NoProcesses,
    /// A token is set, and the request has another or none.
    WrongToken,
    /// No token is set, and the request is not from this host.
    NotAllowed(access::Stranger),
}

impl Refusal {
    fn reason(&self) -> String {
        match self {
            Self::NoProcesses => {
                "the gateway knows no process: ADMIN_ADDRESSES is not set; octet up sets it".to_owned()
            }
            Self::WrongToken => "the gateway has an ADMIN_TOKEN; send it as Authorization: Bearer".to_owned(),
            Self::NotAllowed(stranger) => stranger.reason("see and set faults without ADMIN_TOKEN"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = match self {
            Self::NoProcesses => (StatusCode::NOT_FOUND, Code::NotFound),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, Code::Unauthenticated),
            Self::NotAllowed(_) => (StatusCode::FORBIDDEN, Code::PermissionDenied),
        };
        edge::error(status, code, &self.reason())
    }
}

impl FaultApi {
    pub(crate) fn new(
        addresses: AdminAddresses,
        access: AdminAccess,
        topology: Topology,
        limits: Limits,
        bodies: Backlog,
    ) -> Self {
        let mesh = FaultMesh::new(addresses);
        Self { mesh, access, topology, limits, bodies, pool: DescriptorPool::new() }
    }

    pub(crate) fn router(self) -> Router {
        let methods = get(show).put(set).patch(add).delete(clear);
        Router::new().route("/api/faults", methods).with_state(Arc::new(self))
    }

    /// What the processes need to know of the client: its token, which is theirs too.
    fn permitted(&self, request: &Parts) -> Result<Option<HeaderValue>, Refusal> {
        if self.mesh.is_empty() {
            return Err(Refusal::NoProcesses);
        }
        if self.access.has_token() {
            self.access.check(request).map_err(|_| Refusal::WrongToken)?;
            return Ok(request.headers.get(header::AUTHORIZATION).cloned());
        }
        access::check(request).map_err(Refusal::NotAllowed)?;
        Ok(None)
    }

    /// The faults of the text, if all of them can act in this mesh.
    fn check(&self, text: &[u8]) -> Result<(String, Vec<Fault>), String> {
        if text.len() > MAX_TEXT {
            return Err(format!("the list of faults exceeds {MAX_TEXT} bytes"));
        }
        let text = std::str::from_utf8(text).map_err(|_| "the list of faults is not UTF-8".to_owned())?;
        let faults = octet_fault::parse(text).map_err(|problems| problems.to_string())?;
        for fault in &faults {
            self.topology.check_fault(fault).map_err(|why| format!("at={}: {why}", fault.at()))?;
        }
        Ok((text.to_owned(), faults))
    }

    /// Does this in every process, also if the client leaves: processes would otherwise have different faults.
    async fn change(
        self: Arc<Self>,
        change: FaultChange,
        token: Option<HeaderValue>,
    ) -> Result<Faults, Response> {
        let changed = tokio::spawn(async move { self.mesh.change(&change, token.as_ref()).await }).await;
        let faults = changed.map_err(|error| {
            tracing::error!(%error, "cannot change the faults");
            edge::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                Code::Internal,
                "the change failed; see the gateway's log",
            )
        })?;
        faults.map_err(|reasons| {
            let message = format!("no process took the change: {reasons}");
            edge::error(StatusCode::BAD_GATEWAY, Code::Unavailable, &message)
        })
    }
}

async fn show(State(api): State<Arc<FaultApi>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match api.permitted(&parts) {
        Ok(token) => answer(api.mesh.read(token.as_ref()).await),
        Err(refused) => respond(&Answer {
            needs_token: matches!(refused, Refusal::WrongToken),
            reason: Some(refused.reason()),
            ..Answer::default()
        }),
    }
}

/// Replaces all that was set at run time before.
async fn set(State(api): State<Arc<FaultApi>>, request: Request) -> Response {
    change(api, request, |text, query| FaultChange::Set { text, query }).await
}

/// Leaves what was set before, so that several people can set faults.
async fn add(State(api): State<Arc<FaultApi>>, request: Request) -> Response {
    change(api, request, |text, query| FaultChange::Add { text, query }).await
}

async fn change(
    api: Arc<FaultApi>,
    request: Request,
    change: impl FnOnce(String, String) -> FaultChange,
) -> Response {
    let (parts, body) = request.into_parts();
    let token = match api.permitted(&parts) {
        Ok(token) => token,
        Err(refused) => return refused.into_response(),
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let lasting = match lasting(&query) {
        Ok(lasting) => lasting,
        Err(problem) => return invalid(problem.trim_end()),
    };
    let body = match collect(body, &api.limits, None, &api.bodies).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(&api.pool),
    };
    let (text, faults) = match api.check(&body) {
        Ok(checked) => checked,
        Err(problem) => return invalid(&problem),
    };
    note(&parts, &faults, lasting);
    match api.change(change(text, query), token).await {
        Ok(faults) => answer(faults),
        Err(failed) => failed,
    }
}

async fn clear(State(api): State<Arc<FaultApi>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let token = match api.permitted(&parts) {
        Ok(token) => token,
        Err(refused) => return refused.into_response(),
    };
    let change = match named_fault(parts.uri.query().unwrap_or_default()) {
        Ok(Some(fault)) => {
            tracing::warn!(
                fault = fault.log_text(),
                client = client(&parts),
                "fault of all processes cleared"
            );
            FaultChange::ClearOne(fault)
        }
        Ok(None) => {
            tracing::warn!(client = client(&parts), "faults of all processes cleared");
            FaultChange::Clear
        }
        Err(problem) => return invalid(&problem),
    };
    match api.change(change, token).await {
        Ok(faults) => answer(faults),
        Err(failed) => failed,
    }
}

/// Processes log only the gateway's address.
fn note(parts: &Parts, faults: &[Fault], lasting: Duration) {
    let faults: Vec<_> = faults.iter().map(Fault::log_text).collect();
    tracing::warn!(
        faults = faults.join("; "),
        ?lasting,
        client = client(parts),
        "faults of all processes set"
    );
}

fn client(parts: &Parts) -> String {
    parts
        .extensions
        .get::<ClientAddress>()
        .map(|ClientAddress(client)| client.to_string())
        .unwrap_or_default()
}

fn invalid(problem: &str) -> Response {
    edge::error(StatusCode::BAD_REQUEST, Code::InvalidArgument, problem)
}

fn answer(faults: Faults) -> Response {
    respond(&Answer { available: true, faults, ..Answer::default() })
}

fn respond(answer: &Answer) -> Response {
    let body = serde_json::to_vec(answer).unwrap_or_default();
    ([(header::CACHE_CONTROL, "no-store")], edge::json(body)).into_response()
}
