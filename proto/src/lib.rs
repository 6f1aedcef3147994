//! Octet's protocol: the generated types, clients and servers of `greeting.v3` and `grpc.health.v1`, and the descriptor
//! sets.
//!
//! Contains only generated code, its codec and the descriptor sets: conversions to and from domain types belong to the crate
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

/// Packages of gRPC's own.
pub mod grpc {
    /// Health checking.
    pub mod health {
        /// `grpc/health/v1/health.proto`.
        #[allow(clippy::pedantic, missing_docs, unreachable_pub, unused_qualifications)]
        pub mod v1 {
            tonic::include_proto!("grpc.health.v1");
        }
    }
}

/// The serialized `google.protobuf.FileDescriptorSet` of the served .proto files.
///
/// It includes imports, comments and the `google.api.http` options, so that reflection knows every symbol and the gateway its
/// routes.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

/// The descriptor set of `grpc.health.v1`, for reflection.
pub const HEALTH_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/health.binpb"));
