//! `google.api.HttpRule` as a descriptor contains it, before validation.

use std::fmt;

use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor, ServiceDescriptor, Value};

/// The option that contains a rule: `google/api/annotations.proto`, extension 72295728.
const OPTION: &str = "google.api.http";

/// `google.api.HttpRule` by its published field numbers. `selector` (1) has no meaning in an annotation.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HttpRule {
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pub(super) pattern: Option<Pattern>,
    #[prost(string, tag = "7")]
    pub(super) body: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) additional_bindings: Vec<HttpRule>,
    #[prost(string, tag = "12")]
    pub(super) response_body: String,
}

/// Method and path template.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(CustomHttpPattern),
}

/// A method for which `HttpRule` has no field of its own.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CustomHttpPattern {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) path: String,
}

impl Pattern {
    /// The method's name, or `*` for any, and the path template.
    pub(super) fn parts(&self) -> (&str, &str) {
        match self {
            Self::Get(path) => ("GET", path),
            Self::Put(path) => ("PUT", path),
            Self::Post(path) => ("POST", path),
            Self::Delete(path) => ("DELETE", path),
            Self::Patch(path) => ("PATCH", path),
            Self::Custom(custom) => (&custom.kind, &custom.path),
        }
    }
}

/// An error in one HTTP rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The RPC's full name.
    pub rpc: String,
    /// The rule, as `GET /v1/{name}`.
    pub rule: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.rpc, self.rule, self.problem)
    }
}

/// All errors in a pool's HTTP rules, one a line. A pool with an error has no routes: descriptors are part of the
/// build, so the process must not start with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(RuleError::to_string).collect::<Vec<_>>().join("\n"))]
pub struct RuleErrors(pub Vec<RuleError>);

/// The rules of every RPC in `pool` that has one, in the order of the descriptors. Additional bindings follow their
/// rule.
pub(super) fn rules(pool: &DescriptorPool, errors: &mut Vec<RuleError>) -> Vec<(MethodDescriptor, HttpRule)> {
    let Some(option) = pool.get_extension_by_name(OPTION) else {
        return Vec::new();
    };
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(ServiceDescriptor::methods);

    let mut rules = Vec::new();
    for method in methods {
        match rule(&method, &option) {
            Ok(None) => {}
            Ok(Some(mut rule)) => {
                let additional = std::mem::take(&mut rule.additional_bindings);
                rules.push((method.clone(), rule));
                rules.extend(additional.into_iter().map(|rule| (method.clone(), rule)));
            }
            Err(error) => errors.push(RuleError {
                rpc: method.full_name().to_owned(),
                rule: OPTION.to_owned(),
                problem: error.to_string(),
            }),
        }
    }
    rules
}

fn rule(
    method: &MethodDescriptor,
    option: &ExtensionDescriptor,
) -> Result<Option<HttpRule>, prost::DecodeError> {
    let options = method.options();
    if !options.has_extension(option) {
        return Ok(None);
    }
    match options.get_extension(option).as_ref() {
        Value::Message(rule) => rule.transcode_to().map(Some),
        _ => Ok(None),
    }
}
