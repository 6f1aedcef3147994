//! Passes the commit on to `octet --version`.

use std::{env, path::Path};

#[path = "build/commit.rs"]
mod commit;

// A build script's environment and output are its interface with cargo.
#[allow(clippy::disallowed_methods)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/commit.rs");
    println!("cargo::rerun-if-env-changed=OCTET_COMMIT");

    let given = env::var("OCTET_COMMIT").ok().as_deref().and_then(commit::named);
    // In a debug build every commit would compile this crate and link its tests again.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let root = Path::new("..");
    let found = given.or_else(|| {
        let log = is_release.then(|| commit::log(root)).flatten();
        if let Some(log) = log {
            println!("cargo::rerun-if-changed={}", log.display());
        }
        is_release.then(|| commit::checked_out(root)).flatten()
    });
    let suffix = found.map(|commit| format!(" (commit {commit})")).unwrap_or_default();
    println!("cargo::rustc-env=OCTET_VERSION={}{suffix}", env!("CARGO_PKG_VERSION"));
}
