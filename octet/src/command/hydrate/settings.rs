//! The environment of `octet hydrate`.

use octet_greeting::Connections;
use octet_runtime::{
    admin::AdminAccess, drain::DrainSettings, environment::Environment, hosts::AllowedHosts,
    listen::ListenAddress, logs::LogSettings, telemetry::TelemetrySettings,
};

const MIB: usize = 1024 * 1024;
const ADMIN_PORT: (&str, u16) = ("ADMIN_PORT", 9461);

/// The settings of `octet hydrate`.
#[derive(Debug)]
#[cfg_attr(not(feature = "lake"), expect(dead_code, reason = "only the lake uses them"))]
pub struct HydrateSettings {
    pub(super) logs: LogSettings,
    pub(super) telemetry: TelemetrySettings,
    pub(super) drain: DrainSettings,
    pub(super) access: AdminAccess,
    pub(super) hosts: AllowedHosts,
    pub(super) admin: ListenAddress,
    /// Whether the admin server is wanted where the command ends by itself.
    pub(super) has_admin: bool,
    /// The stores of the topology.
    pub(super) connections: Connections,
    /// Bytes of rows that wait for their commit.
    pub(super) memory: usize,
}

impl HydrateSettings {
    /// Reads all of them.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let telemetry = TelemetrySettings::from_environment(environment);
        let (name, default) = ADMIN_PORT;
        Self {
            logs: LogSettings::from_environment(environment).exported_by(&telemetry),
            telemetry,
            drain: DrainSettings::from_environment(environment),
            access: AdminAccess::from_environment(environment),
            hosts: AllowedHosts::from_environment(environment),
            has_admin: environment.text(name).is_some(),
            admin: ListenAddress::from_environment(environment, name, default),
            connections: Connections::from_environment(environment),
            memory: environment.size(
                "LAKE_MEMORY",
                64 * MIB,
                8 * MIB..=16 * 1024 * MIB,
                "from 8MiB to 16GiB",
            ),
        }
    }
}
