//! `/openapi.json`: the REST API as an OpenAPI 3.1 document, built from the descriptors and their comments.
//!
//! Left out are HTTP methods that OpenAPI does not know, and RPCs with a client stream, which REST does not serve.

mod comments;
mod operation;
mod query;
mod sample;
mod schema;

use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use self::{comments::Comments, operation::Operations, schema::Schemas};
use crate::transcode::Routes;

/// The gateway's own endpoints.
const EDGE: &str = include_str!("openapi/edge.json");

const DESCRIPTION: &str = "Octet's services over REST. Every operation is an RPC with an HTTP rule (`google.api.http`). \
    The same port serves gRPC and gRPC-Web.\n\n\
    `Grpc-Timeout` (`100m`, `5S`) sets a request's deadline, `Grpc-Metadata-*` its metadata; trace headers pass. \
    Responses have `x-request-id`, and the RPC's metadata as `Grpc-Metadata-*` and `Grpc-Trailer-*`. \
    Every error has the same body.";

/// The document for all `routes`, whose messages are in `pool`.
///
/// # Errors
/// Only when `edge.json` is malformed, which a test would find.
pub fn document(pool: &DescriptorPool, routes: &Routes) -> Result<Value, serde_json::Error> {
    let Edge { mut paths, schemas: edge_schemas } = serde_json::from_str(EDGE)?;
    let comments = Comments::of(pool);
    let mut schemas = Schemas::new(&comments);
    let mut operations = Operations::new(&comments);
    for binding in routes.bindings() {
        operations.add(binding, &mut schemas);
    }
    // The gateway's own endpoints win over rules for the same path.
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
