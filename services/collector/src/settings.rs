//! The settings of the collector from its environment, parsed before it binds a port.

use octet_runtime::{
    environment::Environment,
    process::{Defaults, ProcessSettings},
};

use crate::store::Memory;

/// Zipkin's port. Few concurrent requests, since each can hold a whole report in memory.
const DEFAULTS: Defaults = Defaults { port: 9411, admin_port: 9412, max_concurrent: 64 };

const MIB: usize = 1024 * 1024;

/// The settings of the collector.
#[derive(Debug)]
pub struct CollectorSettings {
    /// The settings that every process has.
    pub process: ProcessSettings,
    pub(crate) memory: Memory,
}

impl CollectorSettings {
    /// Reads all of the collector's variables: those of every process, and `COLLECTOR_MEMORY` (64 MiB), the memory for
    /// stored spans and counts.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let memory =
            environment.size("COLLECTOR_MEMORY", 64 * MIB, MIB..=16 * 1024 * MIB, "from 1MiB to 16GiB");
        Self { process: ProcessSettings::from_environment(environment, DEFAULTS), memory: Memory::of(memory) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn all_faults_are_reported_at_once() {
        let variables = BTreeMap::from(
            [("COLLECTOR_MEMORY", "much"), ("PORT", "x")]
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let mut environment = Environment::new(&variables);
        CollectorSettings::from_environment(&mut environment);
        let faults = environment.finish(()).expect_err("two faults").to_string();
        assert_eq!(faults.lines().count(), 2, "{faults}");
    }
}
