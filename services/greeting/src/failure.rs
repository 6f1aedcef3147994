//! Why a call failed, and its one conversion to a gRPC status.

use octet_backends::{queue::PublishError, store::StoreError};
use octet_runtime::failure_path::{combined, extended};
use octet_topology::{ServiceName, Topology};
use tonic::Status;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    /// The caller must change its request.
    #[error("{0}")]
    Invalid(&'static str),
    /// The service's store did not accept the received greeting.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not confirm the service's own greeting.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A fault between the service and its store or queue failed the call.
    #[error("{0}")]
    Injected(Status),
    /// An upstream failed; the message starts with the path to the service that failed.
    #[error("{0}")]
    Upstream(Status),
}

impl GreetError {
    /// The status for the caller. Details from a store or a broker stay in the log.
    pub(crate) fn into_status(self) -> Status {
        match self {
            Self::Invalid(message) => Status::invalid_argument(message),
            Self::Store(StoreError::Unavailable(_)) => Status::unavailable("the store is unavailable"),
            Self::Store(StoreError::OtherContent) => {
                Status::already_exists("a greeting with this id and other content is already stored")
            }
            Self::Store(StoreError::Rejected(_)) => Status::internal("the store refused the greeting"),
            Self::Publish(PublishError::Unavailable(_)) => Status::unavailable("the queue is unavailable"),
            Self::Publish(PublishError::Rejected(_)) => Status::internal("the queue refused the greeting"),
            Self::Injected(status) | Self::Upstream(status) => status,
        }
    }
}

/// The failure of a call to `upstream`, its message prefixed by the path: `service-b: …` where the upstream
/// failed itself, `service-b/service-e: …` where a service below it failed.
pub(crate) fn at_upstream(topology: &Topology, upstream: &ServiceName, status: &Status) -> Status {
    let message = status.message();
    let message = extended(upstream.as_str(), message, |name| is_service(topology, name))
        .unwrap_or_else(|| format!("{upstream}: {message}"));
    Status::new(status.code(), message)
}

/// The failure of a call whose deadline passed at several upstreams: one status that names each of them.
pub(crate) fn all_late(topology: &Topology, late: &[Status]) -> Status {
    Status::deadline_exceeded(combined(late.iter().map(Status::message), |name| is_service(topology, name)))
}

fn is_service(topology: &Topology, name: &str) -> bool {
    name.parse::<ServiceName>().is_ok_and(|name| topology.service(&name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_at_a(message: &str) -> String {
        let topology = Topology::built_in().unwrap();
        let upstream = "service-b".parse().unwrap();
        at_upstream(&topology, &upstream, &Status::unavailable(message)).message().to_owned()
    }

    #[test]
    fn a_failure_names_the_path_to_the_service_that_failed() {
        assert_eq!(message_at_a("cannot be reached"), "service-b: cannot be reached");
        assert_eq!(message_at_a("service-e: cannot be reached"), "service-b/service-e: cannot be reached");
        assert_eq!(message_at_a("service-e/service-g: x: y"), "service-b/service-e/service-g: x: y");
    }

    #[test]
    fn a_message_that_only_looks_like_a_path_is_kept() {
        assert_eq!(message_at_a("store: unavailable"), "service-b: store: unavailable");
        assert_eq!(message_at_a(""), "service-b: ");
    }

    #[test]
    fn a_backends_own_message_is_withheld_from_the_caller() {
        let error = GreetError::from(StoreError::Unavailable("/secret/path".into()));
        assert!(!error.into_status().message().contains("secret"));
    }
}
