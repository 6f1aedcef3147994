//! The bindings of a descriptor pool, and the lookup by method and path.

use std::cmp::Ordering;

use http::Method;
use prost_reflect::DescriptorPool;

use super::{
    binding::Binding,
    rule::{self, RuleError, RuleErrors},
    template::SplitPath,
};

/// The route table.
///
/// Of several templates that match a path and serve its method, the most specific wins: a template with a verb before
/// one without; then, segment by segment from the left, a literal before `*` before `**`. Of two equal templates, a rule
/// for the method itself wins over a rule for any method. (grpc-gateway takes the rule registered last; here the order
/// of files does not matter.)
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// In order of precedence: the first match wins.
    bindings: Vec<Binding>,
}

/// The result of looking up a method and a path.
#[derive(Debug)]
pub enum Lookup<'r, 'p> {
    /// A binding serves them.
    Found(Match<'r, 'p>),
    /// The path exists, but not for this method: 405 with `Allow`.
    MethodNotAllowed {
        /// The methods for `Allow`: sorted, without duplicates, HEAD included where GET is.
        allow: Vec<Method>,
    },
    /// No template matches the path: 404.
    NotFound,
}

/// A binding, and the text that its template's variables captured.
#[derive(Debug)]
pub struct Match<'r, 'p> {
    pub(super) binding: &'r Binding,
    /// In the order of [`Binding::captures`], still percent-encoded.
    pub(super) captured: Vec<&'p str>,
}

impl<'r> Match<'r, '_> {
    /// The binding.
    pub fn binding(&self) -> &'r Binding {
        self.binding
    }
}

impl Routes {
    /// Reads the HTTP rules of all methods in `pool`, additional bindings included.
    ///
    /// # Errors
    /// All errors of all rules: invalid templates, fields that do not exist or cannot be bound, two rules for the same
    /// method and paths.
    pub fn from_pool(pool: &DescriptorPool) -> Result<Self, RuleErrors> {
        let mut errors = Vec::new();
        let rules = rule::rules(pool, &mut errors);
        let mut bindings: Vec<_> =
            rules.iter().filter_map(|(rpc, rule)| Binding::validated(rpc, rule, &mut errors)).collect();

        bindings.sort_by(precedence);
        let neighbours = bindings.iter().zip(bindings.iter().skip(1));
        let twice = neighbours.filter(|(one, other)| precedence(one, other).is_eq());
        errors.extend(twice.map(|(one, other)| RuleError {
            rpc: other.rpc().full_name().to_owned(),
            rule: format!("{} {}", name(other.method()), other.template()),
            problem: format!("{} already serves these paths", one.rpc().full_name()),
        }));

        if errors.is_empty() { Ok(Self { bindings }) } else { Err(RuleErrors(errors)) }
    }

    /// Finds the binding for `method` and `path`, which is percent-encoded as received and has no query.
    pub fn find<'p>(&self, method: &Method, path: &'p str) -> Lookup<'_, 'p> {
        let Some(path) = SplitPath::new(path) else {
            return Lookup::NotFound;
        };
        for binding in self.bindings.iter().filter(|binding| binding.serves(method)) {
            if let Some(captured) = binding.template().captures_of(&path) {
                return Lookup::Found(Match { binding, captured });
            }
        }

        let allow = self.allowed(&path);
        if allow.is_empty() { Lookup::NotFound } else { Lookup::MethodNotAllowed { allow } }
    }

    /// All bindings, in order of precedence.
    pub fn bindings(&self) -> impl ExactSizeIterator<Item = &Binding> {
        self.bindings.iter()
    }

    fn allowed(&self, path: &SplitPath<'_>) -> Vec<Method> {
        let fitting = self.bindings.iter().filter(|binding| binding.template().captures_of(path).is_some());
        let mut allow: Vec<_> = fitting.filter_map(Binding::method).cloned().collect();
        if allow.contains(&Method::GET) {
            allow.push(Method::HEAD);
        }
        allow.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        allow.dedup();
        allow
    }
}

fn precedence(one: &Binding, other: &Binding) -> Ordering {
    one.template()
        .precedence()
        .cmp(&other.template().precedence())
        .then_with(|| rank(one.method()).cmp(&rank(other.method())))
}

/// A rule for HEAD goes before one for GET, which serves HEAD too, and both before one for any method.
fn rank(method: Option<&Method>) -> (u8, &str) {
    match method {
        Some(&Method::HEAD) => (0, ""),
        Some(method) => (1, method.as_str()),
        None => (2, ""),
    }
}

fn name(method: Option<&Method>) -> &str {
    method.map_or("*", Method::as_str)
}
