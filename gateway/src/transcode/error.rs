//! Errors of requests and of responses.

use tonic::{Code, Status};

/// How much of a client's own text an error message repeats, in characters.
const MAX_QUOTED: usize = 64;

/// A request that cannot become a message. The client must change it; a retry would fail again.
///
/// Every message is for the client: it names the wrong part of the request and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A path variable's text is not a value of its field.
    #[error("path parameter `{field}`: {problem}")]
    Path {
        /// The field's dotted path, as the template writes it.
        field: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// A query parameter's key or value is wrong.
    #[error("query parameter `{key}`: {problem}")]
    Query {
        /// The key as the client wrote it, cut if it is long.
        key: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// The body is not JSON, or is not the JSON of this message. The problem ends with line and column.
    #[error("request body{}: {problem}", .field.as_ref().map(|field| format!(", field `{field}`")).unwrap_or_default())]
    Body {
        /// The dotted path of the wrong field, if the error is within a field.
        field: Option<String>,
        /// What is wrong, what is allowed, and where.
        problem: String,
    },
    /// The decoded request would take too much memory.
    #[error("{0}")]
    TooLarge(String),
    /// A header cannot be metadata.
    #[error("header `{name}`: {problem}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
}

impl RequestError {
    /// The gRPC code to answer with.
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge(_) => Code::ResourceExhausted,
            Self::Path { .. } | Self::Query { .. } | Self::Body { .. } | Self::Header { .. } => {
                Code::InvalidArgument
            }
        }
    }
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// A response message that has no JSON form, for example a `Timestamp` beyond the year 9999.
///
/// The error is the upstream's, so answer INTERNAL. The source has the details, for the log.
#[derive(Debug, thiserror::Error)]
#[error("the response cannot be written as JSON")]
pub struct ResponseError(#[from] serde_json::Error);

impl From<ResponseError> for Status {
    fn from(error: ResponseError) -> Self {
        Self::internal(error.to_string())
    }
}

/// The text of a JSON error with its line and column.
pub(super) fn positioned(error: &serde_json::Error) -> String {
    format!("{} at line {} column {}", plain(error), error.line(), error.column().max(1))
}

/// The text of a JSON error without its position: one line, cut if it quotes a long text of the client's. The words for
/// types are JSON's and not Rust's.
pub(super) fn plain(error: &serde_json::Error) -> String {
    let full = error.to_string().replace(char::is_control, " ");
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = full.strip_suffix(&position).unwrap_or(&full);
    if let Some((found, expected)) =
        text.strip_prefix("invalid type: ").and_then(|text| text.rsplit_once(", expected "))
    {
        let found = match found.split(' ').next().unwrap_or_default() {
            "map" => "an object",
            "sequence" => "an array",
            "string" => "a string",
            "boolean" => "a boolean",
            "null" => "null",
            _ => "a number",
        };
        return format!("expected {expected}, but got {found}");
    }
    if let Some(inside) = text.strip_prefix("EOF while parsing ") {
        return format!("the JSON ends within {inside}");
    }
    match text {
        "recursion limit exceeded" => "arrays and objects can nest at most 127 levels deep".to_owned(),
        "trailing characters" => "unexpected characters after the JSON value".to_owned(),
        "expected value" => "expected a JSON value".to_owned(),
        "expected ident" => "expected true, false or null".to_owned(),
        "key must be a string" => "expected a key in double quotes".to_owned(),
        _ => match text.char_indices().nth(4 * MAX_QUOTED) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        },
    }
}

/// A query's key, escaped and cut, without quotes.
pub(super) fn shortened(key: &str) -> String {
    let mut short: String = key.chars().take(MAX_QUOTED).flat_map(char::escape_debug).collect();
    if key.chars().nth(MAX_QUOTED).is_some() {
        short.push('…');
    }
    short
}

/// A client's text in quotes, escaped and cut, so that a client can make an error neither long nor misleading.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
