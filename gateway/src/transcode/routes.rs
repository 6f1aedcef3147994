//! Every binding of a descriptor pool, and the one a request means.

use std::cmp::Ordering;

use http::Method;
use prost_reflect::DescriptorPool;

use super::{
    binding::Binding,
    rule::{self, RuleFault, RuleFaults},
    template::SplitPath,
};

/// The route table.
///
/// Of several templates that match a path and serve its method, the most specific wins: one whose verb the
/// path ends with before one without, then, segment by segment from the left, a literal before `*` before
/// `**`. Among equals a rule for the method itself goes before one for any method. (grpc-gateway takes the one
/// registered last; specificity does not change when a file is moved.)
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// In order of precedence: the first that fits is the one.
    bindings: Vec<Binding>,
}

/// What a method and a path mean.
#[derive(Debug)]
pub enum Lookup<'r, 'p> {
    /// This binding.
    Found(Match<'r, 'p>),
    /// The path exists, for these methods only: 405 with `Allow`. Sorted, each once, HEAD beside GET.
    MethodNotAllowed {
        /// What `Allow` names.
        allow: Vec<Method>,
    },
    /// Nothing has that path: 404.
    NotFound,
}

/// A binding and what its template's variables captured.
#[derive(Debug)]
pub struct Match<'r, 'p> {
    pub(super) binding: &'r Binding,
    /// Beside [`Binding::captures`], still percent-encoded.
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
    /// All that is wrong with any rule: bad templates, fields that do not exist or cannot be bound, two rules
    /// for the same method and paths.
    pub fn from_pool(pool: &DescriptorPool) -> Result<Self, RuleFaults> {
        let mut faults = Vec::new();
        let rules = rule::rules(pool, &mut faults);
        let mut bindings: Vec<_> =
            rules.iter().filter_map(|(rpc, rule)| Binding::validated(rpc, rule, &mut faults)).collect();

        bindings.sort_by(precedence);
        let neighbours = bindings.iter().zip(bindings.iter().skip(1));
        let twice = neighbours.filter(|(one, other)| precedence(one, other).is_eq());
        faults.extend(twice.map(|(one, other)| RuleFault {
            rpc: other.rpc().full_name().to_owned(),
            rule: format!("{} {}", name(other.method()), other.template()),
            problem: format!("{} already serves the same paths", one.rpc().full_name()),
        }));

        if faults.is_empty() { Ok(Self { bindings }) } else { Err(RuleFaults(faults)) }
    }

    /// What serves `method` on `path`, percent-encoded as it came and without its query.
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

    /// All bindings, in order of precedence; for a document made of them.
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

/// HEAD's own rule goes before GET's, which would serve it too, and both before one for any method.
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
