//! The binary: parses the command line and runs the subcommand.

use std::process::ExitCode;

use clap::Parser;
use octet::{
    cli::{Cli, Command},
    command,
    failure::{Failure, report},
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return octet::cli::print(&error),
    };
    let outcome = match cli.command {
        Command::Up(arguments) => command::up::run(&arguments),
        Command::Service { name } => command::service::run(name.as_deref()),
        Command::Gateway => command::gateway::run(),
        Command::Collector => command::collector::run(),
        Command::Audit(arguments) => {
            // A gap is a result, not a failure: the report describes it.
            return command::audit::run(&arguments).unwrap_or_else(|failure| report(&failure));
        }
        Command::Load(arguments) => {
            return command::load::run(&arguments).unwrap_or_else(|failure| report(&failure));
        }
        // So is a process that is not ready.
        Command::Status(arguments) => {
            return command::status::run(&arguments).unwrap_or_else(|failure| report(&failure));
        }
        // And a process that did not take its faults.
        Command::Fault(action) => {
            return command::fault::run(&action).unwrap_or_else(|failure| report(&failure));
        }
        // And a broken expectation.
        Command::Scenario(action) => {
            return command::scenario::run(&action).unwrap_or_else(|failure| report(&failure));
        }
        // And a topic that has stopped.
        Command::Hydrate(arguments) => {
            return command::hydrate::run(&arguments).unwrap_or_else(|failure| report(&failure));
        }
        // And a topic with a fault.
        Command::Lake(action) => {
            return command::lake::run(&action).unwrap_or_else(|failure| report(&failure));
        }
        Command::Logs(arguments) => command::logs::run(&arguments),
        Command::Stop(arguments) => command::stop::run(&arguments),
        Command::Topology(action) => command::topology::run(&action),
        Command::Health(arguments) => command::health::run(&arguments),
        Command::Completions { shell } => {
            command::completions::run(shell);
            Ok(())
        }
        Command::Man { dir } => command::man::run(dir.as_deref()),
    };
    outcome.map_or_else(|failure: Failure| report(&failure), |()| ExitCode::SUCCESS)
}
