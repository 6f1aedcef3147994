//! How large a message of gRPC may be.
//!
//! tonic has such a limit too, and answers `OUT_OF_RANGE` in the peer's place: its caller cannot tell that from the peer's own
//! word, nor a message too large to send from one too large to take.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A message that is too large to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of {bytes} bytes: at most {limit} are taken")]
pub struct TooLarge {
    bytes: usize,
    limit: usize,
}

/// A body of gRPC's messages that fails with [`TooLarge`] where a larger one begins: before it is read.
#[derive(Debug)]
pub struct Bounded<B> {
    body: B,
    limit: usize,
    place: Place,
}

/// Where in "Length-Prefixed-Message" (gRPC over HTTP/2) a body stands.
#[derive(Debug, Default)]
struct Place {
    /// Bytes of the prefix that were read: a flag and four of the length, the highest first.
    prefix: u8,
    length: usize,
    /// Bytes of the message that still come.
    left: usize,
}

impl<B> Bounded<B> {
    /// Lets messages of at most `limit` bytes pass.
    pub fn new(body: B, limit: usize) -> Self {
        Self { body, limit, place: Place::default() }
    }
}

impl Place {
    /// Goes on by `data`; answers with the length of a message beyond `limit`.
    fn follow(&mut self, mut data: &[u8], limit: usize) -> Option<usize> {
        loop {
            let (message, rest) = data.split_at(self.left.min(data.len()));
            self.left -= message.len();
            let (byte, rest) = rest.split_first()?;
            data = rest;
            if self.prefix > 0 {
                self.length = self.length << 8 | usize::from(*byte);
            }
            self.prefix += 1;
            if self.prefix == 5 {
                if self.length > limit {
                    return Some(self.length);
                }
                *self = Self { prefix: 0, length: 0, left: self.length };
            }
        }
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { body, limit, place } = &mut *self;
        let Some(frame) = ready!(Pin::new(body).poll_frame(context)) else { return Poll::Ready(None) };
        Poll::Ready(Some(frame.map_err(Into::into).and_then(|frame| {
            let beyond = frame.data_ref().and_then(|data| place.follow(data, *limit));
            beyond.map_or(Ok(frame), |bytes| Err(TooLarge { bytes, limit: *limit }.into()))
        })))
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

    fn follow(pieces: &[&[u8]]) -> Option<usize> {
        let mut place = Place::default();
        pieces.iter().find_map(|piece| place.follow(piece, 300))
    }

    #[test]
    fn each_message_is_measured_however_its_bytes_come() {
        let body = [&[0, 0, 0, 1, 44][..], &[7; 300], &[0; 5], &[1, 0, 0, 1, 45]].concat();
        assert_eq!(follow(&[&body]), Some(301));
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(follow(&bytes), Some(301));
        let whole = body.get(..body.len() - 1).unwrap_or_default();
        assert_eq!(follow(&[whole]), None, "the last length is not all there");
        assert_eq!(follow(&[b"", &[0, 0xff, 0xff, 0xff], &[0xff]]), Some(0xffff_ffff));
    }
}
