//! The answer of an RPC that streams: newline-delimited `{"result":…}`, the last one `{"error":…}` if it failed.

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
use octet_runtime::admission::Admitted;
use prost_reflect::DynamicMessage;
use tonic::{Code, Status};

use super::{
    Rest,
    failure::{error_line, line},
};
use crate::{
    edge::{self, Outcome},
    entry::{Answer, Step},
    held::Held,
    request_span::RequestSpan,
    transcode::{self, Binding},
};

/// An answer whose first message is there, or that has ended well without one.
///
/// It counts among the requests under way until its end, and is bound by its deadline, read or not.
pub(super) struct Lines {
    binding: Binding,
    answer: Answer<DynamicMessage>,
    metadata: HeaderMap,
    next: Option<Step<DynamicMessage>>,
    admitted: Admitted,
}

/// A stream under way.
struct Writing {
    binding: Binding,
    answer: Answer<DynamicMessage>,
    next: Option<Step<DynamicMessage>>,
    rest: Arc<Rest>,
    span: Option<RequestSpan>,
    outcome: Option<Outcome>,
}

impl Lines {
    /// Waits for the first message: until there is one, the status can still be the error's.
    pub(super) async fn begin(
        binding: &Binding,
        mut answer: Answer<DynamicMessage>,
        admitted: Admitted,
    ) -> Result<Self, Status> {
        let metadata = answer.metadata();
        let first = answer.step().await;
        if let Step::Failed(status) = first {
            return Err(status);
        }
        Ok(Self { binding: binding.clone(), answer, metadata, next: Some(first), admitted })
    }

    pub(super) fn into_response(
        self,
        rest: Arc<Rest>,
        span: RequestSpan,
        outcome: Option<Outcome>,
    ) -> Response {
        let Self { binding, answer, metadata, next, admitted } = self;
        let deadline = answer.deadline().instant();
        let passed = error_line(&rest.pool, &rest.entry.deadline_passed());
        let writing = Writing { binding, answer, next, rest, span: Some(span), outcome };
        let frames = stream::unfold(Some(Box::new(writing)), async |writing| {
            let mut writing = writing?;
            let (frame, goes_on) = writing.frame().await;
            Some((Ok::<_, Infallible>(frame), goes_on.then_some(writing)))
        });
        let lines = Body::new(StreamBody::new(Box::pin(frames)));
        let lines = Held::new(lines, admitted, deadline, Ok(Frame::data(passed.into())));
        let mut response = edge::json(Body::new(lines));
        // What stands between, and holds answers back until they are whole, need not for this one (nginx).
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        transcode::response_headers(&metadata, response.headers_mut());
        response
    }
}

impl Writing {
    /// The next line or the trailers, and whether anything follows.
    async fn frame(&mut self) -> (Frame<Bytes>, bool) {
        let step = match self.next.take() {
            Some(step) => step,
            None => self.answer.step().await,
        };
        match step {
            Step::Message(message) => match self.binding.response_json(&message) {
                Ok(json) => (Frame::data(line("result", &json).into()), true),
                Err(error) => {
                    tracing::warn!(?error, "an answer has no JSON form");
                    self.fail(&error.into())
                }
            },
            Step::Failed(status) => self.fail(&status),
            Step::End(trailers) => {
                let mut named = HeaderMap::new();
                transcode::response_trailers(&trailers.into_headers(), &mut named);
                self.end(Code::Ok);
                (Frame::trailers(named), false)
            }
        }
    }

    fn fail(&mut self, status: &Status) -> (Frame<Bytes>, bool) {
        self.end(status.code());
        (Frame::data(error_line(&self.rest.pool, status).into()), false)
    }

    fn end(&mut self, code: Code) {
        if let Some(outcome) = &self.outcome {
            outcome.tell(code);
        }
        if let Some(span) = self.span.take() {
            span.end(transcode::http_status(code));
        }
    }
}

impl Drop for Writing {
    /// An answer that nobody reads is dropped at its deadline: then that is how its call ended.
    fn drop(&mut self) {
        if self.span.is_some() && self.answer.deadline().has_passed() {
            self.end(Code::DeadlineExceeded);
        }
    }
}
