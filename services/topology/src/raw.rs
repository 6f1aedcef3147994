//! The fields of a topology with their types checked, each with its position.
//!
//! The table is walked by hand because serde stops at the first error, and all of them must be reported.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    limits::MAX_SERVICES,
    quote::bare,
    reporter::{Position, Reporter},
};

/// A string of the file.
#[derive(Debug)]
pub(crate) struct RawText<'t> {
    pub(crate) value: &'t str,
    pub(crate) position: Position,
}

#[derive(Debug)]
pub(crate) struct RawTopology<'t> {
    pub(crate) entry: Option<RawText<'t>>,
    pub(crate) services: Vec<RawService<'t>>,
}

/// A required field is `None` only when a finding was reported for it.
#[derive(Debug)]
pub(crate) struct RawService<'t> {
    pub(crate) position: Position,
    pub(crate) name: Option<RawText<'t>>,
    pub(crate) greeting: Option<RawText<'t>>,
    pub(crate) calls: Vec<RawText<'t>>,
    pub(crate) store: Option<RawStore<'t>>,
    pub(crate) publishes: Option<RawText<'t>>,
    pub(crate) consumes: Option<RawText<'t>>,
    pub(crate) policy: Option<RawText<'t>>,
}

#[derive(Debug)]
pub(crate) struct RawStore<'t> {
    pub(crate) position: Position,
    pub(crate) database: Option<RawText<'t>>,
    pub(crate) collection: Option<RawText<'t>>,
}

/// Reads a document. A value that cannot be read is reported and left out.
pub(crate) fn read<'t>(document: &'t DeTable<'t>, reporter: &mut Reporter) -> RawTopology<'t> {
    let fields = Fields { table: document, position: Position { path: String::new(), offset: 0 } };
    fields.refuse_others(&["entry", "service"], reporter);
    RawTopology { entry: fields.required_text("entry", reporter), services: services(&fields, reporter) }
}

fn services<'t>(document: &Fields<'t>, reporter: &mut Reporter) -> Vec<RawService<'t>> {
    let (position, value) = match document.field("service") {
        Some((position, value)) => (position, Some(value)),
        None => (document.position_of("service", document.position.offset), None),
    };
    let tables = match value {
        Some(DeValue::Array(tables)) => &**tables,
        Some(other) => {
            reporter.report(&position, wrong_type("an array of tables ([[service]])", other));
            return Vec::new();
        }
        None => &[],
    };
    if tables.is_empty() {
        reporter.report(&position, "must have at least one [[service]]");
    }
    elements(&position, tables).map(|(position, value)| service(position, value, reporter)).collect()
}

fn service<'t>(position: Position, value: &'t DeValue<'t>, reporter: &mut Reporter) -> RawService<'t> {
    let Some(fields) = Fields::of(&position, value, reporter) else {
        return RawService {
            position,
            name: None,
            greeting: None,
            calls: Vec::new(),
            store: None,
            publishes: None,
            consumes: None,
            policy: None,
        };
    };
    fields
        .refuse_others(&["name", "greeting", "calls", "store", "publishes", "consumes", "policy"], reporter);
    RawService {
        name: fields.required_text("name", reporter),
        greeting: fields.required_text("greeting", reporter),
        calls: fields.texts("calls", reporter),
        store: fields.field("store").map(|(position, value)| store(position, value, reporter)),
        publishes: fields.text("publishes", reporter),
        consumes: fields.text("consumes", reporter),
        policy: fields.text("policy", reporter),
        position,
    }
}

fn store<'t>(position: Position, value: &'t DeValue<'t>, reporter: &mut Reporter) -> RawStore<'t> {
    let Some(fields) = Fields::of(&position, value, reporter) else {
        return RawStore { position, database: None, collection: None };
    };
    fields.refuse_others(&["database", "collection"], reporter);
    RawStore {
        database: fields.required_text("database", reporter),
        collection: fields.required_text("collection", reporter),
        position,
    }
}

/// A table, for reading its fields.
struct Fields<'t> {
    table: &'t DeTable<'t>,
    position: Position,
}

impl<'t> Fields<'t> {
    fn of(position: &Position, value: &'t DeValue<'t>, reporter: &mut Reporter) -> Option<Self> {
        match value {
            DeValue::Table(table) => Some(Self { table, position: position.clone() }),
            other => {
                reporter.report(position, wrong_type("a table", other));
                None
            }
        }
    }

    fn position_of(&self, key: &str, offset: usize) -> Position {
        let dot = if self.position.path.is_empty() { "" } else { "." };
        Position { path: format!("{}{dot}{}", self.position.path, bare(key)), offset }
    }

    fn refuse_others(&self, known: &[&str], reporter: &mut Reporter) {
        for key in self.table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            let position = self.position_of(key.get_ref(), key.span().start);
            reporter.report(&position, format!("unknown field; fields are: {}", known.join(", ")));
        }
    }

    fn field(&self, key: &str) -> Option<(Position, &'t DeValue<'t>)> {
        self.table.get(key).map(|value| (self.position_of(key, value.span().start), value.get_ref()))
    }

    fn text(&self, key: &str, reporter: &mut Reporter) -> Option<RawText<'t>> {
        self.field(key).and_then(|(position, value)| text(position, value, reporter))
    }

    fn required_text(&self, key: &str, reporter: &mut Reporter) -> Option<RawText<'t>> {
        if !self.table.contains_key(key) {
            reporter.report(&self.position_of(key, self.position.offset), "missing");
        }
        self.text(key, reporter)
    }

    /// At most [`MAX_SERVICES`] strings; more are a finding, and not read.
    fn texts(&self, key: &str, reporter: &mut Reporter) -> Vec<RawText<'t>> {
        let Some((position, value)) = self.field(key) else { return Vec::new() };
        let DeValue::Array(values) = value else {
            reporter.report(&position, wrong_type("an array of strings", value));
            return Vec::new();
        };
        if let Some((position, _)) = elements(&position, values).nth(MAX_SERVICES) {
            reporter.report(&position, format!("must have at most {MAX_SERVICES} names"));
        }
        elements(&position, values)
            .take(MAX_SERVICES)
            .filter_map(|(position, value)| text(position, value, reporter))
            .collect()
    }
}

fn text<'t>(position: Position, value: &'t DeValue<'t>, reporter: &mut Reporter) -> Option<RawText<'t>> {
    let DeValue::String(text) = value else {
        reporter.report(&position, wrong_type("a string", value));
        return None;
    };
    Some(RawText { value: text, position })
}

fn elements<'t>(
    array: &Position,
    values: &'t [Spanned<DeValue<'t>>],
) -> impl Iterator<Item = (Position, &'t DeValue<'t>)> {
    values.iter().enumerate().map(|(index, value)| {
        let path = format!("{}[{index}]", array.path);
        (Position { path, offset: value.span().start }, value.get_ref())
    })
}

fn wrong_type(wanted: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    format!("must be {wanted}, not {found}")
}
