//! The topology as the text of a topology file.

use std::fmt::Write as _;

use crate::model::{Policy, Service, Topology};

impl Topology {
    /// A topology file with this graph: [`Topology::parse`] makes an equal topology of it.
    pub fn to_toml(&self) -> String {
        let mut text = format!("entry = {}\n", string(self.entry().name.as_str()));
        for service in self.services() {
            text.push_str("\n[[service]]\n");
            for (field, value) in fields(service) {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{field} = {value}");
            }
        }
        text
    }
}

/// The fields that differ from their defaults, in the order of the documentation.
fn fields(service: &Service) -> Vec<(&'static str, String)> {
    let mut fields =
        vec![("name", string(service.name.as_str())), ("greeting", string(service.greeting.as_str()))];
    if !service.calls.is_empty() {
        let calls: Vec<_> = service.calls.iter().map(|name| string(name.as_str())).collect();
        fields.push(("calls", format!("[{}]", calls.join(", "))));
    }
    if let Some(store) = &service.store {
        let (database, collection) = (string(store.database.as_str()), string(store.collection.as_str()));
        fields.push(("store", format!("{{ database = {database}, collection = {collection} }}")));
    }
    for (field, queue) in [("publishes", &service.publishes), ("consumes", &service.consumes)] {
        fields.extend(queue.as_ref().map(|queue| (field, string(queue.as_str()))));
    }
    if service.policy != Policy::default() {
        fields.push(("policy", string(service.policy.as_str())));
    }
    fields
}

/// A TOML basic string. No text of a topology has control characters, so that these two need an escape.
fn string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
