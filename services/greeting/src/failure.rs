//! Why a call failed, and the one place that says it as a gRPC status.

use octet_backends::{queue::PublishError, store::StoreError};
use octet_topology::{ServiceName, Topology};
use tonic::{Code, Status};

/// Why a call was not answered with greetings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    /// The caller must change its request.
    #[error("{0}")]
    Invalid(&'static str),
    /// The service's own store did not take the greeting it was handed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service's own greeting was not confirmed by the queue.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// An upstream failed; the message begins with the path to the one that did.
    #[error("{0}")]
    Upstream(Status),
}

impl GreetError {
    /// What the caller is told. What a store or a broker said stays in the log.
    pub(crate) fn into_status(self) -> Status {
        match self {
            Self::Invalid(message) => Status::invalid_argument(message),
            Self::Store(StoreError::Unavailable(_)) => Status::unavailable("the store is unavailable"),
            Self::Store(StoreError::Rejected(_)) => Status::internal("the store refused the greeting"),
            Self::Publish(PublishError::Unavailable(_)) => Status::unavailable("the queue is unavailable"),
            Self::Publish(PublishError::Rejected(_)) => Status::internal("the queue refused the greeting"),
            Self::Upstream(status) => status,
        }
    }
}

/// The failure of a call to `upstream`, its message prefixed by the path: `service-b: …` where the upstream
/// failed itself, `service-b/service-e: …` where it told of one further on.
pub(crate) fn at_upstream(topology: &Topology, upstream: &ServiceName, status: &Status) -> GreetError {
    let message = status.message();
    let is_path = |text: &str| {
        text.split('/')
            .all(|name| name.parse::<ServiceName>().is_ok_and(|name| topology.service(&name).is_some()))
    };
    let separator = match message.split_once(": ") {
        Some((path, _)) if is_path(path) => "/",
        _ => ": ",
    };
    GreetError::Upstream(Status::new(status.code(), format!("{upstream}{separator}{message}")))
}

/// A code as gRPC's specification spells it.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> String {
        let topology = Topology::built_in().unwrap();
        let upstream = "service-b".parse().unwrap();
        at_upstream(&topology, &upstream, &Status::unavailable(message)).into_status().message().to_owned()
    }

    #[test]
    fn a_failure_is_told_with_the_path_to_it() {
        assert_eq!(told("cannot be reached"), "service-b: cannot be reached");
        assert_eq!(told("service-e: cannot be reached"), "service-b/service-e: cannot be reached");
        assert_eq!(told("service-e/service-g: x: y"), "service-b/service-e/service-g: x: y");
    }

    #[test]
    fn a_message_that_only_looks_like_a_path_stays_a_message() {
        assert_eq!(told("store: away"), "service-b: store: away");
        assert_eq!(told(""), "service-b: ");
    }

    #[test]
    fn what_a_backend_said_stays_in_the_log() {
        let error = GreetError::from(StoreError::Unavailable("/secret/path".into()));
        assert!(!error.into_status().message().contains("secret"));
    }
}
