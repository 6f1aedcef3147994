//! HTTP rules as OpenAPI operations.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, FieldDescriptor};
use serde_json::{Map, Value, json};

use super::{
    comments::{Comments, summary},
    query, sample,
    schema::{Schemas, Side},
};
use crate::transcode::{Binding, Body, OpenPath, PathParameter};

/// The HTTP methods that OpenAPI 3.1 knows.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Operations by path. To OpenAPI, two paths of one shape are the same, so the first one names the parameters.
pub(super) struct Operations<'c> {
    comments: &'c Comments,
    /// By shape: the path and its operations by method.
    paths: BTreeMap<String, (OpenPath, Map<String, Value>)>,
    /// The number of operations of each RPC.
    numbers: BTreeMap<String, usize>,
}

impl<'c> Operations<'c> {
    pub(super) fn new(comments: &'c Comments) -> Self {
        Self { comments, paths: BTreeMap::new(), numbers: BTreeMap::new() }
    }

    pub(super) fn into_paths(self) -> impl Iterator<Item = (String, Value)> {
        self.paths.into_values().map(|(open, methods)| (open.path, Value::Object(methods)))
    }

    pub(super) fn add(&mut self, binding: &Binding, schemas: &mut Schemas<'_>) {
        let Some(method) = binding.method().map(|method| method.as_str().to_ascii_lowercase()) else {
            return;
        };
        if !METHODS.contains(&method.as_str()) || binding.rpc().is_client_streaming() {
            return;
        }
        let own = binding.template().open_path();
        let (open, _) = self.paths.entry(own.shape.clone()).or_insert_with(|| (own.clone(), Map::new()));
        let names = open.parameters.iter().map(|parameter| parameter.name.clone());
        let renamed = own.parameters.into_iter().zip(names);
        let parameters = renamed.map(|(parameter, name)| PathParameter { name, ..parameter });
        let parameters = parameters.collect::<Vec<_>>();

        let operation = self.operation(binding, &parameters, schemas);
        if let Some((_, methods)) = self.paths.get_mut(&own.shape) {
            // Bindings come most specific first.
            methods.entry(method).or_insert(operation);
        }
    }

    fn operation(&mut self, binding: &Binding, path: &[PathParameter], schemas: &mut Schemas<'_>) -> Value {
        let rpc = binding.rpc();
        let number = self.numbers.entry(rpc.full_name().to_owned()).or_insert(0);
        *number += 1;
        let id =
            if *number == 1 { rpc.full_name().to_owned() } else { format!("{}-{number}", rpc.full_name()) };
        let comment = self.comments.at(&rpc.parent_service().parent_file(), rpc.path());
        let mut parameters: Vec<_> = path.iter().map(|one| self.path_parameter(binding, one)).collect();
        parameters.extend(query::parameters(binding, schemas));

        let mut operation = json!({
            "operationId": id,
            "tags": [rpc.parent_service().full_name()],
            "summary": if comment.is_empty() { rpc.name() } else { summary(comment) },
            "description": if comment.is_empty() { rpc.full_name() } else { comment },
            "parameters": parameters,
            "responses": {
                "200": self.response(binding, schemas),
                "default": { "$ref": "#/components/responses/Error" },
            },
        });
        if let (Some(body), Some(object)) = (self.body(binding, schemas), operation.as_object_mut()) {
            object.insert("requestBody".to_owned(), body);
        }
        operation
    }

    fn path_parameter(&self, binding: &Binding, parameter: &PathParameter) -> Value {
        let capture = parameter.variable.and_then(|index| binding.captures().get(index));
        let field = capture.and_then(|capture| capture.field());
        let comment = field.map_or("", |field| self.field_comment(field));
        let schema = match field {
            Some(field) if parameter.is_whole && !parameter.is_rest => query::text(&field.kind()),
            _ => json!({ "type": "string" }),
        };
        let part = capture.map_or_else(
            || "Any path segment.".to_owned(),
            |capture| format!("A segment of `{}`.", capture.name()),
        );
        let mut description = if parameter.is_whole { comment.to_owned() } else { part };
        if parameter.is_rest {
            description += " It can contain slashes.";
        }
        let mut written = json!({ "name": parameter.name, "in": "path", "required": true, "schema": schema });
        if let Some(object) = written.as_object_mut().filter(|_| !description.is_empty()) {
            object.insert("description".to_owned(), json!(description.trim()));
        }
        written
    }

    fn field_comment(&self, field: &FieldDescriptor) -> &str {
        self.comments.at(&field.parent_message().parent_file(), field.path())
    }

    fn body(&self, binding: &Binding, schemas: &mut Schemas<'_>) -> Option<Value> {
        let (schema, example) = match binding.body() {
            Body::Ignored => return None,
            Body::Message => {
                let input = binding.input();
                (schemas.message(input, Side::Request), sample::message(input, self.comments))
            }
            Body::Field(field) => (schemas.field(field, Side::Request), sample::field(field, self.comments)),
        };
        Some(json!({ "content": { "application/json": { "schema": schema, "example": example } } }))
    }

    fn response(&self, binding: &Binding, schemas: &mut Schemas<'_>) -> Value {
        let (schema, example) = match binding.response_body() {
            None => {
                let output = binding.output();
                (schemas.message(output, Side::Response), sample::message(output, self.comments))
            }
            Some(field) => (schemas.field(field, Side::Response), sample::field(field, self.comments)),
        };
        if binding.rpc().is_server_streaming() {
            let line = json!({
                "oneOf": [
                    { "type": "object", "required": ["result"], "properties": { "result": schema } },
                    {
                        "type": "object",
                        "required": ["error"],
                        "properties": { "error": { "$ref": "#/components/schemas/Error" } },
                    },
                ],
            });
            return json!({
                "description": "A stream of such objects, one per line. If the RPC fails, the last one has the error. \
                    Clients that accept `text/event-stream` receive server-sent events instead: the messages, then one \
                    event `end`, or `error` with an Error.",
                "content": {
                    "application/json": { "schema": line, "example": { "result": example } },
                    "text/event-stream": { "schema": { "type": "string" } },
                },
            });
        }
        json!({
            "description": "The RPC's response. Unset fields are included.",
            "headers": {
                "x-request-id": {
                    "description": "The request's id: the client's, or one that the gateway made.",
                    "schema": { "type": "string" },
                },
            },
            "content": { "application/json": { "schema": schema, "example": example } },
        })
    }
}

/// The services that have a rule.
pub(super) fn tags(pool: &DescriptorPool, comments: &Comments) -> Value {
    let services = pool.services().map(|service| {
        let comment = comments.at(&service.parent_file(), service.path());
        json!({ "name": service.full_name(), "description": comment })
    });
    let edge = json!({ "name": "gateway", "description": "Endpoints of the gateway itself." });
    services.chain([edge]).collect()
}

/// The error response of every operation.
pub(super) fn error_response() -> Value {
    json!({
        "description": "An error: the number of a gRPC code, and what is wrong. The HTTP status follows from the code, \
            except for errors with an HTTP status of their own (405, 408, 413).",
        "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Error" },
            "example": { "code": 14, "message": "service-a/service-b/service-e: cannot be reached", "details": [] },
        } },
    })
}
