//! The testbed's Python programs: others' libraries, asked about what is ours.

use std::path::PathBuf;
use std::process::Command;

/// Where `make tools` puts what they import.
const LIBRARIES: &str = "signals";

const MISSING: &str = ".tools/signals is not there: run `make tools`";

/// `python3` with one of `services/testbed/python`, to be given arguments.
///
/// # Panics
/// With one sentence where its libraries are not installed.
pub(crate) fn program(name: &str) -> Command {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let libraries = here.ancestors().nth(2).map(|root| root.join(".tools").join(LIBRARIES));
    let libraries = libraries.filter(|libraries| libraries.is_dir()).expect(MISSING);
    let mut command = Command::new("python3");
    // Nothing is written beside the sources.
    command.arg("-B").arg(here.join("python").join(name)).env("PYTHONPATH", libraries);
    command
}
