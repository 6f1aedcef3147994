//! The codec that the generated client and server use.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Bytes of the buffer that each message begins with, in and out; it grows as it must, up to the message limits.
///
/// tonic's own 8 KiB are beyond what allocators keep at hand for a thread: four such buffers a hop were a tenth
/// of the mesh's CPU. From 1,008 bytes on, glibc tidies its free lists before it looks for room. Most answers fit in this.
const FIRST_BUFFER: usize = 1000;

/// Bytes after which a stream hands on what it has; tonic's own default.
const YIELD_THRESHOLD: usize = 32 * 1024;

/// How every codec of Octet treats its buffers.
pub fn buffers() -> BufferSettings {
    BufferSettings::new(FIRST_BUFFER, YIELD_THRESHOLD)
}

/// Protobuf by prost, with [`buffers`].
#[derive(Debug, Clone)]
pub struct SmallBuffers<Encode, Decode>(PhantomData<(Encode, Decode)>);

impl<Encode, Decode> Default for SmallBuffers<Encode, Decode> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, D> Codec for SmallBuffers<E, D>
where
    E: Message + Send + 'static,
    D: Message + Default + Send + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = ProstEncoder<E>;
    type Decoder = ProstDecoder<D>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<E, D>::raw_encoder(buffers())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<E, D>::raw_decoder(buffers())
    }
}
