//! The compiled test protos, and requests to their routes.

use std::{path::Path, sync::OnceLock};

use http::Method;
use octet_gateway::transcode::{Lookup, Routes};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

/// Compiles a file of `tests/proto` with its HTTP rules, which `protox::compile` would drop.
pub(crate) fn compiled(file: &str) -> DescriptorPool {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler =
        protox::Compiler::new([here.join("tests/proto"), here.join("../proto")]).expect("the folders exist");
    compiler.include_imports(true).open_file(file).expect("it compiles");
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("it decodes")
}

pub(crate) fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| compiled("library.proto"))
}

pub(crate) fn routes() -> &'static Routes {
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    ROUTES.get_or_init(|| Routes::from_pool(pool()).expect("the rules are valid"))
}

pub(crate) fn message(name: &str) -> MessageDescriptor {
    pool().get_message_by_name(&format!("library.v1.{name}")).expect("the message exists")
}

pub(crate) fn from_json(name: &str, json: &Value) -> DynamicMessage {
    DynamicMessage::deserialize(message(name), json).expect("it is the message's JSON")
}

/// The message that a request becomes, or the text of the error.
pub(crate) fn request(method: &Method, target: &str, body: &[u8]) -> Result<DynamicMessage, String> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    match routes().find(method, path) {
        Lookup::Found(found) => found.request(query, body).map_err(|error| error.to_string()),
        other => panic!("{method} {target}: {other:?}"),
    }
}

/// The set fields of that message as JSON.
pub(crate) fn request_json(method: &Method, target: &str, body: &str) -> Result<Value, String> {
    request(method, target, body.as_bytes())
        .map(|message| serde_json::to_value(message).expect("a request has a JSON form"))
}

pub(crate) fn get(target: &str) -> Result<Value, String> {
    request_json(&Method::GET, target, "")
}
