//! The command line.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{failure, output};

/// A gRPC microservice mesh to show, test and load: eight Greeting services, a queue, document stores, and a
/// REST gateway.
#[derive(Debug, Parser)]
#[command(name = "octet", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the whole platform on this host, and end it on Ctrl-C
    Up(Up),
    /// Run one service of the topology
    Service {
        /// The service's name; `SERVICE_NAME` in its place
        name: Option<String>,
    },
    /// Run the gateway from REST to gRPC
    Gateway,
    /// Keep the newest traces in memory, and speak Zipkin's v2 API
    Collector,
    /// Check that nothing is lost: count what is stored and queued, and look for what answers claim
    #[command(after_help = AUDIT_STATUS)]
    Audit(Audit),
    /// Check or show the graph of services
    #[command(subcommand)]
    Topology(Topology),
}

/// How `octet up` runs.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// Where stores, queues and logs lie
    #[arg(long, value_name = "DIR", default_value = ".octet")]
    pub data: PathBuf,
    /// A topology file that replaces the built-in one; `TOPOLOGY` in its place
    #[arg(long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    /// Move all ports into one block of 160 that begins here: the gateway's is the first
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..=65_375))]
    pub base_port: Option<u16>,
    /// Follow the logs of all processes
    #[arg(long)]
    pub logs: bool,
}

/// What to audit, and how to say it.
#[derive(Debug, Clone, Args)]
pub struct Audit {
    /// Check what these answers claim: saved gateway responses, one JSON object a line; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub answered: Option<PathBuf>,
    /// Wait at most this long (such as 30s) for what is on its way; what has not arrived by then is a gap
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    pub wait: Option<Duration>,
    /// List everything that is missing, one id a line, with its service and why
    #[arg(long, requires = "answered")]
    pub ids: bool,
    /// Where `octet up --data DIR` keeps its data; wins over `STORE_URL` and `QUEUE_URL`. Without all three: .octet
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The topology file that the services ran with; `TOPOLOGY` in its place
    #[arg(long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    /// The form
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

const AUDIT_STATUS: &str = "\
An answer's greeting claims that its service stored what it was handed, and that its queue has its own greeting. Give \
QUEUE_NAME and FAILURE_POLICY here too, where the services had them.

Exit status: 0 no gap; 1 a gap (something missing, dead-lettered, a wrong answer, or still on its way after --wait), or \
a store that cannot be read; 64 wrong arguments, environment or FILE.";

const LONGEST_WAIT: Duration = Duration::from_hours(24);

fn wait(text: &str) -> Result<Duration, &'static str> {
    let parsed = humantime::parse_duration(text).ok().filter(|wait| *wait <= LONGEST_WAIT);
    parsed.ok_or("must be a duration such as 500ms, 30s or 2m, at most 1day")
}

/// What to do with a topology.
#[derive(Debug, Subcommand)]
pub enum Topology {
    /// Report every fault of a topology file
    Check {
        /// The file; the one that `TOPOLOGY` names, or else the built-in one, when left out
        file: Option<PathBuf>,
    },
    /// Print the graph
    Show {
        /// The form
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

/// A form of output.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// For eyes
    Table,
    /// For programs
    Json,
}

/// Prints clap's answer: help and version as asked for, anything else as a wrong command line.
pub fn answer(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if error.use_stderr() {
        output::trouble(text.trim_end());
        failure::usage()
    } else {
        output::line(text.trim_end());
        ExitCode::SUCCESS
    }
}
