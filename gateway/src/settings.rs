//! Everything the gateway is told by its environment, parsed before it binds a port.

use octet_runtime::{
    admission::Admission,
    drain::DrainSettings,
    environment::Environment,
    listen::ListenAddress,
    logs::LogSettings,
    propagation::Propagation,
    upstream::{UpstreamAddress, UpstreamSettings},
};
use octet_topology::Topology;

/// Requests that go to the mesh at once, unless `MAX_CONCURRENT` says otherwise: about what two cores answer in
/// a fifth of a second.
const MAX_CONCURRENT: usize = 512;

const PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9000;

/// The settings of the gateway.
#[derive(Debug)]
pub struct GatewaySettings {
    /// `PORT`.
    pub listen: ListenAddress,
    /// `ADMIN_PORT`.
    pub admin: ListenAddress,
    /// How to log.
    pub logs: LogSettings,
    /// How long the steps of the end may take.
    pub drain: DrainSettings,
    pub(crate) topology: Topology,
    pub(crate) propagation: Propagation,
    pub(crate) admission: Admission,
    pub(crate) upstream: UpstreamSettings,
    pub(crate) entry: UpstreamAddress,
}

impl GatewaySettings {
    /// Reads all of the gateway's variables; the address of the topology's entry is `SERVICE_A_URL`, if the
    /// entry is `service-a`.
    ///
    /// Answers `None` after a fault that leaves nothing to call.
    pub fn from_environment(environment: &mut Environment<'_>, topology: Topology) -> Option<Self> {
        let name = &topology.entry().name;
        let entry = UpstreamAddress::from_environment(environment, name.as_str(), &name.env_prefix());
        // Read even after a fault, so that all are reported at once.
        let listen = ListenAddress::from_environment(environment, "PORT", PORT);
        let admin = ListenAddress::from_environment(environment, "ADMIN_PORT", ADMIN_PORT);
        let logs = LogSettings::from_environment(environment);
        let drain = DrainSettings::from_environment(environment);
        let propagation = Propagation::from_environment(environment);
        let admission = Admission::from_environment(environment, MAX_CONCURRENT);
        let upstream = UpstreamSettings::from_environment(environment);
        Some(Self { listen, admin, logs, drain, topology, propagation, admission, upstream, entry: entry? })
    }
}
