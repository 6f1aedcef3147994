//! The binary's parts: the command line, one module a subcommand, the local runner, the audit.

pub mod audit;
pub mod cli;
pub mod command;
pub mod failure;
pub mod output;
pub mod runner;
pub mod topology_file;
