//! The response of a streaming RPC: newline-delimited `{"result":…}`, the last one `{"error":…}` if it failed.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use prost_reflect::DynamicMessage;

use super::{
    Failure, Rest,
    failure::{error_line, line},
    response_json,
};
use crate::{
    deadline_body::{DeadlineBody, Limit},
    edge,
    entry::{Event, ResponseStream},
    transcode::{self, Binding},
};

/// A streaming response in progress.
struct Lines {
    rest: Arc<Rest>,
    binding: Binding,
    stream: ResponseStream<DynamicMessage>,
    first: Option<Event<DynamicMessage>>,
}

/// Waits for the first message: until there is one, the HTTP status can still be the error's.
///
/// The response ends at its deadline, or when its client stops reading.
pub(super) async fn lines(
    rest: &Arc<Rest>,
    binding: &Binding,
    mut stream: ResponseStream<DynamicMessage>,
) -> Result<Response, Failure> {
    let metadata = stream.take_metadata();
    let first = match stream.next().await {
        Event::Failed(status) => return Err(Failure::of_stream(status)),
        first => Some(first),
    };
    let limit = Limit { deadline: stream.deadline().instant(), unread: rest.limits.body_timeout };
    let passed = error_line(&rest.pool, &rest.entry.deadline_passed());
    let lines = Lines { rest: rest.clone(), binding: binding.clone(), stream, first };
    let frames = stream::unfold(Some(Box::new(lines)), async |lines| {
        let mut lines = lines?;
        let (frame, continues) = lines.frame().await;
        Some((Ok::<_, Infallible>(frame), continues.then_some(lines)))
    });
    let body = Body::new(StreamBody::new(Box::pin(frames)));
    let body = DeadlineBody::of_call(body, (), limit, Ok(Frame::data(passed.into())), &rest.unread);
    let mut response = edge::json(Body::new(body));
    // Proxies such as nginx would otherwise buffer the response until it is complete.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    transcode::response_headers(&metadata, response.headers_mut());
    Ok(response)
}

impl Lines {
    /// The next line or the trailers, and whether anything follows.
    async fn frame(&mut self) -> (Frame<Bytes>, bool) {
        let event = match self.first.take() {
            Some(event) => event,
            None => self.stream.next().await,
        };
        let status = match event {
            Event::Message(message) => match response_json(&self.binding, &message) {
                Ok(json) => return (Frame::data(line("result", &json).into()), true),
                Err(status) => status,
            },
            Event::End(trailers) => {
                let mut named = HeaderMap::new();
                transcode::response_trailers(&trailers.into_headers(), &mut named);
                self.stream.end(Ok(()));
                return (Frame::trailers(named), false);
            }
            Event::Failed(status) => status,
        };
        self.stream.end(Err(&status));
        (Frame::data(error_line(&self.rest.pool, &status).into()), false)
    }
}
