//! Query parameters into fields.
//!
//! "Any fields in the request message which are not bound by the path template automatically become HTTP query
//! parameters if there is no HTTP request body" (google/api/http.proto). The details are grpc-gateway's
//! `DefaultQueryParser`: unknown keys and keys of bound fields are ignored, a key's steps are .proto or JSON
//! names, a map's entry is `map[key]=value`.

use std::{borrow::Cow, collections::HashSet};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use super::{
    binding::{Binding, Body},
    error::{RequestError, quoted, shortened},
    field_path::{reach, set, singular_message},
    percent::{self, Part},
    scalar, well_known,
};

/// How deep a key may reach. Messages that hold themselves have no end; what decodes the request has one,
/// at 100 levels.
const DEPTH: usize = 32;

/// Sets what `query` (without `?`) says, on top of what `message` already holds.
pub(super) fn apply(
    message: &mut DynamicMessage,
    query: &str,
    binding: &Binding,
) -> Result<(), RequestError> {
    let mut given = HashSet::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (raw_key, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = percent::decode(raw_key, Part::Query)
            .map_err(|error| RequestError::Query { key: shortened(raw_key), problem: error.to_string() })?;
        percent::decode(raw_value, Part::Query)
            .map_err(|error| error.to_string())
            .and_then(|value| one(message, &key, value, binding, &mut given))
            .map_err(|problem| RequestError::Query { key: shortened(&key), problem })?;
    }
    Ok(())
}

/// What the query has set already: the way to a field by field numbers, and a map's key.
type Given = HashSet<(Vec<u32>, Option<String>)>;

fn one(
    message: &mut DynamicMessage,
    key: &str,
    value: Cow<'_, str>,
    binding: &Binding,
    given: &mut Given,
) -> Result<(), String> {
    let (dotted, entry) = entry_key(key);
    let Some(path) = resolve(binding.input(), dotted)? else {
        return Ok(());
    };
    if is_bound(&path, binding) {
        return Ok(());
    }

    let (owner, field) = reach(message, &path)?;
    if field.is_list() {
        refuse_entry(entry)?;
        let element = element(&field.kind(), value)?;
        return match owner.get_field_mut(field).as_list_mut() {
            Some(list) => {
                list.extend(element);
                Ok(())
            }
            None => Err("the field is not a list".to_owned()),
        };
    }

    if !given.insert((path.iter().map(FieldDescriptor::number).collect(), entry.map(str::to_owned))) {
        return Err("given more than once, and only one value is allowed".to_owned());
    }
    match field.kind() {
        Kind::Message(entries) if field.is_map() => {
            let entry = entry.ok_or_else(|| format!("this is a map: write `{key}[key]=value`"))?;
            let entry = scalar::map_key(&entries.map_entry_key_field().kind(), entry)?;
            let element = element(&entries.map_entry_value_field().kind(), value)?;
            let map = owner.get_field_mut(field).as_map_mut().ok_or("the field is not a map")?;
            map.extend(element.map(|element| (entry, element)));
            Ok(())
        }
        kind => {
            refuse_entry(entry)?;
            match element(&kind, value)? {
                Some(value) => set(owner, field, value),
                None => Ok(()),
            }
        }
    }
}

/// Splits `map[key]`; what stands in the brackets may hold dots.
fn entry_key(key: &str) -> (&str, Option<&str>) {
    match key.strip_suffix(']').and_then(|key| key.split_once('[')) {
        Some((dotted, entry)) => (dotted, Some(entry)),
        None => (key, None),
    }
}

fn refuse_entry(entry: Option<&str>) -> Result<(), String> {
    match entry {
        Some(entry) => Err(format!("this is not a map, so that [{}] has no meaning", quoted(entry))),
        None => Ok(()),
    }
}

/// The fields a dotted key names; `None` if there is one it does not name, since unknown keys are ignored.
fn resolve(message: &MessageDescriptor, dotted: &str) -> Result<Option<Vec<FieldDescriptor>>, String> {
    let mut owner = Some(message.clone());
    let mut path: Vec<FieldDescriptor> = Vec::new();
    for name in dotted.split('.') {
        let Some(message) = owner else {
            let above = path.last().map(FieldDescriptor::name).unwrap_or_default();
            return Err(format!("`{above}` is not a message, so that it has no fields"));
        };
        let Some(field) = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
        else {
            return Ok(None);
        };
        owner = singular_message(&field);
        path.push(field);
        if path.len() > DEPTH {
            return Err(format!("a key can reach {DEPTH} levels deep, and no deeper"));
        }
    }
    Ok(Some(path))
}

/// Whether path or body own the field, or a field above it. Two rules' fields may overlap; then path and body win.
fn is_bound(path: &[FieldDescriptor], binding: &Binding) -> bool {
    let in_body = matches!(binding.body(), Body::Field(body) if path.first() == Some(body));
    in_body || binding.captures().iter().any(|capture| path.starts_with(capture.fields()))
}

/// One value of a singular field, of a list or of a map.
fn element(kind: &Kind, text: Cow<'_, str>) -> Result<Option<Value>, String> {
    match kind {
        Kind::Message(message) => well_known::parse(message, &text),
        kind => scalar::parse(kind, text).map(Some),
    }
}
