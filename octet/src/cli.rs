//! The command line.

use std::{path::PathBuf, process::ExitCode};

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
