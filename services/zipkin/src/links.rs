//! Zipkin's dependency links: which service calls which, and how often, by the rules of its linker.
//!
//! A call that both sides report counts once, by the server's names. A client without a server's span counts with the
//! name of its remote endpoint, so that databases appear. Messages link the producer to the broker and the broker to
//! the consumer.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Kind, Span, Text, tree::Place, tree::Tree};

/// The counts so far.
#[derive(Debug, Default)]
pub struct Links {
    counts: BTreeMap<(Text, Text), Count>,
}

#[derive(Debug, Default)]
struct Count {
    calls: u64,
    errors: u64,
}

/// Calls from one service to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The service that calls.
    pub parent: Box<str>,
    /// The service that is called.
    pub child: Box<str>,
    /// The number of calls.
    pub call_count: u64,
    /// The number of calls with an error.
    pub error_count: u64,
}

impl Links {
    /// Counts the calls of one trace.
    pub fn add<'a>(&mut self, spans: impl IntoIterator<Item = &'a Span> + Clone) {
        for place in Tree::new(spans).places() {
            self.add_span(place);
        }
    }

    /// The number of links.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The links, ordered by their names.
    pub fn list(&self) -> Vec<Link> {
        let link = |((parent, child), count): (&(Text, Text), &Count)| Link {
            parent: (&**parent).into(),
            child: (&**child).into(),
            call_count: count.calls,
            error_count: count.errors,
        };
        self.counts.iter().map(link).collect()
    }

    fn add_span(&mut self, place: Place<'_, '_>) {
        let span = place.span();
        // The span below a client is its server's, which counts instead: it knows its own name.
        if span.kind == Some(Kind::Client) && place.children().next().is_some() {
            return;
        }
        let (service, remote) = (span.service(), span.remote_service());
        let kind = match span.kind {
            Some(kind) => kind,
            // A span that names both sides counts as a client's.
            None if service.is_some() && remote.is_some() => Kind::Client,
            None => return,
        };
        match kind {
            Kind::Producer => self.count(service, remote, span.is_error()),
            Kind::Consumer => self.count(remote, service, span.is_error()),
            Kind::Server => self.add_call(place, Kind::Server, remote, service),
            Kind::Client => self.add_call(place, Kind::Client, service, remote),
        }
    }

    fn add_call<'t>(
        &mut self,
        place: Place<'t, '_>,
        kind: Kind,
        mut caller: Option<&'t Text>,
        callee: Option<&'t Text>,
    ) {
        let span = place.span();
        let mut is_error = span.is_error();
        if let Some((above, name)) = place.remote_ancestor().and_then(|above| Some((above, above.service()?)))
        {
            // An unreported hop lies between.
            if kind == Kind::Client && caller.is_some_and(|caller| caller != name) {
                self.count(Some(name), caller, false);
            }
            if kind == Kind::Server || caller.is_none() {
                caller = Some(name);
            }
            // The client's span is not counted, but can have an error that the server never saw.
            is_error |= above.kind == Some(Kind::Client)
                && (span.parent_id == Some(above.id) || span.id == above.id)
                && above.is_error();
        }
        self.count(caller, callee, is_error);
    }

    fn count(&mut self, parent: Option<&Text>, child: Option<&Text>, is_error: bool) {
        if let (Some(parent), Some(child)) = (parent, child) {
            let count = self.counts.entry((parent.clone(), child.clone())).or_default();
            count.calls += 1;
            count.errors += u64::from(is_error);
        }
    }
}

#[cfg(test)]
mod tests;
