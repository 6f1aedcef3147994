//! The services that the gateway answers itself: its own health (`grpc.health.v1`), and reflection over the served
//! descriptors, so that `grpcurl` works from outside the mesh.

use std::time::Duration;

use octet_runtime::{deadline::Deadline, drain::Drain, reflection};
use prost_reflect::{DescriptorError, DescriptorPool, ServiceDescriptor};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use super::ENCODINGS;

/// How long a stream may take: clients start it again.
const MAX_STREAM: Duration = Duration::from_mins(1);

/// Whether the gateway answers `path` itself.
pub(super) fn serves(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/")
        || path.starts_with("/grpc.reflection.v1.ServerReflection/")
        || path.starts_with("/grpc.reflection.v1alpha.ServerReflection/")
}

/// Whether the response of `path` is a stream.
pub(super) fn streams(path: &str) -> bool {
    !path.starts_with("/grpc.health.v1.Health/") || path.ends_with("/Watch")
}

/// The deadline of a stream whose client set `deadline`.
pub(super) fn deadline(deadline: Deadline) -> Deadline {
    deadline.min(Deadline::after(MAX_STREAM))
}

/// Health and reflection.
pub(crate) struct Own {
    pub(crate) routes: Routes,
    reporter: HealthReporter,
    names: Vec<String>,
}

impl Own {
    /// Reports SERVING at once: the gateway's health does not depend on the services behind it.
    pub(crate) async fn new(pool: &DescriptorPool, descriptors: &[u8]) -> Result<Self, DescriptorError> {
        let (reporter, health) = tonic_health::server::health_reporter();
        let services: Vec<_> = pool.services().collect();
        let names = services.iter().map(ServiceDescriptor::full_name).map(str::to_owned);
        let names: Vec<_> = std::iter::once(String::new()).chain(names).collect();
        let [gzip, deflate] = ENCODINGS;
        let mut routes = Routes::builder();
        routes.add_service(health.accept_compressed(gzip).accept_compressed(deflate));
        reflection::add_services(&mut routes, &[descriptors, tonic_health::pb::FILE_DESCRIPTOR_SET])?;
        let routes = routes.routes().prepare();
        let own = Self { routes, reporter, names };
        own.report(ServingStatus::Serving).await;
        Ok(own)
    }

    /// Reports NOT_SERVING when the drain starts, and then ends every `Watch`, which would otherwise keep its connection
    /// open for the whole grace period.
    pub(crate) async fn follow(mut self, drain: Drain) {
        drain.started().await;
        self.report(ServingStatus::NotServing).await;
        drain.closing().await;
        for name in &self.names {
            self.reporter.clear_service_status(name).await;
        }
    }

    async fn report(&self, status: ServingStatus) {
        for name in &self.names {
            self.reporter.set_service_status(name, status).await;
        }
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
