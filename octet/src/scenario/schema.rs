//! The scenario file as a JSON schema, for editors.
//!
//! It is made from the same lists of fields and the same limits as the parser. What depends on other parts of a file, or on a
//! topology (that a process exists, that a fault starts before the load ends), and the limits of durations, a schema cannot
//! say.

use octet_load::MAX_USERS;
use octet_topology::{DURATION_PATTERN, schema_table as table};
use serde_json::{Value, json};

use super::{
    condition::{COMPARISONS, Vocabulary},
    file::{
        ACTION_FIELDS, FIELDS, LOAD_FIELDS, MAX_TABLES, SET_BY_SCENARIO,
        expect::{self, ALERT_FIELDS, ERRORS, LATENCY, QUEUE, RATE, READINESS_FIELDS, TELEMETRY_FIELDS},
    },
    model::{Verb, When},
};
use crate::runner::SET_FOR_EACH_PROCESS;

const NUMBER: &str = r"\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?";

/// The schema, in JSON Schema's draft 2020-12.
pub(crate) fn schema() -> Value {
    let only_end = json!({
        "properties": { "expect": { "items": { "properties": { "when": { "const": When::End.name() } } } } },
    });
    let disturbed =
        |field: &str| json!({ "required": [field], "properties": { (field): { "minItems": 1 } } });
    let what = "load, faults, actions on processes, and what is expected of them";
    let mut schema = table(&FIELDS, &["title", "load", "expect"], field, what);
    insert(&mut schema, "$schema", "https://json-schema.org/draft/2020-12/schema".into());
    insert(&mut schema, "title", "A scenario of Octet".into());
    // Without a fault or an action there is only one window.
    insert(&mut schema, "anyOf", json!([disturbed("fault"), disturbed("action"), only_end]));
    schema
}

fn field(name: &str) -> Value {
    match name {
        "title" => {
            let mut title =
                text(r"^(?=.*\S)[^\u0000-\u001f\u007f-\u009f]+$", "what is expected, in one line");
            insert(&mut title, "maxLength", 200.into());
            title
        }
        "seed" => {
            json!({ "type": "integer", "minimum": 0, "description": "of every draw; random when absent" })
        }
        "topology" => text(
            r"^(?!/)(?!(?:.*/)?\.\.(?:/|$)).+$",
            "file in the scenario's directory or below; the built-in topology when absent",
        ),
        "environment" => environment(),
        "load" => table(&LOAD_FIELDS, &["for"], load_field, "what is sent"),
        "fault" => tables(&fault(), 0),
        "action" => tables(&action(), 0),
        "expect" => tables(&expectation(), 1),
        _ => Value::Bool(true),
    }
}

fn environment() -> Value {
    let set: Vec<_> = SET_FOR_EACH_PROCESS.into_iter().chain(SET_BY_SCENARIO).collect();
    json!({
        "type": "object",
        "description": "variables of every process",
        "maxProperties": MAX_TABLES,
        "propertyNames": { "pattern": "^[A-Z0-9_]{1,64}$", "not": { "enum": set } },
        "additionalProperties": { "type": "string" },
    })
}

fn load_field(name: &str) -> Value {
    match name {
        "rate" => text(r"^\+?0*[1-9][0-9]* */s$", "requests a second of an open loop, such as 200/s"),
        "users" => json!({
            "type": "integer", "minimum": 1, "maximum": MAX_USERS,
            "description": "users who each send one request after the other; with rate, the most that wait at a time",
        }),
        "for" => duration("how long load is sent"),
        "timeout" => duration("how long a request waits for its response"),
        "warm_up" => duration("the time at the start that belongs to no window"),
        _ => Value::Bool(true),
    }
}

/// That of a topology, and its start.
fn fault() -> Value {
    let mut schema = octet_topology::schema();
    let mut fault = schema.pointer_mut("/properties/fault/items").map_or(Value::Bool(true), Value::take);
    if let Some(properties) = fault.get_mut("properties") {
        insert(properties, "from", duration("its start, after that of the load"));
    }
    fault
}

fn action() -> Value {
    let mut action = table(&ACTION_FIELDS, &["at", "do"], action_field, "what happens to processes");
    let undone = [Verb::Kill, Verb::Stop, Verb::Freeze].map(Verb::name);
    insert(&mut action, "dependentSchemas", json!({ "for": { "properties": { "do": { "enum": undone } } } }));
    action
}

fn action_field(name: &str) -> Value {
    match name {
        "at" => json!({ "type": "string", "description": "a process, a service, or * for every service" }),
        "do" => json!({ "enum": Verb::ALL.map(|(name, _)| name) }),
        "from" => duration("its start, after that of the load"),
        "for" => duration("the time until it is undone"),
        _ => Value::Bool(true),
    }
}

fn expectation() -> Value {
    let mut expectation =
        table(&expect::FIELDS, &["when"], expect_field, "what must hold in a part of the run");
    let checks = expect::FIELDS.into_iter().filter(|field| !["when", "within"].contains(field));
    let one: Vec<_> = checks.map(|check| json!({ "required": [check] })).collect();
    insert(&mut expectation, "anyOf", one.into());
    let at_end = json!({ "properties": { "when": { "const": When::End.name() } } });
    insert(&mut expectation, "dependentSchemas", json!({ "audit": at_end, "telemetry": at_end }));
    expectation
}

fn expect_field(name: &str) -> Value {
    match name {
        "when" => json!({ "enum": When::ALL.map(|(name, _)| name) }),
        "within" => {
            duration("the start of the window that does not count, or the time until a state is reached")
        }
        "latency" => conditions(LATENCY),
        "errors" => conditions(ERRORS),
        "goodput" => conditions(RATE),
        "queue" => conditions(QUEUE),
        "failures_only" => {
            let mut outcomes = texts("the only failures that are allowed, such as HTTP 503");
            insert(&mut outcomes, "minItems", 1.into());
            outcomes
        }
        "readiness" => table(&READINESS_FIELDS, &[], |_| texts("processes"), "readiness at some moment"),
        "alert" => {
            let mut alert = table(&ALERT_FIELDS, &[], alert_field, "alerts of a Prometheus");
            let fires = json!({ "required": ["fire"], "properties": { "fire": { "minItems": 1 } } });
            let none = json!({ "required": ["others"], "properties": { "others": { "const": "none" } } });
            insert(&mut alert, "anyOf", json!([fires, none]));
            alert
        }
        "audit" => json!({ "const": "clean", "description": "`octet audit` of every answer" }),
        "telemetry" => {
            let what = "the telemetry audit of every answer";
            let mut telemetry = table(&TELEMETRY_FIELDS, &[], telemetry_field, what);
            insert(&mut telemetry, "minProperties", 1.into());
            telemetry
        }
        _ => Value::Bool(true),
    }
}

fn alert_field(name: &str) -> Value {
    match name {
        "fire" => texts("alerts that fire"),
        "within" => duration("how long they may take"),
        "others" => json!({ "enum": ["none", "any"] }),
        _ => Value::Bool(true),
    }
}

fn telemetry_field(name: &str) -> Value {
    match name {
        "counters" => json!({ "const": "agree" }),
        _ => conditions(ERRORS),
    }
}

fn conditions(vocabulary: Vocabulary) -> Value {
    let names = vocabulary
        .names
        .iter()
        .map(|name| if *name == "p" { format!(r"p\({NUMBER}\)") } else { (*name).to_owned() });
    let names: Vec<_> = names.collect();
    let signs = COMPARISONS.map(|(sign, _)| sign);
    let limit = if vocabulary.is_time { DURATION_PATTERN } else { NUMBER };
    let pattern = format!("^ *(?:{}) *(?:{}) *{limit} *$", names.join("|"), signs.join("|"));
    json!({ "type": "array", "items": { "type": "string", "pattern": pattern } })
}

fn duration(what: &str) -> Value {
    text(&format!("^{DURATION_PATTERN}$"), what)
}

fn text(pattern: &str, what: &str) -> Value {
    json!({ "type": "string", "pattern": pattern, "description": what })
}

fn texts(what: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": what })
}

fn tables(of: &Value, least: usize) -> Value {
    json!({ "type": "array", "items": of, "minItems": least, "maxItems": MAX_TABLES })
}

fn insert(schema: &mut Value, key: &str, value: Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
