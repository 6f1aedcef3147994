//! The arguments of `octet scenario`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

const STATUS: &str = "\
Exit status:
  0   every expectation held
  1   an expectation was broken
  64  invalid arguments or FILE
  75  it could not be judged: the mesh did not start, an expectation before the faults was not met, or it was interrupted";

const EXPORT_STATUS: &str = "\
The script or experiment is printed, with what is missing in it; that is on standard error, too.

Exit status:
  0   the tool does all of it
  1   something is missing
  64  invalid arguments or FILE";

/// A tool that scenarios are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScenarioTarget {
    /// A script of k6
    K6,
    /// An experiment of Chaos Toolkit
    Chaostoolkit,
}

/// The subcommands of `octet scenario`.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Run a scenario against an `octet up` of its own, or a mesh that runs
    #[command(after_help = STATUS)]
    Run(ScenarioRun),
    /// Report every error in scenario files
    Check {
        /// Files, or names of shipped scenarios
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Write a scenario for another tool, and report what that tool does not do
    #[command(after_help = EXPORT_STATUS)]
    Export {
        /// The tool
        #[arg(long, value_enum)]
        to: ScenarioTarget,
        /// File, or name of a shipped scenario
        file: PathBuf,
    },
    /// Grade a diagnosis of a run against what took place
    #[command(after_help = SCORE)]
    Score(ScenarioScore),
    /// Print the JSON schema of scenario files, for editors
    Schema,
    /// List the shipped scenarios, or those in a directory
    List(ScenarioList),
}

/// The arguments of `octet scenario list`.
#[derive(Debug, Clone, Args)]
pub struct ScenarioList {
    /// Directory of scenario files
    pub directory: Option<PathBuf>,
    /// Also show which scenarios cannot run against the mesh of this gateway, and why
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Data directory of the target's `octet up`
    #[arg(long, value_name = "DIR", requires = "target")]
    pub data: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = super::Format::Table)]
    pub format: super::Format,
}

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScenarioFormat {
    /// Lines for people
    Table,
    /// A line of JSON with everything known so far, whenever something changes
    JsonLines,
}

const SCORE: &str = "\
ANSWER has what somebody found, in JSON; times are seconds after the start of the load, or such as \"1m30s\":

{\"findings\": [{\"at\": \"service-e>service-g\", \"what\": \"abort\", \"from\": 60, \"until\": 360}]}

Exit status:
  0   the score is at least --pass
  1   it is less
  64  invalid arguments or files";

/// The arguments of `octet scenario score`.
#[derive(Debug, Clone, Args)]
pub struct ScenarioScore {
    /// File with the diagnosis
    pub answer: PathBuf,
    /// report.json of the run, which `octet scenario run --out` wrote
    #[arg(long, value_name = "FILE", default_value = "reports/report.json")]
    pub report: PathBuf,
    /// Round of the run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub round: usize,
    /// Score to reach, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 60, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub pass: u8,
    /// Output format
    #[arg(long, value_enum, default_value_t = super::Format::Table)]
    pub format: super::Format,
}

/// The arguments of `octet scenario run`.
#[derive(Debug, Clone, Args)]
pub struct ScenarioRun {
    /// File, or name of a shipped scenario
    pub file: PathBuf,
    /// How often to run it, each time with a new mesh
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Write report.json, report.md and junit.xml into this directory, and keep the data of each round
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed to use instead of the file's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Prometheus that scrapes the mesh, for expectations about alerts
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<String>,
    /// The mesh to use.
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "base_port",
        help = "Gateway of a mesh that runs, such as http://localhost:8080, instead of an `octet up` of its own"
    )]
    pub target: Option<String>,
    /// Allow a target on another host than this one
    #[arg(long, requires = "target")]
    pub allow_remote: bool,
    /// Data directory of the mesh, instead of a temporary one; with --rounds, the first round's. With --target, that of the
    /// running `octet up`, whose stores, queues and metrics are read
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// First port of the mesh's block of ports, instead of a free block
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..=65_119))]
    pub base_port: Option<u16>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ScenarioFormat::Table)]
    pub format: ScenarioFormat,
}
