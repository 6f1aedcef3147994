//! The protos of requests and responses: Octet's own, and the gateway's test proto, which has every kind of field and of
//! rule.

use std::{path::Path, sync::LazyLock};

use http::Method;
use octet_gateway::transcode::{Lookup, RequestError, Routes};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

/// `library.v1`.
pub(crate) static LIBRARY: LazyLock<(DescriptorPool, Routes)> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [here.join("../gateway/tests/proto"), here.join("../proto")];
    let mut compiler = protox::Compiler::new(folders).expect("the folders exist");
    compiler.include_imports(true).open_file("library.proto").expect("it compiles");
    with_routes(&compiler.encode_file_descriptor_set())
});

/// `greeting.v3`.
pub(crate) static GREETING: LazyLock<(DescriptorPool, Routes)> =
    LazyLock::new(|| with_routes(octet_proto::DESCRIPTOR_SET));

fn with_routes(descriptors: &[u8]) -> (DescriptorPool, Routes) {
    let pool = DescriptorPool::decode(descriptors).expect("descriptors");
    let routes = Routes::from_pool(&pool).expect("the rules are valid");
    (pool, routes)
}

/// A type by its full name.
pub(crate) fn message(pool: &DescriptorPool, name: &str) -> MessageDescriptor {
    pool.get_message_by_name(name).expect("the message exists")
}

/// The message that a request to a path of `library.v1` becomes.
pub(crate) fn request(
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: &[u8],
) -> Result<DynamicMessage, RequestError> {
    match LIBRARY.1.find(method, path) {
        Lookup::Found(found) => found.request(query, body),
        other => panic!("{method} {path}: {other:?}"),
    }
}
