//! OTLP over HTTP (`POST /v1/traces`, in protobuf or JSON), and over gRPC.

mod grpc;
mod status;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};

use self::status::Answer;
use super::{
    Collector, Refusal,
    report::{self, Outcome, media_type},
};
use crate::store::Format;

/// OTLP's routes. Both of its ports serve them all: clients confuse the two.
pub(super) fn router() -> Router<Collector> {
    Router::new().route("/v1/traces", post(traces)).merge(grpc::router())
}

/// The encoding of a request, which is that of its answer.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn respond(self, status: StatusCode, answer: &Answer) -> Response {
        let (content_type, body) = match self {
            Self::Protobuf => ("application/x-protobuf", answer.protobuf()),
            Self::Json => ("application/json", answer.json()),
        };
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
    }

    fn refuse(self, Refusal { status, message }: Refusal) -> Response {
        let answer = Answer::Failure { code: grpc::code(status), message };
        let mut response = self.respond(status, &answer);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Answers 200, with the number of rejected spans where there are any; 400 where the request is no report.
async fn traces(State(collector): State<Collector>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let (encoding, format) = match &*media_type(&parts.headers) {
        b"application/x-protobuf" => (Encoding::Protobuf, Format::Otlp),
        b"application/json" => (Encoding::Json, Format::OtlpJson),
        _ => {
            let message = "Content-Type must be application/x-protobuf or application/json";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    };
    let received = collector.receive(format, &parts.headers, body).await;
    Ok(match received.and_then(answer) {
        Ok(answer) => encoding.respond(StatusCode::OK, &answer),
        Err(refusal) => encoding.refuse(refusal),
    })
}

/// The answer to a report that could be read to its end; spans before its fault are stored either way.
fn answer(Outcome { kept, errors }: Outcome) -> Result<Answer, Refusal> {
    if errors.broken.is_some() {
        let whole = octet_zipkin::Batch { malformed: Vec::new(), ..errors };
        return Err(Refusal::bad(report::message(&whole)));
    }
    let malformed = u64::try_from(errors.malformed_count).unwrap_or(u64::MAX);
    let rejected = malformed.saturating_add(kept.dropped);
    let message = if malformed > 0 {
        report::message(&errors)
    } else if kept.dropped > 0 {
        "the trace has more spans than the collector keeps of one trace".to_owned()
    } else {
        String::new()
    };
    Ok(Answer::Success { rejected, message })
}
