//! `octet completions SHELL`: the completion script of a shell.

use std::io;

use crate::cli::{self, Shell};

/// Prints the script. A closed pipe is not an error.
pub fn run(shell: Shell) {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "octet", &mut script);
    let _ = io::Write::write_all(&mut io::stdout().lock(), &script);
}
