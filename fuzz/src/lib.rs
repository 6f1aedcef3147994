//! Properties that hold for any bytes that reach Octet from outside.
//!
//! A [`Target`] passes bytes to one parser through its crate's public API, and panics if the result violates a property.
//! The first property is that the parser itself does not panic. `tests/short` runs every target on its seeds and on
//! mutations of them; `libfuzzer/` runs a target for any time.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a target reports a violated property by panicking"
)]

mod checks;
mod headers;
mod library;
mod targets;

use std::{fs, io, path::PathBuf};

/// One parser, and the properties that hold for any input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its directory in `seeds` and of its file in `libfuzzer/fuzz_targets`.
    pub name: &'static str,
    run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 25] = [
    Target { name: "answer", run: targets::answer::run },
    Target { name: "deadline", run: targets::deadline::run },
    Target { name: "diagnosis", run: targets::diagnosis::run },
    Target { name: "edge", run: targets::edge::run },
    Target { name: "environment", run: targets::environment::run },
    Target { name: "fault", run: targets::fault::run },
    Target { name: "json", run: targets::json::run },
    Target { name: "logs", run: targets::logs::run },
    Target { name: "message", run: targets::message::run },
    Target { name: "metadata", run: targets::metadata::run },
    Target { name: "openapi", run: targets::openapi::run },
    Target { name: "otlp", run: targets::otlp::run },
    Target { name: "otlp_json", run: targets::otlp_json::run },
    Target { name: "propagation", run: targets::propagation::run },
    Target { name: "query", run: targets::query::run },
    Target { name: "routes", run: targets::routes::run },
    Target { name: "scenario", run: targets::scenario::run },
    Target { name: "spans", run: targets::spans::run },
    Target { name: "spans_proto", run: targets::spans_proto::run },
    Target { name: "spans_v1", run: targets::spans_v1::run },
    Target { name: "status", run: targets::status::run },
    Target { name: "template", run: targets::template::run },
    Target { name: "topology", run: targets::topology::run },
    Target { name: "trace", run: targets::trace::run },
    Target { name: "upstream", run: targets::upstream::run },
];

/// Runs the target of this name. Panics if `bytes` violate a property.
pub fn run(name: &str, bytes: &[u8]) {
    Target::named(name).expect("a target of this name").run(bytes);
}

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Panics if `bytes` violate a property.
    pub fn run(self, bytes: &[u8]) {
        (self.run)(bytes);
    }

    /// The inputs to start from, in the order of their names. They include inputs that once violated a property.
    ///
    /// # Errors
    /// When `seeds/<name>` cannot be read.
    pub fn seeds(self) -> io::Result<Vec<Vec<u8>>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds").join(self.name);
        let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
        let mut files = files.collect::<io::Result<Vec<_>>>()?;
        files.sort();
        files.into_iter().map(fs::read).collect()
    }
}
