//! Parses and validates a topology.

use std::str::FromStr;

use toml::de::DeTable;

use crate::{
    finding::Findings,
    graph,
    limits::{MAX_BYTES, MAX_SERVICES, MAX_SYNTAX_FINDINGS},
    model::{Service, Store, Topology},
    name::InvalidText,
    quote::quoted,
    raw::{self, RawService, RawStore, RawText, RawTopology},
    relations,
    reporter::{Position, Reporter},
};

impl Topology {
    /// The text of the built-in topology.
    pub const BUILT_IN: &'static str = include_str!("../topology.toml");

    /// The text of a small topology with comments, to start one's own from.
    pub const STARTING: &'static str = include_str!("../starting.toml");

    /// The topology that every program carries with it.
    ///
    /// # Errors
    /// None in a build whose tests passed; it is a `Result` because the text is parsed like any other.
    pub fn built_in() -> Result<Self, Findings> {
        Self::parse(Self::BUILT_IN, "built-in topology")
    }

    /// Reads a topology; `origin` is what findings call the text, usually its file's name.
    ///
    /// # Errors
    /// Every finding of the text. A text that is not TOML is not read further, so its findings are its syntax
    /// errors alone.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Findings> {
        let mut reporter = Reporter::default();
        match topology(text, &mut reporter) {
            Some(topology) if reporter.is_empty() => Ok(topology),
            _ => Err(reporter.finish(text, origin)),
        }
    }
}

/// `None` only when a finding was reported; a topology beside findings must not be used.
fn topology(text: &str, reporter: &mut Reporter) -> Option<Topology> {
    if text.len() > MAX_BYTES {
        let start = Position { path: String::new(), offset: 0 };
        reporter.report(&start, format!("larger than the limit of {} KiB", MAX_BYTES / 1024));
        return None;
    }
    let (document, mut errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        errors.sort_by_key(start_of);
        errors.dedup();
        errors.iter().take(MAX_SYNTAX_FINDINGS).for_each(|error| report_syntax(text, error, reporter));
        return None;
    }
    let raw = raw::read(document.get_ref(), reporter);
    validated(&raw, reporter)
}

/// The parser's limit on nesting is its only error without a position; it comes first.
fn start_of(error: &toml::de::Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn report_syntax(text: &str, error: &toml::de::Error, reporter: &mut Reporter) {
    let position = Position { path: String::new(), offset: start_of(error) };
    let message = match error.span().and_then(|span| text.get(span)) {
        Some(at) if !at.is_empty() => format!("{}, at {}", error.message(), quoted(at)),
        _ => error.message().to_owned(),
    };
    reporter.report(&position, message);
}

fn validated(raw: &RawTopology<'_>, reporter: &mut Reporter) -> Option<Topology> {
    let services: Vec<_> = raw.services.iter().map(|raw| service(raw, reporter)).collect();
    if let Some(first_too_many) = raw.services.get(MAX_SERVICES) {
        // The relations are not checked: their findings would list thousands of names.
        reporter.report(&first_too_many.position, format!("must have at most {MAX_SERVICES} services"));
        return None;
    }
    relations::check(raw, reporter);
    graph::check(&raw.services, reporter);

    let services: Vec<_> = services.into_iter().collect::<Option<_>>()?;
    let entry_name = raw.entry.as_ref()?.value;
    let entry = services.iter().find(|service| service.name.as_str() == entry_name)?.clone();
    Some(Topology::new(entry, services))
}

/// Checks every part before returning `None` for a missing one, so that all findings are reported.
fn service(raw: &RawService<'_>, reporter: &mut Reporter) -> Option<Service> {
    let name = value(raw.name.as_ref(), reporter);
    let greeting = value(raw.greeting.as_ref(), reporter);
    let store = raw.store.as_ref().and_then(|raw| store(raw, reporter));
    let publishes = value(raw.publishes.as_ref(), reporter);
    let consumes = value(raw.consumes.as_ref(), reporter);
    let policy = value(raw.policy.as_ref(), reporter).unwrap_or_default();
    // An invalid upstream is not reported here: it is either unknown, or the name of its own service is reported.
    let calls = raw.calls.iter().filter_map(|upstream| upstream.value.parse().ok()).collect();
    Some(Service { name: name?, greeting: greeting?, calls, store, publishes, consumes, policy })
}

fn store(raw: &RawStore<'_>, reporter: &mut Reporter) -> Option<Store> {
    let database = value(raw.database.as_ref(), reporter);
    let collection = value(raw.collection.as_ref(), reporter);
    Some(Store { database: database?, collection: collection? })
}

fn value<T: FromStr<Err = InvalidText>>(raw: Option<&RawText<'_>>, reporter: &mut Reporter) -> Option<T> {
    let raw = raw?;
    raw.value.parse().map_err(|error: InvalidText| reporter.report(&raw.position, error.to_string())).ok()
}
