//! What can be wrong with a request, and the one thing that can be wrong with an answer.

use tonic::{Code, Status};

/// How much of a client's own text an error message repeats, in characters.
const QUOTED: usize = 64;

/// A request that cannot become a message. The client must change it: there is no use in a retry.
///
/// Every message names the part at fault and what is allowed there, and is meant for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A path variable's text does not fit its field.
    #[error("path parameter `{field}`: {problem}")]
    Path {
        /// The field's dotted path, as the template writes it.
        field: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// A query parameter's key or value does not fit.
    #[error("query parameter `{key}`: {problem}")]
    Query {
        /// The key, as the client wrote it; a long one is cut.
        key: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// The body is not JSON, or not this message's JSON. The problem ends with its line and column.
    #[error("request body{}: {problem}", .field.as_ref().map(|field| format!(", field `{field}`")).unwrap_or_default())]
    Body {
        /// The dotted path at which reading stopped, where there is one.
        field: Option<String>,
        /// What is wrong, what is allowed, and where.
        problem: String,
    },
    /// A header cannot become metadata.
    #[error("header `{name}`: {problem}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
}

impl RequestError {
    /// The gRPC code to answer with; [`http_status`](super::http_status) makes 400 of it.
    pub fn code(&self) -> Code {
        Code::InvalidArgument
    }
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// A response message that has no JSON form, for example a `Timestamp` beyond the year 9999.
///
/// The fault is the upstream's: answer INTERNAL. The source says which value, for the log.
#[derive(Debug, thiserror::Error)]
#[error("the answer cannot be written as JSON")]
pub struct ResponseError(#[from] serde_json::Error);

impl From<ResponseError> for Status {
    fn from(error: ResponseError) -> Self {
        Self::internal(error.to_string())
    }
}

/// What `serde_json` says, with its line and column; a text of the client's in the middle is cut.
pub(super) fn brief(error: &serde_json::Error) -> String {
    // A line it stays, whatever the text in the middle holds.
    let full = error.to_string().replace(char::is_control, " ");
    match full.char_indices().nth(3 * QUOTED) {
        Some((end, _)) => {
            let start = full.get(..end).unwrap_or_default();
            format!("{start}… at line {} column {}", error.line(), error.column())
        }
        None => full,
    }
}

/// A query's key, escaped and cut, but without quotes.
pub(super) fn shortened(key: &str) -> String {
    let mut short: String = key.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if key.chars().nth(QUOTED).is_some() {
        short.push('…');
    }
    short
}

/// A client's text in quotes, escaped and cut, so that an error cannot be made into a long or a forged one.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
