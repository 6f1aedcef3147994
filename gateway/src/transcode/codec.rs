//! A tonic codec for messages that are known by their descriptors only.

use std::fmt;

use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Writes requests and reads responses of one RPC, unary or streaming, as [`DynamicMessage`]s.
#[derive(Clone)]
pub struct DynamicCodec {
    response: MessageDescriptor,
}

/// Writes messages.
#[derive(Debug, Clone, Copy)]
pub struct DynamicEncoder;

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
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder { message: self.response.clone() }
    }
}

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message
            .encode(buffer)
            .map_err(|error| Status::internal(format!("cannot encode the message: {error}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        octet_proto::codec::buffers()
    }
}

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        // INTERNAL, as tonic-prost returns for a typed message.
        DynamicMessage::decode(self.message.clone(), buffer)
            .map(Some)
            .map_err(|error| Status::internal(format!("cannot decode the message: {error}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        octet_proto::codec::buffers()
    }
}
