//! A third-party validator of JSON Schema.

use std::io::Write;
use std::process::Stdio;

use crate::python;

/// Whether a schema of draft 2020-12 accepts each document; all are JSON texts.
///
/// # Panics
/// If the schema is not valid, and with a sentence if the validator is not installed.
pub fn json_schema_accepts(schema: &str, documents: &[String]) -> Vec<bool> {
    let mut check = python::program_with("openapi", "json_schema.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 can be started");
    let mut input = check.stdin.take().expect("piped");
    // A program that ends early reports the reason.
    let _ = write!(input, "[{schema}, [{}]]", documents.join(", "));
    drop(input);
    let output = check.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verdicts = String::from_utf8_lossy(&output.stdout);
    verdicts.trim().trim_matches(['[', ']']).split(", ").map(|verdict| verdict == "true").collect()
}
