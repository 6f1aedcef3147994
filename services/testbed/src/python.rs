//! The testbed's Python programs, which use third-party libraries to check ours.

use std::path::PathBuf;
use std::process::Command;

/// The directory below `.tools` of the libraries of most programs.
const LIBRARIES: &str = "signals";

/// `python3` with a program of `services/testbed/python`.
///
/// # Panics
/// With a sentence if its libraries are not installed.
pub(crate) fn program(name: &str) -> Command {
    program_with(LIBRARIES, name)
}

/// As [`program`], with the libraries in another directory below `.tools`.
///
/// # Panics
/// As [`program`] does.
pub(crate) fn program_with(libraries: &str, name: &str) -> Command {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let libraries = here.ancestors().nth(2).map(|root| root.join(".tools").join(libraries));
    let libraries =
        libraries.filter(|libraries| libraries.is_dir()).expect("libraries in .tools: run `make tools`");
    let mut command = Command::new("python3");
    // Write no bytecode beside the sources.
    command.arg("-B").arg(here.join("python").join(name)).env("PYTHONPATH", libraries);
    command
}
