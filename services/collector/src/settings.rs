//! Everything the collector is told by its environment, parsed before it binds a port.

use octet_runtime::{
    environment::Environment,
    process::{Defaults, ProcessSettings},
};

use crate::store::Memory;

/// Zipkin's port. Few requests at once: each may hold a whole report in memory while it is read.
const DEFAULTS: Defaults = Defaults { port: 9411, admin_port: 9412, max_concurrent: 64 };

const MIB: usize = 1024 * 1024;

/// What `COLLECTOR_MEMORY` may be.
const LEAST: usize = MIB;
const MOST: usize = 16 * 1024 * MIB;

/// The settings of the collector.
#[derive(Debug)]
pub struct CollectorSettings {
    /// What every process is told.
    pub process: ProcessSettings,
    pub(crate) memory: Memory,
}

impl CollectorSettings {
    /// Reads all of the collector's variables: those of every process, and `COLLECTOR_MEMORY` (64 MiB), what stored
    /// spans may take.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let allowed = "a size from 1MiB to 16GiB, such as 64MiB or 67108864";
        let memory = environment.or("COLLECTOR_MEMORY", allowed, 64 * MIB, size);
        Self { process: ProcessSettings::from_environment(environment, DEFAULTS), memory: Memory::of(memory) }
    }
}

fn size(text: &str) -> Result<usize, ()> {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(number.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => MIB,
        "GiB" => 1024 * MIB,
        _ => return Err(()),
    };
    let bytes = number.trim_end().parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    bytes.filter(|bytes| (LEAST..=MOST).contains(bytes)).ok_or(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_size_is_taken_with_its_unit_and_within_its_range() {
        for (text, bytes) in
            [("1048576", MIB), ("64MiB", 64 * MIB), ("2 GiB", 2048 * MIB), ("2048KiB", 2 * MIB)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "64MB", "-1MiB", "1KiB", "17GiB", "99999999999999999999GiB", "1.5GiB"] {
            assert_eq!(size(text), Err(()), "{text}");
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
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
