//! Bytes in chunks of few sizes: memory that one body frees then fits any other. Buffers that grow by reallocation leave
//! holes of many sizes, which took as much memory again as the bodies themselves.

/// The sizes of chunks are powers of two between these.
const MIN_CHUNK: usize = 1024;
const MAX_CHUNK: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Chunks {
    parts: Vec<Vec<u8>>,
    length: usize,
    capacity: usize,
}

impl Chunks {
    /// The number of bytes.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The memory that they occupy.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The bytes of the first chunk: all, unless there are more than [`MIN_CHUNK`].
    pub(super) fn first(&self) -> &[u8] {
        self.parts.first().map_or(&[], Vec::as_slice)
    }

    pub(super) fn append(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let room = self.parts.last().map_or(0, |last| last.capacity() - last.len());
            if room == 0 {
                let size = (self.length + data.len()).next_power_of_two().clamp(MIN_CHUNK, MAX_CHUNK);
                let chunk = Vec::with_capacity(size);
                self.capacity += chunk.capacity();
                self.parts.push(chunk);
                continue;
            }
            let (fitting, rest) = data.split_at(room.min(data.len()));
            if let Some(last) = self.parts.last_mut() {
                last.extend_from_slice(fitting);
            }
            self.length += fitting.len();
            data = rest;
        }
    }

    /// All bytes in one buffer. Each chunk is freed once it is copied; a single one is returned as it is.
    pub(super) fn into_contiguous(mut self) -> Vec<u8> {
        if self.parts.len() < 2 {
            return self.parts.pop().unwrap_or_default();
        }
        let mut all = Vec::with_capacity(self.length);
        for chunk in self.parts {
            all.extend_from_slice(&chunk);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_order_in_pieces_of_any_size() {
        for piece in [1, 1000, 1024, 5000, MAX_CHUNK, 3 * MAX_CHUNK + 1] {
            let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
            let mut chunks = Chunks::default();
            for piece in bytes.chunks(piece) {
                chunks.append(piece);
            }
            assert_eq!(chunks.len(), bytes.len());
            assert!(chunks.parts.iter().all(|chunk| chunk.capacity() <= MAX_CHUNK), "{piece}");
            assert!(chunks.capacity() - chunks.len() < MAX_CHUNK, "no more than a chunk is unused");
            assert!(chunks.into_contiguous() == bytes, "{piece}");
        }
    }

    #[test]
    fn few_bytes_occupy_little() {
        let mut chunks = Chunks::default();
        assert_eq!(chunks.capacity(), 0);
        chunks.append(b"[]");
        assert_eq!(chunks.capacity(), MIN_CHUNK);
        assert_eq!(chunks.into_contiguous(), b"[]");
    }
}
