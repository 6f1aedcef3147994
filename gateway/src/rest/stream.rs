//! The response of a streaming RPC, a frame for each message.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use prost_reflect::DynamicMessage;

use super::{Failure, Rest, failure::error_json, framing::Framing, response_json};
use crate::{
    deadline_body::{DeadlineBody, Limit},
    entry::{Event, ResponseStream},
    transcode::{self, Binding},
};

/// A streaming response in progress.
struct Messages {
    rest: Arc<Rest>,
    binding: Binding,
    framing: Framing,
    stream: ResponseStream<DynamicMessage>,
    first: Option<Event<DynamicMessage>>,
    /// Set at the end.
    trailers: Option<HeaderMap>,
}

/// Waits for the first message: until there is one, the HTTP status can still be the error's.
///
/// The response ends at its deadline, or when its client stops reading.
pub(super) async fn messages(
    rest: &Arc<Rest>,
    binding: &Binding,
    framing: Framing,
    mut stream: ResponseStream<DynamicMessage>,
) -> Result<Response, Failure> {
    let metadata = stream.take_metadata();
    let first = match stream.next().await {
        Event::Failed(status) => return Err(framing.failure(status)),
        first => Some(first),
    };
    let limit = Limit { deadline: stream.deadline().instant(), unread: rest.limits.body_timeout };
    let passed = framing.error(&error_json(&rest.pool, &rest.entry.deadline_passed()));
    let messages =
        Messages { rest: rest.clone(), binding: binding.clone(), framing, stream, first, trailers: None };
    let frames = stream::unfold(Some(Box::new(messages)), async |messages| {
        let mut messages = messages?;
        let (frame, continues) = messages.frame().await;
        Some((Ok::<_, Infallible>(frame), continues.then_some(messages)))
    });
    let body = Body::new(StreamBody::new(Box::pin(frames)));
    let body = DeadlineBody::of_call(body, (), limit, Ok(Frame::data(passed.into())), &rest.unread);
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, framing.content_type());
    // Proxies such as nginx would otherwise buffer the response until it is complete.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    transcode::response_headers(&metadata, headers);
    Ok(response)
}

impl Messages {
    /// The next frame, and whether anything follows.
    async fn frame(&mut self) -> (Frame<Bytes>, bool) {
        if let Some(trailers) = self.trailers.take() {
            return (Frame::trailers(trailers), false);
        }
        let event = match self.first.take() {
            Some(event) => event,
            None => self.stream.next().await,
        };
        let status = match event {
            Event::Message(message) => match response_json(&self.binding, &message) {
                Ok(json) => return (Frame::data(self.framing.message(&json).into()), true),
                Err(status) => status,
            },
            Event::End(trailers) => {
                let mut named = HeaderMap::new();
                transcode::response_trailers(&trailers.into_headers(), &mut named);
                self.stream.end(Ok(()));
                return match self.framing.end(&named) {
                    Some(end) => {
                        self.trailers = Some(named);
                        (Frame::data(end.into()), true)
                    }
                    None => (Frame::trailers(named), false),
                };
            }
            Event::Failed(status) => status,
        };
        self.stream.end(Err(&status));
        let error = error_json(&self.rest.pool, &status);
        (Frame::data(self.framing.error(&error).into()), false)
    }
}
