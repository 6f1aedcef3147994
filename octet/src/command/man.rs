//! `octet man`: the manual pages.

use std::{io, path::Path};

use clap_mangen::Man;

use crate::{cli, failure::Failure, output};

/// Prints octet(1), or writes all pages into `directory`.
///
/// # Errors
/// [`Failure::Configuration`] if the directory cannot be written.
pub fn run(directory: Option<&Path>) -> Result<(), Failure> {
    let mut command = cli::command().disable_help_subcommand(true);
    // Gives the subcommands the names of their pages: octet-up.
    command.build();
    if let Some(directory) = directory {
        return write(&command, directory);
    }
    let mut page = Vec::new();
    self::page(&command).render(&mut page).map_err(anyhow::Error::new)?;
    // A closed pipe is not an error.
    let _ = io::Write::write_all(&mut io::stdout().lock(), &page);
    Ok(())
}

/// Writes the page of a command and those of its subcommands.
fn write(command: &clap::Command, directory: &Path) -> Result<(), Failure> {
    let path = page(command).generate_to(directory).map_err(|error| {
        Failure::Configuration(format!("--dir: cannot write to {}: {error}", directory.display()))
    })?;
    output::line(path.display().to_string());
    command.get_subcommands().try_for_each(|command| write(command, directory))
}

fn page(command: &clap::Command) -> Man {
    Man::new(command.clone()).source(format!("octet {}", cli::VERSION)).manual("Octet")
}
