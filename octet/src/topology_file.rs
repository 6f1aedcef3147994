//! The topology of a command: the file on the command line, the file named by `TOPOLOGY`, or the built-in topology.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use octet_runtime::environment::Environment;
use octet_topology::{MAX_BYTES, Topology};

use crate::failure::Failure;

/// The file to read; `None` for the built-in topology.
pub fn chosen(environment: &mut Environment<'_>, given: Option<&Path>) -> Option<PathBuf> {
    given.map(Path::to_path_buf).or_else(|| environment.text("TOPOLOGY").map(PathBuf::from))
}

/// Reads and validates `file`, or the built-in topology. Returns its text too.
///
/// # Errors
/// [`Failure::Configuration`] with every finding, or with the reason why the file cannot be read.
pub fn read_with_text(file: Option<&Path>) -> Result<(Topology, String), Failure> {
    let Some(path) = file else { return Ok((Topology::built_in()?, Topology::BUILT_IN.to_owned())) };
    let origin = path.display().to_string();
    let text = text(path).map_err(|why| Failure::Configuration(format!("{origin}: {why}")))?;
    Ok((Topology::parse(&text, &origin)?, text))
}

/// Reads and validates `file`, or the built-in topology.
///
/// # Errors
/// As [`read_with_text`].
pub fn read(file: Option<&Path>) -> Result<Topology, Failure> {
    Ok(read_with_text(file)?.0)
}

/// Like [`read`], but adds what is wrong to the faults of the environment.
pub fn read_or_note(environment: &mut Environment<'_>, file: Option<&Path>) -> Option<Topology> {
    match read(file) {
        Ok(topology) => Some(topology),
        Err(failure) => {
            for fault in failure.to_string().lines() {
                environment.fault("TOPOLOGY", fault);
            }
            None
        }
    }
}

/// Reads at most one byte more than a topology may have, so that `/dev/zero` is an error and does not exhaust memory.
fn text(path: &Path) -> std::io::Result<String> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    File::open(path)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}
