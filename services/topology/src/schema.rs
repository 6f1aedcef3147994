//! The topology file as a JSON schema, for editors.
//!
//! It is made from the same lists of fields and the same limits as the parser. What depends on other parts of a file (that a
//! name exists, that calls form no cycle) a schema cannot say.

use octet_fault::{Code, EFFECTS, KEYS, MAX_FAULTS};
use serde_json::{Map, Value, json};

use crate::{
    behaviour::WhenLeft,
    edge::Balance,
    limits::{
        MAX_ATTEMPTS, MAX_CONCURRENT, MAX_EDGES, MAX_GREETING_BYTES, MAX_REPLICAS, MAX_SEED, MAX_SERVICES,
        MAX_TIMES,
    },
    model::Policy,
    name::RESERVED_SERVICES,
    raw::{EDGE_FIELDS, FIELDS, LIMIT_FIELDS, OWN_FIELDS, RETRY_FIELDS, ROLE_FIELDS, STORE_FIELDS},
};

const NAME: &str = "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?";
/// What matches the text of a duration, without its limits.
pub const DURATION: &str = "[0-9]+ ?[a-zµ]+(?: ?[0-9]+ ?[a-zµ]+)*";
const SIZE: &str = "[0-9]+(?:B|KiB|MiB|GiB)?";
const SHARE: &str = "^[0-9]{1,3}(?:\\.[0-9]{1,4})?%$";

/// The schema, in JSON Schema's draft 2020-12.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A topology of Octet",
        "type": "object",
        "additionalProperties": false,
        "required": ["entry", "service"],
        "properties": properties(&FIELDS, |field| match field {
            "entry" => described(name(), "the service that the gateway calls"),
            "seed" => described(whole(0, MAX_SEED), "the seed of every draw; random when absent"),
            "defaults" => table(&ROLE_FIELDS, &[], role_field, "fields of every service that does not have them itself"),
            "service" => tables(&service(), MAX_SERVICES, true),
            "edge" => tables(&table(&EDGE_FIELDS, &["at"], edge_field, "how calls are made"), MAX_EDGES, false),
            "fault" => tables(&fault(), MAX_FAULTS, false),
            _ => Value::Bool(true),
        }),
    })
}

fn service() -> Value {
    let fields: Vec<_> = OWN_FIELDS.into_iter().chain(ROLE_FIELDS).collect();
    table(&fields, &["name"], service_field, "a service")
}

fn service_field(field: &str) -> Value {
    let queue = || json!({ "type": "string", "pattern": "^(?!\\.|amq\\.)[A-Za-z0-9._-]{1,127}(?<!\\.dlq)$" });
    let names = || json!({ "type": "array", "items": name(), "maxItems": MAX_SERVICES });
    match field {
        "name" => {
            let free = json!({ "not": { "enum": RESERVED_SERVICES } });
            json!({ "allOf": [name(), free], "description": "unique" })
        }
        "calls" => {
            let step = json!({ "type": "array", "items": name(), "minItems": 1, "maxItems": MAX_SERVICES });
            let steps = json!({ "type": "array", "items": step, "maxItems": MAX_SERVICES });
            described(
                json!({ "anyOf": [names(), steps] }),
                "its upstreams: names are called together, lists in turn",
            )
        }
        "store" => {
            table(&STORE_FIELDS, &STORE_FIELDS, store_field, "where it stores the greetings that it receives")
        }
        "publishes" => described(queue(), "the queue to which it publishes its own greeting"),
        "consumes" => described(queue(), "the queue whose messages it stores"),
        other => role_field(other),
    }
}

fn store_field(field: &str) -> Value {
    match field {
        "database" => json!({
            "type": "string", "pattern": "^[A-Za-z0-9_-]{1,63}$", "not": { "enum": ["admin", "config", "local"] },
        }),
        "collection" => json!({
            "type": "string", "maxLength": 63, "pattern": "^(?!system\\.)[A-Za-z0-9_-]+(?:\\.[A-Za-z0-9_-]+)*$",
        }),
        _ => Value::Bool(true),
    }
}

fn role_field(field: &str) -> Value {
    match field {
        "greeting" => {
            json!({ "type": "string", "minLength": 1, "maxLength": MAX_GREETING_BYTES, "pattern": "\\S" })
        }
        "policy" => choice([Policy::Strict, Policy::Partial].map(Policy::as_str)),
        "replicas" => described(whole(1, u64::from(MAX_REPLICAS)), "its processes"),
        "work" => described(spread(DURATION), "time that each call takes before its upstreams are called"),
        "cpu" => described(spread(DURATION), "CPU time that each call burns"),
        "memory" => described(spread(SIZE), "memory that each call holds until it ends"),
        "payload" => described(spread(SIZE), "bytes added to each response"),
        "limit" => table(&LIMIT_FIELDS, &["concurrent"], limit_field, "the calls that it works on at once"),
        "when_left" => choice([WhenLeft::Stop, WhenLeft::Finish].map(WhenLeft::as_str)),
        "ready_after" => {
            described(text(&format!("^{DURATION}$")), "how long it is not ready after its start")
        }
        _ => Value::Bool(true),
    }
}

fn limit_field(field: &str) -> Value {
    whole(u64::from(field == "concurrent"), MAX_CONCURRENT)
}

fn edge_field(field: &str) -> Value {
    match field {
        "at" => described(
            text(&format!("^(?:\\*|{NAME})>(?:\\*|{NAME})$")),
            "CALLER>CALLEE, with * for any service",
        ),
        "share" => described(text(SHARE), "share of the caller's calls in which it calls"),
        "times" => described(whole(1, MAX_TIMES), "how often it calls"),
        "payload" => described(spread(SIZE), "bytes added to each request"),
        "deadline" => {
            described(text(&format!("^{DURATION}$")), "the most time for the call with its retries")
        }
        "balance" => choice(Balance::ALL.map(Balance::as_str)),
        "retry" => table(&RETRY_FIELDS, &["attempts"], retry_field, "failures that are tried again"),
        _ => Value::Bool(true),
    }
}

fn retry_field(field: &str) -> Value {
    match field {
        "attempts" => described(whole(1, MAX_ATTEMPTS), "attempts of one call, the first included"),
        "on" => json!({ "type": "array", "items": code(), "minItems": 1, "maxItems": MAX_SERVICES }),
        "budget" => described(text(SHARE), "retries as a share of all calls"),
        "backoff" => described(text(&format!("^{DURATION}$")), "pause before the first retry"),
        _ => Value::Bool(true),
    }
}

fn fault() -> Value {
    let mut fault = table(&KEYS, &["at"], fault_field, "a fault: where, exactly one effect, and modifiers");
    let one: Vec<_> = EFFECTS.iter().map(|effect| json!({ "required": [effect] })).collect();
    if let Some(fault) = fault.as_object_mut() {
        fault.insert("oneOf".to_owned(), Value::Array(one));
    }
    fault
}

fn fault_field(key: &str) -> Value {
    match key {
        "at" => {
            let party = format!("(?:\\*|{NAME})");
            described(
                text(&format!("^{party}(?:#(?:[1-9]|1[0-6])|>{party})?$")),
                octet_fault::Address::ALLOWED,
            )
        }
        "delay" | "cpu" | "stall" => spread(DURATION),
        "memory" => spread(SIZE),
        "abort" | "lose" => code(),
        "throttle" => text(&format!("^{SIZE}/s$")),
        "drop" | "reset" | "unready" | "crash" | "duplicate" => json!({ "enum": [true, "true"] }),
        "blind" => json!({ "enum": [true, false, "true", "false"] }),
        "share" => text(SHARE),
        "max" => json!({ "anyOf": [whole(1, 10_000), text("^[0-9]+$")] }),
        "for" => text(&format!("^{DURATION}$")),
        "when" => described(text("^[^=]+="), "HEADER=VALUE that a call must have"),
        _ => Value::Bool(true),
    }
}

fn properties(fields: &[&str], of: impl Fn(&str) -> Value) -> Map<String, Value> {
    fields.iter().map(|field| ((*field).to_owned(), of(field))).collect()
}

/// The schema of a table with these fields and no others; `of` is the schema of a field.
pub fn table(fields: &[&str], required: &[&str], of: impl Fn(&str) -> Value, what: &str) -> Value {
    json!({
        "type": "object",
        "description": what,
        "additionalProperties": false,
        "required": required,
        "properties": properties(fields, of),
    })
}

fn tables(of: &Value, most: usize, is_required: bool) -> Value {
    json!({ "type": "array", "items": of, "minItems": usize::from(is_required), "maxItems": most })
}

fn described(mut schema: Value, what: &str) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("description".to_owned(), what.into());
    }
    schema
}

fn name() -> Value {
    text(&format!("^{NAME}$"))
}

fn code() -> Value {
    choice(Code::names())
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn choice(values: impl IntoIterator<Item = &'static str>) -> Value {
    json!({ "enum": values.into_iter().collect::<Vec<_>>() })
}

fn whole(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// A value, a range or percentiles of what `value` matches.
fn spread(value: &str) -> Value {
    text(&format!("^(?:{value}|{value} *\\.\\. *{value}|p50={value} +p90={value} +p99={value} *)$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &Value, path: &str) {
        assert_ne!(*schema, Value::Bool(true), "{path} has no schema");
        for (key, value) in schema["properties"].as_object().into_iter().flatten() {
            check(value, &format!("{path}.{key}"));
        }
        if schema["items"].is_object() {
            check(&schema["items"], &format!("{path}[]"));
        }
    }

    #[test]
    fn every_field_that_the_parser_knows_has_a_schema() {
        check(&schema(), "");
    }
}
