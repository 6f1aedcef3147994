//! REST to gRPC and back, driven by descriptors alone: no socket, no client, no generated type.
//!
//! One request takes these steps:
//!
//! 1. [`Routes::from_pool`] reads every `google.api.http` rule once, at start, and reports every error in them.
//! 2. [`Routes::find`] maps method and path to a [`Match`]: a [`Binding`] and the text its variables captured.
//! 3. [`request_metadata`] maps HTTP headers to gRPC metadata.
//! 4. [`Match::request`] builds the request message from captures, query and body.
//! 5. The caller calls [`Binding::grpc_path`] with [`Binding::codec`].
//! 6. [`Binding::response_json`] writes the response, or [`error_json`] and [`http_status`] the error;
//!    [`response_headers`] and [`response_trailers`] carry the response's metadata.
//!
//! The rules are those of [`google/api/http.proto`][rules] and of the [proto3 JSON mapping][json]. Where these leave
//! a choice, Octet does what grpc-gateway v2 does; items that differ say so.
//!
//! [rules]: https://github.com/googleapis/googleapis/blob/master/google/api/http.proto
//! [json]: https://protobuf.dev/programming-guides/json/

mod binding;
mod body;
mod budget;
mod codec;
mod duration;
mod error;
mod field_path;
mod headers;
mod json;
mod message;
pub(crate) mod percent;
mod query;
mod routes;
mod rule;
mod scalar;
mod status;
mod template;
mod update_mask;
mod well_known;
mod wire_cost;

pub use binding::{Binding, Body};
pub use body::message_from_json;
pub use codec::DynamicCodec;
pub use error::{RequestError, ResponseError};
pub use field_path::FieldPath;
pub(crate) use headers::is_protocol;
pub use headers::{Client, request_metadata, response_headers, response_trailers};
pub use json::message_json;
pub use routes::{Lookup, Match, Routes};
pub use rule::{RuleError, RuleErrors};
pub use status::{error_json, http_status};
pub use template::{OpenPath, PathParameter, Template, TemplateError};
