//! One file for each target: the meaning of the bytes, and the properties.

pub(crate) mod answer;
pub(crate) mod deadline;
pub(crate) mod diagnosis;
pub(crate) mod edge;
pub(crate) mod environment;
pub(crate) mod fault;
pub(crate) mod json;
pub(crate) mod logs;
pub(crate) mod message;
pub(crate) mod metadata;
pub(crate) mod openapi;
pub(crate) mod otlp;
pub(crate) mod otlp_json;
pub(crate) mod propagation;
pub(crate) mod query;
pub(crate) mod routes;
pub(crate) mod scenario;
pub(crate) mod spans;
pub(crate) mod spans_proto;
pub(crate) mod spans_v1;
pub(crate) mod status;
pub(crate) mod template;
pub(crate) mod topology;
pub(crate) mod trace;
pub(crate) mod upstream;
