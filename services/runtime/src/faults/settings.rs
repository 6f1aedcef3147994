//! The settings of faults.

use std::path::PathBuf;

use octet_fault::{Fault, Seed, parse};

use super::{authority::Authority, proof::FaultKey};
use crate::environment::Environment;

/// The settings of a process's faults.
#[derive(Debug, Clone, Default)]
pub struct FaultSettings {
    /// `FAULTS`.
    pub configured: Vec<Fault>,
    /// `FAULTS_FILE`.
    pub file: Option<PathBuf>,
    /// `FAULT_KEY` or `FAULT_HEADERS`.
    pub authority: Authority,
    /// `SEED`.
    pub seed: Option<Seed>,
    /// `REPLICA`.
    pub replica: u32,
}

impl FaultSettings {
    /// Reads `FAULTS`, `FAULTS_FILE`, `FAULT_KEY`, `FAULT_HEADERS`, `SEED` and `REPLICA`. The addresses of the faults are for
    /// the caller to check with [`check`](Self::check).
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        const FAULTS: &str = "FAULTS";
        const KEY: &str = "FAULT_KEY";
        let mut configured = Vec::new();
        if let Some(text) = environment.text(FAULTS) {
            match parse(&text) {
                Ok(faults) => configured = faults,
                Err(problems) => {
                    problems.iter().for_each(|problem| environment.fault(FAULTS, problem.to_string()));
                }
            }
        }
        let key = environment.secret(KEY).and_then(|key| {
            let key = FaultKey::new(&key);
            if key.is_none() {
                environment.fault(KEY, "must have 16 to 512 bytes");
            }
            key
        });
        let from = environment.or("FAULT_HEADERS", "off or local", Authority::Nobody, |text| match text {
            "off" => Ok(Authority::Nobody),
            "local" => Ok(Authority::SameHost),
            _ => Err(()),
        });
        let seed = environment.optional("SEED", "a whole number", |text| text.parse().map(Seed));
        let replica = environment.number("REPLICA", 1, 1..=16);
        Self {
            configured,
            file: environment.text("FAULTS_FILE").map(PathBuf::from),
            authority: key.map_or(from, Authority::Key),
            seed,
            replica: u32::try_from(replica).unwrap_or(1),
        }
    }

    /// Checks that each configured fault can act in this mesh.
    pub fn check(&self, environment: &mut Environment<'_>, check: impl Fn(&Fault) -> Result<(), String>) {
        for fault in &self.configured {
            if let Err(problem) = check(fault) {
                environment.fault("FAULTS", format!("at={}: {problem}", fault.at()));
            }
        }
    }
}

/// A seed for a mesh that has none: small enough for TOML.
pub fn draw_seed() -> Seed {
    Seed(fastrand::u64(..1 << 32))
}
