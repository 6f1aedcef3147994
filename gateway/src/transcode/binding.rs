//! One HTTP rule after validation: all its names are resolved to descriptors.

use std::fmt;

use http::{Method, uri::PathAndQuery};
use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};

use super::{
    codec::DynamicCodec,
    field_path::FieldPath,
    rule::{HttpRule, RuleError},
    template::Template,
    update_mask,
};

/// An RPC bound to an HTTP method and a path template.
#[derive(Clone)]
pub struct Binding {
    rpc: MethodDescriptor,
    grpc_path: PathAndQuery,
    input: MessageDescriptor,
    output: MessageDescriptor,
    method: Option<Method>,
    template: Template,
    captures: Vec<FieldPath>,
    body: Body,
    response_body: Option<FieldDescriptor>,
    update_mask: Option<FieldDescriptor>,
}

/// Where the request's body goes.
#[derive(Clone)]
pub enum Body {
    /// Nowhere: the rule has no `body`, so a body is ignored.
    Ignored,
    /// It is the whole message (`body: "*"`). The query is then ignored: "there are no HTTP query parameters".
    Message,
    /// It is one field of the message.
    Field(FieldDescriptor),
}

impl Body {
    /// The field that the body sets, where it sets one only.
    pub(crate) fn field(&self) -> Option<&FieldDescriptor> {
        match self {
            Self::Field(field) => Some(field),
            Self::Ignored | Self::Message => None,
        }
    }
}

impl Binding {
    /// The RPC. The caller must check its streaming flags: streaming RPCs have bindings too.
    pub fn rpc(&self) -> &MethodDescriptor {
        &self.rpc
    }

    /// The RPC's path on the wire, `/package.Service/Method`.
    pub fn grpc_path(&self) -> &PathAndQuery {
        &self.grpc_path
    }

    /// A codec for one call of the RPC through `tonic::client::Grpc`.
    pub fn codec(&self) -> DynamicCodec {
        DynamicCodec::new(self.output.clone())
    }

    /// The request's type.
    pub fn input(&self) -> &MessageDescriptor {
        &self.input
    }

    /// The response's type.
    pub fn output(&self) -> &MessageDescriptor {
        &self.output
    }

    /// The rule's HTTP method; `None` for a custom rule of kind `*`, which serves every method.
    pub fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// The path template. Its text is the route's name.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The fields that the template's variables set, in the template's order.
    pub fn captures(&self) -> &[FieldPath] {
        &self.captures
    }

    /// Where the request's body goes.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The response's field that is the HTTP body; `None` for the whole message.
    pub fn response_body(&self) -> Option<&FieldDescriptor> {
        self.response_body.as_ref()
    }

    /// The field mask that a PATCH without a mask gets from its body.
    pub(super) fn update_mask(&self) -> Option<&FieldDescriptor> {
        self.update_mask.as_ref()
    }

    /// Whether the path or the body sets the field at `path`, or a message that contains it: they win over the query.
    pub(crate) fn sets_beside_query(&self, path: &[FieldDescriptor]) -> bool {
        let in_body = self.body.field().is_some_and(|body| path.first() == Some(body));
        in_body || self.captures.iter().any(|capture| path.starts_with(capture.fields()))
    }

    /// Whether the rule serves `method`: its own method, any method if it is custom `*`, and HEAD with GET (RFC 9110,
    /// 9.3.2).
    pub(super) fn serves(&self, method: &Method) -> bool {
        self.method.as_ref().is_none_or(|own| own == method || (own == Method::GET && method == Method::HEAD))
    }

    /// Validates a rule and adds every error in it to `errors`.
    pub(super) fn validated(
        rpc: &MethodDescriptor,
        rule: &HttpRule,
        errors: &mut Vec<RuleError>,
    ) -> Option<Self> {
        let Some(pattern) = &rule.pattern else {
            errors.push(RuleError {
                rpc: rpc.full_name().to_owned(),
                rule: "google.api.http".to_owned(),
                problem: "the rule must have one of get, put, post, delete, patch or custom".to_owned(),
            });
            return None;
        };
        let (kind, path) = pattern.parts();
        let mut problems = Problems::default();

        if !rule.additional_bindings.is_empty() {
            problems.add("an additional binding cannot have additional bindings".to_owned());
        }
        let method = problems.ok(method(kind)).flatten();
        let template = problems.ok(Template::parse(path).map_err(|error| format!("path template: {error}")));
        let input = rpc.input();
        let captures = template.iter().flat_map(Template::bound);
        let captures =
            captures.filter_map(|variable| problems.ok(FieldPath::of_scalar(&input, variable.names())));
        let captures: Vec<_> = captures.collect();
        let body = problems.ok(body(&input, &rule.body, method.as_ref()));
        let response_body = problems.ok(response_body(&rpc.output(), &rule.response_body)).flatten();
        let grpc_path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
        let grpc_path =
            problems.ok(grpc_path.parse().map_err(|_| format!("`{grpc_path}` is not a valid path")));

        if problems.0.is_empty() {
            let body = body?;
            let update_mask = update_mask::field(&input, method.as_ref(), body.field());
            let output = rpc.output();
            return Some(Self {
                rpc: rpc.clone(),
                grpc_path: grpc_path?,
                input,
                output,
                method,
                template: template?,
                captures,
                body,
                response_body,
                update_mask,
            });
        }
        errors.extend(problems.0.into_iter().map(|problem| RuleError {
            rpc: rpc.full_name().to_owned(),
            rule: format!("{kind} {path}"),
            problem,
        }));
        None
    }
}

/// By name only. The `Debug` of prost-reflect's descriptors and messages prints every type they refer to, and so
/// overflows the stack for recursive types such as `google.protobuf.Struct`.
impl fmt::Debug for Binding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Binding")
            .field("rpc", &self.rpc.full_name())
            .field("method", &self.method)
            .field("template", &self.template.to_string())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => formatter.write_str("Ignored"),
            Self::Message => formatter.write_str("Message"),
            Self::Field(field) => formatter.debug_tuple("Field").field(&field.full_name()).finish(),
        }
    }
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    fn ok<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.add(problem)).ok()
    }
}

fn method(kind: &str) -> Result<Option<Method>, String> {
    match kind {
        "*" => Ok(None),
        name => Method::from_bytes(name.as_bytes()).map(Some).map_err(|_| {
            format!("`{name}` is not an HTTP method: write an upper-case name, or `*` for any method")
        }),
    }
}

/// `body` names a top-level field: "the referred field must be present at the top-level of the request message
/// type". As in grpc-gateway, methods for which HTTP gives a body no meaning cannot have one.
fn body(input: &MessageDescriptor, name: &str, method: Option<&Method>) -> Result<Body, String> {
    if name.is_empty() {
        return Ok(Body::Ignored);
    }
    if let Some(method) = method.filter(|method| [Method::GET, Method::HEAD, Method::DELETE].contains(method))
    {
        return Err(format!("{method} requests have no body, but the rule has body `{name}`"));
    }
    if name == "*" {
        return Ok(Body::Message);
    }
    match input.get_field_by_name(name) {
        Some(field) => Ok(Body::Field(field)),
        None => Err(format!("body `{name}`: {} has no such field", input.full_name())),
    }
}

fn response_body(output: &MessageDescriptor, name: &str) -> Result<Option<FieldDescriptor>, String> {
    match output.get_field_by_name(name) {
        None if name.is_empty() => Ok(None),
        None => Err(format!("response_body `{name}`: {} has no such field", output.full_name())),
        field => Ok(field),
    }
}
