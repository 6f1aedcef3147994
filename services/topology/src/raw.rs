//! A topology as it is written: the right fields of the right types, each with where it stands.
//!
//! The table is walked by hand because serde stops at the first fault, and all of them are wanted.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    findings::{Findings, Spot, bare},
    validate::MAX_SERVICES,
};

/// A text of the file.
#[derive(Debug)]
pub(crate) struct RawText<'t> {
    pub(crate) value: &'t str,
    pub(crate) spot: Spot,
}

#[derive(Debug)]
pub(crate) struct RawTopology<'t> {
    pub(crate) entry: Option<RawText<'t>>,
    pub(crate) services: Vec<RawService<'t>>,
}

/// Required fields are `None` only when a fault has been reported in their place.
#[derive(Debug)]
pub(crate) struct RawService<'t> {
    pub(crate) spot: Spot,
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
    pub(crate) spot: Spot,
    pub(crate) database: Option<RawText<'t>>,
    pub(crate) collection: Option<RawText<'t>>,
}

/// Reads a whole document; what cannot be read is reported and left out.
pub(crate) fn read<'t>(document: &'t DeTable<'t>, findings: &mut Findings) -> RawTopology<'t> {
    let fields = Fields { table: document, spot: Spot { place: String::new(), offset: 0 } };
    fields.refuse_others(&["entry", "service"], findings);
    RawTopology { entry: fields.required_text("entry", findings), services: services(&fields, findings) }
}

fn services<'t>(document: &Fields<'t>, findings: &mut Findings) -> Vec<RawService<'t>> {
    let (spot, value) = match document.field("service") {
        Some((spot, value)) => (spot, Some(value)),
        None => (document.place("service", document.spot.offset), None),
    };
    let tables = match value {
        Some(DeValue::Array(tables)) => &**tables,
        Some(other) => {
            findings.report(&spot, wrong_type("tables, each headed [[service]]", other));
            return Vec::new();
        }
        None => &[],
    };
    if tables.is_empty() {
        findings.report(&spot, "a topology has at least one [[service]]");
    }
    elements(&spot, tables).map(|(spot, value)| service(spot, value, findings)).collect()
}

fn service<'t>(spot: Spot, value: &'t DeValue<'t>, findings: &mut Findings) -> RawService<'t> {
    let Some(fields) = Fields::of(&spot, value, findings) else {
        return RawService {
            spot,
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
        .refuse_others(&["name", "greeting", "calls", "store", "publishes", "consumes", "policy"], findings);
    RawService {
        name: fields.required_text("name", findings),
        greeting: fields.required_text("greeting", findings),
        calls: fields.texts("calls", findings),
        store: fields.field("store").map(|(spot, value)| store(spot, value, findings)),
        publishes: fields.text("publishes", findings),
        consumes: fields.text("consumes", findings),
        policy: fields.text("policy", findings),
        spot,
    }
}

fn store<'t>(spot: Spot, value: &'t DeValue<'t>, findings: &mut Findings) -> RawStore<'t> {
    let Some(fields) = Fields::of(&spot, value, findings) else {
        return RawStore { spot, database: None, collection: None };
    };
    fields.refuse_others(&["database", "collection"], findings);
    RawStore {
        database: fields.required_text("database", findings),
        collection: fields.required_text("collection", findings),
        spot,
    }
}

/// A table whose fields are being read.
struct Fields<'t> {
    table: &'t DeTable<'t>,
    spot: Spot,
}

impl<'t> Fields<'t> {
    fn of(spot: &Spot, value: &'t DeValue<'t>, findings: &mut Findings) -> Option<Self> {
        match value {
            DeValue::Table(table) => Some(Self { table, spot: spot.clone() }),
            other => {
                findings.report(spot, wrong_type("a table", other));
                None
            }
        }
    }

    fn place(&self, key: &str, offset: usize) -> Spot {
        let dot = if self.spot.place.is_empty() { "" } else { "." };
        Spot { place: format!("{}{dot}{}", self.spot.place, bare(key)), offset }
    }

    fn refuse_others(&self, known: &[&str], findings: &mut Findings) {
        for key in self.table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            let spot = self.place(key.get_ref(), key.span().start);
            findings.report(&spot, format!("not a field; fields are: {}", known.join(", ")));
        }
    }

    fn field(&self, key: &str) -> Option<(Spot, &'t DeValue<'t>)> {
        self.table.get(key).map(|value| (self.place(key, value.span().start), value.get_ref()))
    }

    fn text(&self, key: &str, findings: &mut Findings) -> Option<RawText<'t>> {
        self.field(key).and_then(|(spot, value)| text(spot, value, findings))
    }

    fn required_text(&self, key: &str, findings: &mut Findings) -> Option<RawText<'t>> {
        if !self.table.contains_key(key) {
            findings.report(&self.place(key, self.spot.offset), "missing");
        }
        self.text(key, findings)
    }

    /// At most as many texts as there can be services; more are a fault, and not looked at.
    fn texts(&self, key: &str, findings: &mut Findings) -> Vec<RawText<'t>> {
        let Some((spot, value)) = self.field(key) else { return Vec::new() };
        let DeValue::Array(values) = value else {
            findings.report(&spot, wrong_type("an array of strings", value));
            return Vec::new();
        };
        if let Some((spot, _)) = elements(&spot, values).nth(MAX_SERVICES) {
            findings.report(&spot, format!("at most {MAX_SERVICES} names may stand here"));
        }
        elements(&spot, values)
            .take(MAX_SERVICES)
            .filter_map(|(spot, value)| text(spot, value, findings))
            .collect()
    }
}

fn text<'t>(spot: Spot, value: &'t DeValue<'t>, findings: &mut Findings) -> Option<RawText<'t>> {
    let DeValue::String(text) = value else {
        findings.report(&spot, wrong_type("a string", value));
        return None;
    };
    Some(RawText { value: text, spot })
}

fn elements<'t>(
    array: &Spot,
    values: &'t [Spanned<DeValue<'t>>],
) -> impl Iterator<Item = (Spot, &'t DeValue<'t>)> {
    values.iter().enumerate().map(|(index, value)| {
        let place = format!("{}[{index}]", array.place);
        (Spot { place, offset: value.span().start }, value.get_ref())
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
    format!("has to be {wanted}, and is {found}")
}
