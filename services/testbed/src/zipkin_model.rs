//! Zipkin's published model, and spans from a third-party encoder.

use std::io::Write;
use std::process::Stdio;

use crate::python;

/// Checks that `json` is valid as a `definition` of Zipkin's published v2 model: `ListOfSpans`, `ListOfTraces`, `Trace`,
/// `ListOfDependencyLinks`, `ServiceNames`, `SpanNames`.
///
/// # Errors
/// What is invalid, and where.
///
/// # Panics
/// With a sentence if the validator is not installed.
pub fn check_zipkin_model(definition: &str, json: &str) -> Result<(), String> {
    let mut check = python::program("zipkin_model.py")
        .arg(definition)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 can be started");
    let mut input = check.stdin.take().expect("piped");
    // A program that ends early reports the reason.
    let _ = input.write_all(json.as_bytes());
    drop(input);
    let output = check.wait_with_output().expect("the program ends");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Two spans of one call from `py-front` to `py-back`, as py-zipkin encodes them. `trace` has 16 or 32 digits; `started` is
/// in seconds since 1970.
///
/// # Panics
/// With a sentence if py-zipkin is not installed; with its error if it fails.
pub fn py_zipkin_spans(trace: &str, started: f64) -> String {
    let output = python::program("py_zipkin_spans.py").arg(trace).arg(started.to_string()).output();
    let output = output.expect("python3 can be started");
    assert!(output.status.success(), "py-zipkin: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("JSON is UTF-8")
}
