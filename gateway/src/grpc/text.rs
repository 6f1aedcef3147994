//! gRPC-Web's text form: base64 in segments.
//!
//! Clients may encode each message, or each piece of one, separately, so padding can occur in the middle of a body, and
//! HTTP may cut the text anywhere. tonic-web decodes whatever has arrived as one segment, which fails at such padding.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::BoxError;
use base64::{DecodeError, Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body::{Body, Frame};

/// A body that decodes another's base64.
pub(super) struct TextBody<B> {
    body: B,
    /// Up to three characters that the next piece continues.
    rest: Vec<u8>,
}

impl<B> TextBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, rest: Vec::new() }
    }

    fn decode(&mut self, piece: &[u8]) -> Result<Bytes, DecodeError> {
        self.rest.extend_from_slice(piece);
        let (quanta, rest) = self.rest.as_chunks::<4>();
        let mut decoded = Vec::with_capacity(quanta.len() * 3);
        for segment in quanta.split_inclusive(|quantum| quantum[3] == b'=') {
            STANDARD.decode_vec(segment.as_flattened(), &mut decoded)?;
        }
        self.rest = rest.to_vec();
        Ok(decoded.into())
    }
}

impl<B> Body for TextBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let decoded = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(text) => self.decode(&text).map_err(Into::into),
                Err(_) => return Poll::Ready(None),
            },
            Some(Err(error)) => Err(error.into()),
            None if self.rest.is_empty() => return Poll::Ready(None),
            None => {
                self.rest.clear();
                Err(DecodeError::InvalidLength(0).into())
            }
        };
        Poll::Ready(Some(decoded.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<Vec<u8>, DecodeError> {
        let mut body = TextBody::new(());
        let mut decoded = Vec::new();
        for piece in pieces {
            decoded.extend(body.decode(piece)?);
        }
        assert!(body.rest.is_empty(), "{:?}", body.rest);
        Ok(decoded)
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in ["AA*A", "=AAA", "A===", "AA=A", "AA==A=AA"] {
            assert!(decode(&[text.as_bytes()]).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn padded_segments_decode_however_they_are_cut(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6),
            size in 1_usize..9,
        ) {
            let text: String = messages.iter().map(|message| STANDARD.encode(message)).collect();
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(decode(&pieces).unwrap(), messages.concat());
        }
    }
}
