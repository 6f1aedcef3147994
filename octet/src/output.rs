//! What the commands print: answers on stdout, trouble on stderr. A closed pipe ends nothing.

use std::io::Write;

/// Prints a line that was asked for.
pub fn line(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.as_ref());
}

/// Prints a line about trouble.
pub fn trouble(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}
