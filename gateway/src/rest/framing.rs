//! How the messages of a streaming RPC are framed in an HTTP response.

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value};
use tonic::Status;

use super::Failure;
use crate::edge::is_refusal;

/// The form of a streaming response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Newline-delimited JSON, as in grpc-gateway: `{"result":…}`, the last one `{"error":…}` if the stream failed.
    Lines,
    /// Server-sent events (WHATWG HTML, section 9.2): unnamed events for messages, then one `end` or `error` event, so
    /// that a browser's `EventSource` knows when to close: it would otherwise connect again.
    Events,
}

impl Framing {
    /// Server-sent events where `Accept` names them, lines otherwise.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut ranges = values.flat_map(|value| value.split(','));
        if ranges.any(is_event_stream) { Self::Events } else { Self::Lines }
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Lines => "application/json",
            Self::Events => "text/event-stream",
        })
    }

    /// A stream that failed before its first message.
    pub(super) fn failure(self, status: Status) -> Failure {
        match self {
            Self::Lines => Failure::of_stream(status),
            Self::Events => status.into(),
        }
    }

    /// A message; its JSON has no line breaks.
    pub(super) fn message(self, json: &[u8]) -> Vec<u8> {
        match self {
            Self::Lines => line("result", json),
            Self::Events => [b"data: ", json, b"\n\n"].concat(),
        }
    }

    /// The last frame of a stream that failed.
    pub(super) fn error(self, json: &[u8]) -> Vec<u8> {
        match self {
            Self::Lines => line("error", json),
            Self::Events => event("error", json),
        }
    }

    /// The frame before the trailers, if the form has one. Scripts in a browser cannot read HTTP trailers, so an `end`
    /// event repeats them.
    pub(super) fn end(self, trailers: &HeaderMap) -> Option<Vec<u8>> {
        match self {
            Self::Lines => None,
            Self::Events => Some(event("end", fields(trailers).to_string().as_bytes())),
        }
    }
}

/// A line of a stream.
pub(super) fn line(name: &str, json: &[u8]) -> Vec<u8> {
    [b"{\"", name.as_bytes(), b"\":", json, b"}\n"].concat()
}

fn event(name: &str, json: &[u8]) -> Vec<u8> {
    [b"event: ", name.as_bytes(), b"\ndata: ", json, b"\n\n"].concat()
}

/// The fields as a JSON object. Values of one name are joined by commas, as HTTP allows.
fn fields(headers: &HeaderMap) -> Value {
    let fields = headers.keys().map(|name| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        (name.to_string(), Value::String(values.collect::<Vec<_>>().join(", ")))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Whether a media range is `text/event-stream` with a weight above zero.
fn is_event_stream(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("text/event-stream"));
    is_named && !parts.any(is_refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_names_event_streams_receives_events() {
        for (accept, expected) in [
            ("text/event-stream", Framing::Events),
            ("application/json, Text/Event-Stream;q=0.5", Framing::Events),
            ("text/event-stream;q=0, */*", Framing::Lines),
            ("text/*", Framing::Lines),
            ("*/*", Framing::Lines),
            ("", Framing::Lines),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(Framing::accepted(&headers), expected, "{accept}");
        }
        assert_eq!(Framing::accepted(&HeaderMap::new()), Framing::Lines);
    }

    #[test]
    fn an_end_event_repeats_the_trailers() {
        let mut trailers = HeaderMap::new();
        trailers.append("grpc-trailer-a", HeaderValue::from_static("1"));
        trailers.append("grpc-trailer-a", HeaderValue::from_bytes(b"\xe9").unwrap());
        let end = String::from_utf8(Framing::Events.end(&trailers).unwrap()).unwrap();
        assert_eq!(end, "event: end\ndata: {\"grpc-trailer-a\":\"1, \u{fffd}\"}\n\n");
        assert_eq!(Framing::Lines.end(&trailers), None);
    }
}
