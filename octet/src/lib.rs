//! The parts of the binary: the command line, a module per subcommand, the local runner, the audit.

pub mod audit;
pub mod cli;
pub mod command;
pub mod failure;
mod http_client;
mod isotope;
mod learn;
mod log_line;
pub mod output;
pub mod runner;
pub mod scenario;
pub mod terminal;
pub mod topology_file;
pub mod variables;
pub mod zipkin_api;
