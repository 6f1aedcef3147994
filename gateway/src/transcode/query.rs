//! Query parameters as fields.
//!
//! "Any fields in the request message which are not bound by the path template automatically become HTTP query
//! parameters if there is no HTTP request body" (google/api/http.proto). The details are those of grpc-gateway's
//! `DefaultQueryParser`: unknown keys and keys of bound fields are ignored, a key is a dotted path of .proto or JSON
//! names, and `map[key]=value` sets a map's entry.

use std::collections::HashSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};

use super::{
    binding::Binding,
    budget::{self, Budget},
    error::{RequestError, quoted, shortened},
    field_path::{reach, set, singular_message},
    percent::{self, Part},
    scalar, well_known,
};

/// The most steps of a key: recursive messages allow any number, but protobuf's decoders stop at 100 levels.
const MAX_DEPTH: usize = 32;

/// Sets the fields of `message` that `query` (without `?`) names.
pub(super) fn apply(
    message: &mut DynamicMessage,
    query: &str,
    binding: &Binding,
    budget: &Budget,
) -> Result<(), RequestError> {
    let mut parameters = Parameters { binding, budget, seen: HashSet::new() };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (raw_key, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = percent::decode(raw_key, Part::Query)
            .map_err(|error| RequestError::Query { key: shortened(raw_key), problem: error.to_string() })?;
        percent::decode(raw_value, Part::Query)
            .map_err(|error| error.to_string())
            .and_then(|value| parameters.set(message, &key, &value))
            .map_err(|problem| match budget.exceeded() {
                Some(problem) => RequestError::TooLarge(problem),
                None => RequestError::Query { key: shortened(&key), problem },
            })?;
    }
    Ok(())
}

struct Parameters<'a> {
    binding: &'a Binding,
    budget: &'a Budget,
    /// The fields that the query has set already: each by its path of field numbers and, in a map, its key.
    seen: HashSet<(Vec<u32>, Option<String>)>,
}

impl Parameters<'_> {
    fn set(&mut self, message: &mut DynamicMessage, key: &str, value: &str) -> Result<(), String> {
        let (dotted, entry) = entry_key(key);
        let Some(path) = resolve(self.binding.input(), dotted)? else {
            return Ok(());
        };
        if self.binding.sets_beside_query(&path) {
            return Ok(());
        }

        self.budget.charge((path.len() - 1) * budget::MESSAGE + budget::ENTRY + value.len())?;
        let (owner, field) = reach(message, &path)?;
        let element = |kind: &Kind, depth| match kind {
            Kind::Message(message) => well_known::parse(message, value, self.budget, depth),
            kind => scalar::parse(kind, value).map(Some),
        };
        if field.is_list() {
            check_no_entry(entry)?;
            let element = element(&field.kind(), path.len())?;
            let list = owner.get_field_mut(field).as_list_mut().ok_or("the field is not a list")?;
            list.extend(element);
            return Ok(());
        }

        if !self.seen.insert((path.iter().map(FieldDescriptor::number).collect(), entry.map(str::to_owned))) {
            return Err("only one value is allowed, but the query has several".to_owned());
        }
        match field.kind() {
            Kind::Message(entries) if field.is_map() => {
                let entry = entry.ok_or_else(|| format!("the field is a map: write `{key}[key]=value`"))?;
                let entry = scalar::map_key(&entries.map_entry_key_field().kind(), entry)?;
                // On the wire an entry is a message.
                let element = element(&entries.map_entry_value_field().kind(), path.len() + 1)?;
                let map = owner.get_field_mut(field).as_map_mut().ok_or("the field is not a map")?;
                map.extend(element.map(|element| (entry, element)));
                Ok(())
            }
            kind => {
                check_no_entry(entry)?;
                match element(&kind, path.len())? {
                    Some(value) => set(owner, field, value),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Splits `map[key]`. The text in brackets can contain dots.
fn entry_key(key: &str) -> (&str, Option<&str>) {
    match key.strip_suffix(']').and_then(|key| key.split_once('[')) {
        Some((dotted, entry)) => (dotted, Some(entry)),
        None => (key, None),
    }
}

fn check_no_entry(entry: Option<&str>) -> Result<(), String> {
    match entry {
        Some(entry) => Err(format!("the field is not a map, so it has no entry {}", quoted(entry))),
        None => Ok(()),
    }
}

/// The fields of a dotted key; `None` if one of them does not exist, since unknown keys are ignored.
fn resolve(message: &MessageDescriptor, dotted: &str) -> Result<Option<Vec<FieldDescriptor>>, String> {
    let mut owner = Some(message.clone());
    let mut path: Vec<FieldDescriptor> = Vec::new();
    for name in dotted.split('.') {
        let Some(message) = owner else {
            let above = path.last().map(FieldDescriptor::name).unwrap_or_default();
            return Err(format!("`{above}` is not a single message, so it has no fields"));
        };
        let Some(field) = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
        else {
            return Ok(None);
        };
        owner = singular_message(&field);
        path.push(field);
        if path.len() > MAX_DEPTH {
            return Err(format!("a key can have at most {MAX_DEPTH} levels"));
        }
    }
    Ok(Some(path))
}
