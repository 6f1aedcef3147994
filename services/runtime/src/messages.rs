//! The size limit of gRPC messages.
//!
//! tonic has such a limit too, and reports `OUT_OF_RANGE`, which a caller cannot tell from the peer's own status, nor a message
//! too large to send from one too large to receive.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A message beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message of {bytes} bytes exceeds the limit of {limit} bytes")]
pub struct TooLarge {
    bytes: usize,
    limit: usize,
}

/// A gRPC body that fails with [`TooLarge`] at the prefix of a message beyond the limit, before the message is read.
#[derive(Debug)]
pub struct Bounded<B> {
    body: B,
    limit: usize,
    position: Position,
}

/// The position in a sequence of "Length-Prefixed-Message" (gRPC over HTTP/2).
#[derive(Debug, Default)]
struct Position {
    /// Bytes of the prefix that were read: a flag, then the length in four bytes, big-endian.
    prefix: u8,
    length: usize,
    /// Bytes of the message that have not been read.
    remaining: usize,
}

impl<B> Bounded<B> {
    /// Passes messages of up to `limit` bytes.
    pub fn new(body: B, limit: usize) -> Self {
        Self { body, limit, position: Position::default() }
    }
}

impl Position {
    /// Advances by `data`. Returns the length of a message beyond `limit`.
    fn advance(&mut self, mut data: &[u8], limit: usize) -> Option<usize> {
        loop {
            let (message, rest) = data.split_at(self.remaining.min(data.len()));
            self.remaining -= message.len();
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
                *self = Self { prefix: 0, length: 0, remaining: self.length };
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
        let Self { body, limit, position } = &mut *self;
        let Some(frame) = ready!(Pin::new(body).poll_frame(context)) else { return Poll::Ready(None) };
        Poll::Ready(Some(frame.map_err(Into::into).and_then(|frame| {
            let too_large = frame.data_ref().and_then(|data| position.advance(data, *limit));
            too_large.map_or(Ok(frame), |bytes| Err(TooLarge { bytes, limit: *limit }.into()))
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

    fn advance(chunks: &[&[u8]]) -> Option<usize> {
        let mut position = Position::default();
        chunks.iter().find_map(|chunk| position.advance(chunk, 300))
    }

    #[test]
    fn each_message_is_measured_whatever_its_chunks() {
        let body = [&[0, 0, 0, 1, 44][..], &[7; 300], &[0; 5], &[1, 0, 0, 1, 45]].concat();
        assert_eq!(advance(&[&body]), Some(301));
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(advance(&bytes), Some(301));
        let whole = body.get(..body.len() - 1).unwrap_or_default();
        assert_eq!(advance(&[whole]), None, "the last length is incomplete");
        assert_eq!(advance(&[b"", &[0, 0xff, 0xff, 0xff], &[0xff]]), Some(0xffff_ffff));
    }
}
