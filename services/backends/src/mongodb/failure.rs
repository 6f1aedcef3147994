//! Errors, by what a caller can do about them, each as one short line.

use mongodb::error::{Error, ErrorKind};

/// In characters. Longer reasons are truncated.
const MAX_REASON: usize = 200;

/// The store cannot be used now, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unavailable(pub(super) String);

/// Whether the login failed: an operator has to act.
pub(super) fn is_of_the_login(error: &Error) -> bool {
    const AUTHENTICATION_FAILED: i32 = 18;
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => true,
        ErrorKind::Command(command) => command.code == AUTHENTICATION_FAILED,
        _ => false,
    }
}

/// The reason in one short line. The driver's own text for the usual failures contains the whole topology.
pub(super) fn reason(error: &Error) -> String {
    let text = match error.kind.as_ref() {
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::Command(error) => with_code(error.code, &error.code_name, &error.message),
        ErrorKind::Authentication { message, .. } => format!("the login failed: {message}"),
        ErrorKind::ServerSelection { .. } => "no server accepts writes".to_owned(),
        ErrorKind::ConnectionPoolCleared { .. } => "the connection was lost".to_owned(),
        // The resolver's text continues with the whole query.
        ErrorKind::DnsResolve { message, .. } => {
            let message = message.split(" for Query {").next().unwrap_or_default();
            format!("name lookup failed: {message}")
        }
        kind => kind.to_string(),
    };
    short(&text)
}

/// The server's message, with its code.
pub(super) fn with_code(code: i32, name: &str, message: &str) -> String {
    match (name, message) {
        ("", message) => format!("{message} (code {code})"),
        (name, "") => format!("{name} (code {code})"),
        (name, message) => format!("{message} ({name}, code {code})"),
    }
}

/// `text` in one line of bounded length.
pub(super) fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
