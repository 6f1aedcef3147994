//! Bounds the streams that stay open for as long as their caller likes: health watches and reflection.

use std::{
    collections::HashMap,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use octet_runtime::serve::Peer;
use tonic::Status;

/// The maximum number of open streams, of one caller and of all. Behind a sidecar, all callers have one address.
const MAX_PER_CALLER: usize = 100;
const MAX_STREAMS: usize = 1_000;

/// The open streams by caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<Option<IpAddr>, usize>>>);

/// Counts one stream until it is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    streams: Streams,
    caller: Option<IpAddr>,
}

impl Streams {
    /// Opens a stream for the caller of `request`.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many are open.
    pub(crate) fn open<B>(&self, request: &Request<B>) -> Result<Stream, Status> {
        let caller = request.extensions().get::<Peer>().map(|Peer(address)| address.ip().to_canonical());
        let mut open = self.lock();
        if open.values().sum::<usize>() >= MAX_STREAMS {
            return Err(Status::resource_exhausted(format!("more than {MAX_STREAMS} streams are open")));
        }
        let own = open.entry(caller).or_default();
        if *own >= MAX_PER_CALLER {
            return Err(Status::resource_exhausted(format!(
                "more than {MAX_PER_CALLER} streams of one caller are open"
            )));
        }
        *own += 1;
        drop(open);
        Ok(Stream { streams: self.clone(), caller })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// Counts the stream until the response's body ends or is dropped.
    pub(crate) fn hold(self, response: Response<tonic::body::Body>) -> Response<tonic::body::Body> {
        response.map(|body| tonic::body::Body::new(Held { body, _stream: self }))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some(own) = open.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

struct Held {
    body: tonic::body::Body,
    _stream: Stream,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(caller: &str) -> Request<()> {
        let mut request = Request::new(());
        request.extensions_mut().insert(Peer(format!("{caller}:4711").parse().unwrap()));
        request
    }

    #[test]
    fn streams_are_bounded_by_caller_and_in_all_until_they_end() {
        let streams = Streams::default();
        let mut open: Vec<_> =
            (0..MAX_PER_CALLER).map(|_| streams.open(&request("192.0.2.1")).unwrap()).collect();
        let refused = streams.open(&request("[::ffff:192.0.2.1]")).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        for caller in 2..=10 {
            let caller = request(&format!("192.0.2.{caller}"));
            open.extend((0..MAX_PER_CALLER).map(|_| streams.open(&caller).unwrap()));
        }
        streams.open(&request("192.0.2.11")).expect_err("too many in all");
        open.remove(0);
        streams.open(&request("192.0.2.1")).expect("room again");
        drop(open);
        assert!(streams.lock().is_empty(), "callers without streams are forgotten");
    }
}
