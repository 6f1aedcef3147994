//! Bytes in blocks of one size.
//!
//! A vector that grows to many MiB is copied to ever larger places, and leaves the smaller ones behind: a few large responses
//! at once took more than twice their size. Blocks are used again.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

const BLOCK: usize = 64 * 1024;

/// The bytes that were added and, as a body, have not been read.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Vec<u8>>,
    length: usize,
}

impl Blocks {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn extend(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let space = self.blocks.back().map_or(0, |block| BLOCK - block.len());
            if space == 0 {
                self.blocks.push_back(Vec::with_capacity(BLOCK));
                continue;
            }
            let (fitting, rest) = bytes.split_at(space.min(bytes.len()));
            if let Some(block) = self.blocks.back_mut() {
                block.extend_from_slice(fitting);
            }
            bytes = rest;
        }
    }

    /// All bytes in one place.
    pub(super) fn joined(&self) -> Vec<u8> {
        let mut joined = Vec::with_capacity(self.length);
        for block in &self.blocks {
            joined.extend_from_slice(block);
        }
        joined
    }
}

impl Body for Blocks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let block = self.blocks.pop_front();
        self.length -= block.as_ref().map_or(0, Vec::len);
        Poll::Ready(block.map(|block| Ok(Frame::data(block.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.length).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3 * BLOCK + 5).collect();
        for piece in [1_000, BLOCK, BLOCK + 1, bytes.len()] {
            let mut blocks = Blocks::default();
            for piece in bytes.chunks(piece) {
                blocks.extend(piece);
            }
            assert_eq!((blocks.len(), blocks.blocks.len()), (bytes.len(), 4));
            assert_eq!(blocks.joined(), bytes);
            assert_eq!(blocks.collect().await.unwrap().to_bytes(), bytes);
        }
        assert!(Blocks::default().is_end_stream());
    }
}
