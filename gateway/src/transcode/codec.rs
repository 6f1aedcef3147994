//! A tonic codec for RPCs that are known by their descriptors only.

use std::fmt;

use bytes::{Buf, Bytes};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};

use super::{budget::RESPONSE_LIMIT, wire_cost};
use crate::bytes_codec::BytesCodec;

/// Writes requests, which are encoded already, and reads responses of one RPC as [`DynamicMessage`]s.
#[derive(Clone)]
pub struct DynamicCodec {
    response: MessageDescriptor,
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

impl Codec for DynamicCodec {
    type Encode = Bytes;
    type Decode = DynamicMessage;
    type Encoder = BytesCodec;
    type Decoder = Self;

    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let wire = buffer.copy_to_bytes(buffer.remaining());
        if !wire_cost::is_within_budget(&self.response, &wire) {
            return Err(Status::internal(format!(
                "the message exceeds the limit of {RESPONSE_LIMIT} bytes of memory when decoded"
            )));
        }
        // INTERNAL, as tonic-prost returns for a typed message.
        DynamicMessage::decode(self.response.clone(), wire)
            .map(Some)
            .map_err(|error| Status::internal(format!("cannot decode the message: {error}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        octet_proto::codec::buffers()
    }
}
