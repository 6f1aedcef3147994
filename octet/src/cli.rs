//! The command line.

mod audit;
mod fault;
mod hydrate;
mod lake;
mod load;
mod scenario;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind};

pub use self::{
    audit::Audit,
    fault::{Fault, FaultTarget},
    hydrate::Hydrate,
    lake::{Lake, LakeAddress, Offsets},
    load::{Load, LoadAction, LoadFormat},
    scenario::{Scenario, ScenarioFormat, ScenarioList, ScenarioRun, ScenarioScore, ScenarioTarget},
};
use crate::{failure, output, variables};

/// The version of the build, with its commit where that is known.
pub const VERSION: &str = env!("OCTET_VERSION");

/// A gRPC microservice mesh to demonstrate, test and load: eight Greeting services, a queue, document stores and a REST
/// gateway.
#[derive(Debug, Parser)]
#[command(name = "octet", version = VERSION, arg_required_else_help = true)]
pub struct Cli {
    /// The subcommand to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole platform on this host until Ctrl-C
    Up(Up),
    /// Run one service of the topology
    #[command(after_help = CONFIGURATION)]
    Service {
        /// The service's name in the topology
        #[arg(help = "The service's name in the topology [env: SERVICE_NAME]")]
        name: Option<String>,
    },
    /// Run the gateway, which translates REST to gRPC
    #[command(after_help = CONFIGURATION)]
    Gateway,
    /// Run the trace collector, which keeps the newest traces in memory and serves Zipkin's v2 API
    #[command(after_help = CONFIGURATION)]
    Collector,
    /// Show readiness, restarts, CPU, memory and queue of each process that runs
    #[command(after_help = STATUS_STATUS)]
    Status(Status),
    /// Print the log of one process of `octet up`
    Logs(Logs),
    /// Stop the running `octet up` and all of its processes
    Stop(Stop),
    /// Check that no data is lost, or no telemetry: look up what answers claim in stores and queues, or in traces and counters
    #[command(after_help = audit::AFTER)]
    Audit(Audit),
    /// Send load to the gateway or another server, and report what was answered
    Load(Box<Load>),
    /// Check, print, draw or start a topology file
    #[command(subcommand)]
    Topology(Topology),
    /// Let a part of the running mesh misbehave, or render faults for other tools
    #[command(subcommand)]
    Fault(Fault),
    /// Run a scenario: load, faults, actions and expectations on one clock; or check, export or list some, or grade a diagnosis
    #[command(subcommand)]
    Scenario(Scenario),
    /// Copy new rows of databases into a lake: a directory or S3
    #[command(after_help = hydrate::AFTER)]
    Hydrate(Hydrate),
    /// Look into a lake: list its topics, verify them, write the newest rows
    #[command(subcommand, after_help = lake::AFTER)]
    Lake(Lake),
    /// Ask a server whether it is healthy, for the health checks of containers
    #[command(after_help = HEALTH_STATUS)]
    Health(Health),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, or write all of them into a directory
    #[command(after_help = MAN)]
    Man {
        /// Write octet.1 and a page for each subcommand into this directory, which must exist
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// The data directory of `octet up` and `octet audit`, unless another is given.
pub const DEFAULT_DATA: &str = ".octet";

/// The arguments of `octet up`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Up {
    /// Directory for stores, queues and logs
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
    /// A topology file to use instead of the built-in topology
    #[arg(
        long,
        value_name = "FILE",
        help = "Topology file to use instead of the built-in topology [env: TOPOLOGY]"
    )]
    pub topology: Option<PathBuf>,
    /// First port of a block of 160 to use instead of the default ports; the gateway listens on the first. Replicas use up to
    /// 256 ports after the block
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..=65_375))]
    pub base_port: Option<u16>,
    /// Print the logs of all processes as they are written: readable on a terminal, unchanged elsewhere
    #[arg(long)]
    pub logs: bool,
    /// Return when all processes are ready, and leave them running in the background
    #[arg(long, conflicts_with = "logs")]
    pub detach: bool,
    /// With --detach: the longest time until all processes are ready [default: 1m]; when it is over, they are stopped
    #[arg(long, value_name = "DURATION", requires = "detach", value_parser = wait)]
    pub wait: Option<Duration>,
    /// Run as the background process of --detach
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub background: bool,
    /// Take orders for single processes from stdin, as `octet scenario` gives them; the end of stdin ends all
    #[arg(long, hide = true, conflicts_with_all = ["detach", "background"])]
    pub controlled: bool,
}

/// The arguments of `octet status`.
#[derive(Debug, Clone, Args)]
pub struct Status {
    /// Data directory of the `octet up` to show
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
    /// The gateway to ask instead
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "data",
        help = "Gateway to ask instead, such as http://localhost:8080, which knows the processes in ADMIN_ADDRESSES"
    )]
    pub url: Option<String>,
    /// Print JSON for programs instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `octet logs`.
#[derive(Debug, Clone, Args)]
pub struct Logs {
    /// The process: the name of a service, `gateway` or `collector`; `up` for an `octet up --detach`
    pub name: String,
    /// Continue to print lines as they are written, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the last lines to print first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub lines: u32,
    /// Data directory of the `octet up`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
}

/// The arguments of `octet stop`.
#[derive(Debug, Clone, Args)]
pub struct Stop {
    /// Data directory of the `octet up` to stop
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
    /// Give up after this long; the processes then still finish what they are doing
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = wait)]
    pub wait: Duration,
}

/// The arguments of `octet health`.
#[derive(Debug, Clone, Args)]
pub struct Health {
    /// The URL to ask
    #[arg(
        help = "http://HOST:PORT/PATH, such as http://127.0.0.1:9001/readyz, or grpc://HOST:PORT, perhaps with /SERVICE"
    )]
    pub url: String,
    /// Longest time for the response
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = wait)]
    pub timeout: Duration,
}

const CONFIGURATION: &str = "Environment variables configure this process; --help lists them.";

const STATUS_STATUS: &str = "\
Exit status:
  0   all processes are ready
  1   a process is not ready, no `octet up` runs, or the gateway does not respond
  64  invalid arguments";

const HEALTH_STATUS: &str = "\
An http:// URL is healthy if it returns a status from 200 to 299, a grpc:// server if its health service \
(grpc.health.v1) reports SERVING.

Exit status:
  0   healthy
  1   not healthy, or no response within --timeout
  64  invalid arguments";

const COMPLETIONS: &str = "\
bash:  octet completions bash > ~/.local/share/bash-completion/completions/octet
zsh:   octet completions zsh > \"${fpath[1]}/_octet\"
fish:  octet completions fish > ~/.config/fish/completions/octet.fish";

const MAN: &str = "\
octet man | man -l -                       shows it
octet man --dir ~/.local/share/man/man1    installs all pages; then: man octet-up";

const MAX_WAIT: Duration = Duration::from_hours(24);

fn wait(text: &str) -> Result<Duration, &'static str> {
    let parsed = humantime::parse_duration(text).ok().filter(|wait| *wait <= MAX_WAIT);
    parsed.ok_or("must be a duration such as 500ms, 30s or 2m, and at most 1day")
}

/// The subcommands of `octet topology`.
#[derive(Debug, Subcommand)]
pub enum Topology {
    /// Report every error in a topology file
    Check {
        /// The file to check
        #[arg(help = "File to check; the built-in topology if omitted [env: TOPOLOGY]")]
        file: Option<PathBuf>,
    },
    /// Print the graph of services
    Show {
        /// The file to print
        #[arg(help = "File to print; the built-in topology if omitted [env: TOPOLOGY]")]
        file: Option<PathBuf>,
        /// Output format
        #[arg(long, value_enum, default_value_t = GraphFormat::Table)]
        format: GraphFormat,
    },
    /// Print the JSON schema of topology files, for editors
    Schema,
    /// Convert a service graph of another tool, and print the topology file
    #[command(subcommand)]
    Import(Import),
    /// Learn a topology from the traces of a mesh, and print the file
    #[command(after_help = LEARN)]
    Learn(Learn),
    /// Write a topology file with comments to start from; an existing file is not overwritten
    Init {
        /// File to write
        #[arg(default_value = "topology.toml")]
        file: PathBuf,
    },
}

const LEARN: &str = "\
The file has the services, who calls whom in which order and how often, the time of their own, stores, queues, and the share \
of failures, as faults. What the traces do not show in this way is reported on standard error.";

/// The arguments of `octet topology learn`.
#[derive(Debug, Args)]
pub struct Learn {
    /// The server to ask.
    #[arg(
        long,
        value_name = "URL",
        help = "Server with Zipkin's v2 API, such as http://localhost:9411 or a gateway's http://localhost:8080/zipkin"
    )]
    pub traces: String,
    /// Newest traces to learn from
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// How far back they may have started
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = lookback)]
    pub lookback: Duration,
}

fn lookback(text: &str) -> Result<Duration, &'static str> {
    let range = Duration::from_secs(1)..=Duration::from_hours(7 * 24);
    let parsed = humantime::parse_duration(text).ok().filter(|lookback| range.contains(lookback));
    parsed.ok_or("must be a duration from 1s to 7days, such as 15m")
}

/// The subcommands of `octet topology import`.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// The YAML of Istio's load test isotope; what a topology cannot say is reported with its line
    Isotope {
        /// The file to convert
        file: PathBuf,
    },
}

/// An output format.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// Tables for people
    Table,
    /// JSON for programs
    Json,
}

/// A form of the graph.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum GraphFormat {
    /// Table for people
    Table,
    /// JSON for programs
    Json,
    /// Topology file
    Toml,
    /// Drawing for Graphviz
    Dot,
    /// Drawing for Mermaid, as in Markdown
    Mermaid,
}

/// A shell with completions.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    /// Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

/// The command line with each subcommand's environment variables in its long help.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    for name in variables::SUBCOMMANDS {
        let section = variables::section(name);
        command = command.mut_subcommand(name, |subcommand| {
            let before = subcommand.get_after_help().map(|text| format!("{text}\n\n"));
            // It refers to the list that follows here.
            let before = before.filter(|text| !text.starts_with(CONFIGURATION)).unwrap_or_default();
            subcommand.after_long_help(format!("{before}{section}"))
        });
    }
    command
}

/// Prints help and version on stdout, and any other message of clap as a usage error.
pub fn print(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        output::error(error.to_string().trim_end());
        return failure::usage();
    }
    // Only help needs the variables, so that nothing else has to read all settings first.
    let help = (error.kind() == ErrorKind::DisplayHelp)
        .then(|| command().try_get_matches().err())
        .flatten()
        .map(|error| error.to_string());
    output::line(help.unwrap_or_else(|| error.to_string()).trim_end());
    ExitCode::SUCCESS
}
