//! Octet's protocol: the generated types, client and server of `greeting.v3`, and the descriptor set.
//!
//! Nothing but generated code, its codec and the bytes beside it: conversions to and from domain types belong to
//! the crate that owns the domain type.

pub mod codec;

/// Package `greeting.v3`.
pub mod greeting {
    /// `greeting/v3/greeting.proto`.
    #[allow(clippy::pedantic, missing_docs, unreachable_pub, unused_qualifications)]
    pub mod v3 {
        tonic::include_proto!("greeting.v3");
    }
}

/// The serialized `google.protobuf.FileDescriptorSet` of the served .proto files.
///
/// Imports, comments and the `google.api.http` options are kept, so that reflection can answer for
/// every symbol and the gateway can read its routes.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
