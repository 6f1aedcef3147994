//! Zipkin as others see it: its published model, and an encoder that is not ours.

use std::io::Write;
use std::process::Stdio;

use crate::python;

/// Checks that `json` is what Zipkin's published v2 model calls `definition`: `ListOfSpans`, `ListOfTraces`, `Trace`,
/// `ListOfDependencyLinks`, `ServiceNames`, `SpanNames`.
///
/// # Errors
/// What is wrong with it, and where.
///
/// # Panics
/// With one sentence where the validator is not installed.
pub fn check_zipkin_model(definition: &str, json: &str) -> Result<(), String> {
    let mut check = python::program("zipkin_model.py")
        .arg(definition)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 can be started");
    let mut input = check.stdin.take().expect("piped");
    // One that ends early says why.
    let _ = input.write_all(json.as_bytes());
    drop(input);
    let output = check.wait_with_output().expect("it ends");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Two spans of one call from `py-front` to `py-back`, as py-zipkin encodes them: `trace` is 16 or 32 digits, `begun`
/// in seconds since 1970.
///
/// # Panics
/// With one sentence where py-zipkin is not installed; with what it said where it fails.
pub fn py_zipkin_spans(trace: &str, begun: f64) -> String {
    let output = python::program("py_zipkin_spans.py").arg(trace).arg(begun.to_string()).output();
    let output = output.expect("python3 can be started");
    assert!(output.status.success(), "py-zipkin: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("JSON is UTF-8")
}
