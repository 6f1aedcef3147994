//! Fields that are missing, unknown or of the wrong type.

use crate::{assert_faults, mesh};

#[test]
fn a_missing_unknown_or_mistyped_field_is_reported() {
    let two = "[[service]]\nname = 'a'\ngreeting = 'A'\n";
    assert_faults(&[
        (
            "an empty file",
            String::new(),
            "t:1:1: entry: missing\nt:1:1: service: must have at least one [[service]]",
        ),
        ("a missing entry", two.to_owned(), "t:1:1: entry: missing"),
        (
            "an entry of the wrong type",
            format!("entry = 1\n{two}"),
            "t:1:9: entry: must be a string, not an integer",
        ),
        (
            "no services",
            "entry = 'a'\nservice = []".to_owned(),
            "t:2:11: service: must have at least one [[service]]",
        ),
        (
            "services of the wrong type",
            "entry = 'a'\n[service]\nname = 'a'".to_owned(),
            "t:2:1: service: must be an array of tables ([[service]]), not a table",
        ),
        (
            "a service of the wrong type",
            "entry = 'a'\nservice = [{ name = 'a', greeting = 'A' }, 1.5]".to_owned(),
            "t:2:44: service[1]: must be a table, not a float",
        ),
        (
            "an unknown field at the top",
            format!("entry = 'a'\nversion = 3\n{two}"),
            "t:2:1: version: unknown field; fields are: entry, seed, defaults, service, edge, fault",
        ),
        (
            "an unknown field of a service",
            mesh("", "'gree ting' = 'Hi'"),
            "t:9:1: service[1].\"gree ting\": unknown field; \
             fields are: name, calls, store, publishes, consumes, greeting, policy, replicas, work, cpu, memory, payload, \
             limit, when_left, ready_after",
        ),
        (
            "an unknown field of a store",
            mesh("store = { database = 'd', collection = 'c', url = 'x' }", ""),
            "t:5:45: service[0].store.url: unknown field; fields are: database, collection",
        ),
        (
            "a missing name",
            "entry = 'a'\n[[service]]\ngreeting = 'A'".to_owned(),
            "t:2:1: service[0].name: missing",
        ),
        (
            "calls of the wrong type",
            mesh("calls = 'service-b'", ""),
            "t:5:9: service[0].calls: must be an array of strings, or of arrays of strings (steps), not a string",
        ),
        (
            "an upstream of the wrong type",
            mesh("calls = ['service-b', true]", ""),
            "t:5:23: service[0].calls[1]: must be a string, not a boolean",
        ),
        (
            "a store of the wrong type",
            mesh("store = 'd.c'", ""),
            "t:5:9: service[0].store: must be a table, not a string",
        ),
        (
            "a store without a collection",
            mesh("store = { database = 'd' }", ""),
            "t:5:9: service[0].store.collection: missing",
        ),
    ]);
}
