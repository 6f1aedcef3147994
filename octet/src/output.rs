//! What the commands print: results on stdout, errors on stderr. A closed pipe is not an error.

use std::io::Write;

/// Prints a line on stdout.
pub fn line(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.as_ref());
}

/// Prints a line on stderr.
pub fn error(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}
