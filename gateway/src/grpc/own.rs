//! The services that the gateway answers itself: its own health (`grpc.health.v1`), and reflection over the served
//! descriptors, so that `grpcurl` works from outside the mesh.

use std::time::Duration;

use octet_health::{ServingStatus, Statuses};
use octet_runtime::{deadline::Deadline, drain::Drain, reflection};
use prost_reflect::{DescriptorError, DescriptorPool, ServiceDescriptor};
use tonic::service::Routes;

/// How long a stream may take: clients start it again.
const MAX_STREAM: Duration = Duration::from_mins(1);

/// Whether the gateway answers `path` itself.
pub(super) fn serves(path: &str) -> bool {
    path.starts_with(octet_health::PATH)
        || path.starts_with("/grpc.reflection.v1.ServerReflection/")
        || path.starts_with("/grpc.reflection.v1alpha.ServerReflection/")
}

/// Whether the response of `path` is a stream.
pub(super) fn streams(path: &str) -> bool {
    !path.starts_with(octet_health::PATH) || path == octet_health::WATCH
}

/// The deadline of a stream whose client set `deadline`.
pub(super) fn deadline(deadline: Deadline) -> Deadline {
    deadline.min(Deadline::after(MAX_STREAM))
}

/// Health and reflection.
pub(crate) struct Own {
    pub(crate) routes: Routes,
    statuses: Statuses,
    names: Vec<String>,
}

impl Own {
    /// Reports SERVING at once: the gateway's health does not depend on the services behind it.
    pub(crate) fn new(pool: &DescriptorPool, descriptors: &[u8]) -> Result<Self, DescriptorError> {
        let services: Vec<_> = pool.services().collect();
        let names = services.iter().map(ServiceDescriptor::full_name).map(str::to_owned);
        let names: Vec<_> = std::iter::once(String::new()).chain(names).collect();
        let statuses = Statuses::new(names.iter().map(String::as_str), ServingStatus::Serving);
        let mut routes = Routes::builder();
        routes.add_service(statuses.service());
        reflection::add_services(&mut routes, &[descriptors, octet_proto::HEALTH_DESCRIPTOR_SET])?;
        Ok(Self { routes: routes.routes().prepare(), statuses, names })
    }

    /// Reports NOT_SERVING when the drain starts, and ends every `Watch` when the listeners close.
    pub(crate) async fn follow(self, drain: Drain) {
        drain.started().await;
        self.statuses.set(self.names.iter().map(String::as_str), ServingStatus::NotServing);
        drain.closing().await;
        self.statuses.end_watches();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_after_a_minute_or_at_its_own_deadline() {
        let hour = deadline(Deadline::after(Duration::from_hours(1))).remaining();
        assert!(hour <= MAX_STREAM && hour > MAX_STREAM / 2, "{hour:?}");
        assert!(deadline(Deadline::after(Duration::from_secs(1))).remaining() <= Duration::from_secs(1));
    }
}
