//! A tonic codec for RPCs that are known by their descriptors only.

use std::fmt;

use bytes::{Buf, BufMut, Bytes};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::{budget::RESPONSE_LIMIT, wire_cost};

/// Writes requests, which are encoded already, and reads responses of one RPC as [`DynamicMessage`]s.
#[derive(Clone)]
pub struct DynamicCodec {
    response: MessageDescriptor,
}

/// Writes encoded messages.
#[derive(Debug, Clone, Copy)]
pub struct BytesEncoder;

/// Reads messages of one type.
#[derive(Clone)]
pub struct DynamicDecoder {
    message: MessageDescriptor,
}

impl DynamicCodec {
    /// A codec for an RPC that returns `response`.
    pub fn new(response: MessageDescriptor) -> Self {
        Self { response }
    }
}

// By name only: see `Binding`.
impl fmt::Debug for DynamicCodec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("DynamicCodec").field(&self.response.full_name()).finish()
    }
}

impl fmt::Debug for DynamicDecoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("DynamicDecoder").field(&self.message.full_name()).finish()
    }
}

impl Codec for DynamicCodec {
    type Encode = Bytes;
    type Decode = DynamicMessage;
    type Encoder = BytesEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> BytesEncoder {
        BytesEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder { message: self.response.clone() }
    }
}

impl Encoder for BytesEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        octet_proto::codec::buffers()
    }
}

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let wire = buffer.copy_to_bytes(buffer.remaining());
        if !wire_cost::is_within_budget(&self.message, &wire) {
            return Err(Status::internal(format!(
                "the message exceeds the limit of {RESPONSE_LIMIT} bytes of memory when decoded"
            )));
        }
        // INTERNAL, as tonic-prost returns for a typed message.
        DynamicMessage::decode(self.message.clone(), wire)
            .map(Some)
            .map_err(|error| Status::internal(format!("cannot decode the message: {error}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        octet_proto::codec::buffers()
    }
}
