//! `/openapi.json`: the REST side as an OpenAPI 3.1 document, made of the descriptors and their comments.
//!
//! What cannot be said there is left out: methods that OpenAPI has no name for, and RPCs that take a stream.

mod comments;
mod operation;
mod query;
mod sample;
mod schema;

use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use self::{comments::Comments, operation::Operations, schema::Schemas};
use crate::transcode::Routes;

/// The gateway's own endpoints, written by hand.
const EDGE: &str = include_str!("openapi/edge.json");

const DESCRIPTION: &str = "Octet's services over REST. Every operation is an RPC's HTTP rule (`google.api.http`); \
    gRPC and gRPC-Web are served on the same port.\n\n\
    `Grpc-Timeout` (`100m`, `5S`) sets a request's deadline, `Grpc-Metadata-*` its metadata; trace headers pass. \
    Answers carry `x-request-id`, and the RPC's metadata as `Grpc-Metadata-*` and `Grpc-Trailer-*`. \
    Every error has the same body, whoever answers it.";

/// The document of all `routes`, whose messages are in `pool`.
///
/// # Errors
/// Only a fault of the document's own, hand-written part, which a test would have seen.
pub fn document(pool: &DescriptorPool, routes: &Routes) -> Result<Value, serde_json::Error> {
    let Edge { mut paths, schemas: edge_schemas } = serde_json::from_str(EDGE)?;
    let comments = Comments::of(pool);
    let mut schemas = Schemas::new(&comments);
    let mut operations = Operations::new(&comments);
    for binding in routes.bindings() {
        operations.add(binding, &mut schemas);
    }
    // The edge answers its own paths first.
    for (path, item) in operations.into_paths() {
        paths.entry(path).or_insert(item);
    }
    let mut components = schemas.into_components();
    components.extend(edge_schemas);
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Octet",
            "version": octet_runtime::identity::VERSION,
            "description": DESCRIPTION,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": operation::tags(pool, &comments),
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": { "Error": operation::error_response() },
        },
    }))
}

#[derive(serde::Deserialize)]
struct Edge {
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
}
