//! The command line.

mod load;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::load::{Load, LoadAction, LoadFormat};
use crate::{failure, output};

/// A gRPC microservice mesh to demonstrate, test and load: eight Greeting services, a queue, document stores and a REST
/// gateway.
#[derive(Debug, Parser)]
#[command(name = "octet", version, arg_required_else_help = true)]
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
    /// Check that no data is lost: count stored documents and queued messages, and look up what answers claim
    #[command(after_help = AUDIT_STATUS)]
    Audit(Audit),
    /// Send load to the gateway or another server, and report what was answered
    Load(Box<Load>),
    /// Check a topology file or print the graph of services
    #[command(subcommand)]
    Topology(Topology),
}

/// The data directory of `octet up` and `octet audit`, unless another is given.
pub const DEFAULT_DATA: &str = ".octet";

/// The arguments of `octet up`.
#[derive(Debug, Clone, Args)]
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
    /// First port of a block of 160 to use instead of the default ports; the gateway listens on the first
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..=65_375))]
    pub base_port: Option<u16>,
    /// Print the logs of all processes as they are written
    #[arg(long)]
    pub logs: bool,
}

/// The arguments of `octet audit`.
#[derive(Debug, Clone, Args)]
pub struct Audit {
    /// File of answers to check: saved gateway responses, one JSON object per line; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    pub answered: Option<PathBuf>,
    /// Wait up to this long, such as 30s, for queued messages to be stored; a message still queued then is a gap
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    pub wait: Option<Duration>,
    /// List every gap on a line of its own: id, service and reason
    #[arg(long, requires = "answered")]
    pub ids: bool,
    /// Data directory of `octet up`, instead of `STORE_URL` and `QUEUE_URL` [default: .octet]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The topology file that the services ran with
    #[arg(
        long,
        value_name = "FILE",
        help = "Topology file that the services ran with, instead of the one in the data directory [env: TOPOLOGY]"
    )]
    pub topology: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

const CONFIGURATION: &str = "Environment variables configure this process; see docs/configuration.md.";

const AUDIT_STATUS: &str = "\
Each greeting in an answer claims that its service stored the greeting it received and that the queue accepted the \
greeting it published. The document must contain what the answer contains, and no id may be in two answers.

`octet up` records its topology, QUEUE_NAME and FAILURE_POLICY in the data directory. For other services, set the same \
values for the audit; if a service ran with GREETING, put that text into the topology file.

Exit status:
  0   no gap
  1   a gap (a document is missing or altered, a message was dead-lettered or is still queued after --wait, an answer \
is invalid, an id is in two answers), \
nothing to check, or a store or queue that cannot be read
  64  invalid arguments, environment or FILE";

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
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
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

/// Prints help and version on stdout, and any other message of clap as a usage error.
pub fn print(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if error.use_stderr() {
        output::error(text.trim_end());
        failure::usage()
    } else {
        output::line(text.trim_end());
        ExitCode::SUCCESS
    }
}
