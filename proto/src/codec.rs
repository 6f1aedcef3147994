//! The codec of the generated client and server.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Initial bytes of each message's buffer, which grows up to the message limits.
///
/// tonic's default of 8 KiB exceeds what allocators cache per thread: four such buffers per hop used a tenth of the mesh's
/// CPU. From 1,008 bytes on, glibc consolidates its free lists first. Most responses fit.
const INITIAL_BUFFER: usize = 1000;

/// Bytes after which a stream sends its buffer; tonic's own default.
const YIELD_THRESHOLD: usize = 32 * 1024;

/// The buffer settings of every codec of Octet.
pub fn buffers() -> BufferSettings {
    BufferSettings::new(INITIAL_BUFFER, YIELD_THRESHOLD)
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
