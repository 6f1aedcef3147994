//! The arguments of `octet fault`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::DEFAULT_DATA;

const GRAMMAR: &str = "Faults:
  at=service-g delay=300ms share=10%
  at='service-e>service-g' abort=UNAVAILABLE   (quote the `>` for the shell)
docs/faults.md has every address, effect and modifier.";

/// The subcommands of `octet fault`.
#[derive(Debug, Subcommand)]
pub enum Fault {
    /// Set the faults of every process of `octet up`, in place of those that were put before
    #[command(after_help = GRAMMAR)]
    Put {
        /// What to do.
        #[command(flatten)]
        faults: Faults,
        /// How long they act, from 1s to 24h
        #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = lasting)]
        lasting: Duration,
        /// Where.
        #[command(flatten)]
        run: RunningMesh,
    },
    /// List the faults of every process, and how often each acted
    List(RunningMesh),
    /// Remove the faults that were put
    Clear(RunningMesh),
    /// Print the headers of a request with these faults, signed with `FAULT_KEY`
    #[command(after_help = "Environment: FAULT_KEY, 16 to 512 bytes, as the services have it")]
    Sign {
        /// What to do.
        #[command(flatten)]
        faults: Faults,
        /// How long the proof is valid, from 1s to 24h
        #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = lasting)]
        lasting: Duration,
    },
    /// Print manifests of another tool, which refuses what it does not know
    Render {
        /// What to do.
        #[command(flatten)]
        faults: Faults,
        /// The tool
        #[arg(long, value_enum)]
        to: FaultTarget,
    },
}

/// The faults of a command line.
#[derive(Debug, Args)]
pub struct Faults {
    /// A fault, such as `at=service-g delay=300ms`, in quotes; several arguments are several faults
    #[arg(required = true, value_name = "FAULT")]
    pub faults: Vec<String>,
}

/// The `octet up` to change.
#[derive(Debug, Args)]
pub struct RunningMesh {
    /// Data directory of the `octet up`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
}

/// A tool that has faults of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FaultTarget {
    /// A `VirtualService` for each fault
    Istio,
    /// `NetworkChaos` and `PodChaos`
    ChaosMesh,
}

fn lasting(text: &str) -> Result<Duration, &'static str> {
    let range = Duration::from_secs(1)..=Duration::from_hours(24);
    let parsed = humantime::parse_duration(text).ok().filter(|lasting| range.contains(lasting));
    parsed.ok_or("must be a duration from 1s to 24h, such as 5m")
}
