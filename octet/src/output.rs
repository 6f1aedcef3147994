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

/// Replaces the last line on a terminal's stderr.
#[cfg(feature = "lake")]
pub fn progress(text: impl AsRef<str>) {
    let _ = write!(std::io::stderr().lock(), "\r{}\x1b[K", text.as_ref());
}
