//! The bodies of answers: `ExportTraceServiceResponse` and `google.rpc.Status`.

use prost::Message as _;
use serde_json::json;

/// The answer to a report.
#[derive(Debug)]
pub(super) enum Answer {
    /// Of the report's spans this many were rejected.
    Success { rejected: u64, message: String },
    /// The report could not be taken; the code is gRPC's.
    Failure { code: i32, message: String },
}

/// `ExportTraceServiceResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess`.
#[derive(Clone, PartialEq, prost::Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Answer {
    pub(super) fn protobuf(&self) -> Vec<u8> {
        match self {
            Self::Success { rejected: 0, .. } => Vec::new(),
            Self::Success { rejected, message } => {
                let rejected_spans = i64::try_from(*rejected).unwrap_or(i64::MAX);
                let partial = PartialSuccess { rejected_spans, error_message: message.clone() };
                Response { partial_success: Some(partial) }.encode_to_vec()
            }
            Self::Failure { code, message } => {
                Status { code: *code, message: message.clone() }.encode_to_vec()
            }
        }
    }

    pub(super) fn json(&self) -> Vec<u8> {
        let json = match self {
            Self::Success { rejected: 0, .. } => json!({}),
            // 64-bit numbers are strings in protobuf's JSON.
            Self::Success { rejected, message } => {
                json!({ "partialSuccess": { "rejectedSpans": rejected.to_string(), "errorMessage": message } })
            }
            Self::Failure { code, message } => json!({ "code": code, "message": message }),
        };
        json.to_string().into_bytes()
    }
}
