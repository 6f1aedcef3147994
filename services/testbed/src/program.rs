//! Paths of the servers' programs.

use std::path::{Path, PathBuf};

/// A program that `make tools` installed, by its path below `.tools`.
pub(crate) fn tool(path: &str) -> Option<PathBuf> {
    Some(repository().join(".tools").join(path)).filter(|program| program.is_file())
}

/// A script of this repository.
pub(crate) fn script(name: &str) -> PathBuf {
    repository().join("scripts").join(name)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("services/testbed is two directories deep")
}

/// The first program of this name on `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}
