//! Octet's protocol: the generated types, client and server of `greeting.v3`, and the descriptor set.
//!
//! Contains only generated code, its codec and the descriptor set: conversions to and from domain types belong to the crate
//! of the domain type.

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
/// It includes imports, comments and the `google.api.http` options, so that reflection knows every symbol and the gateway its
/// routes.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
