//! Strings that are invalid for their field.

use crate::{assert_faults, mesh};

#[test]
fn an_invalid_value_is_reported_with_its_rule() {
    assert_faults(&[
        (
            "an empty greeting",
            "entry = 'a'\n[[service]]\nname = 'a'\ngreeting = ''".to_owned(),
            r#"t:4:12: service[0].greeting: "" is not a greeting: it is blank"#,
        ),
        (
            "a blank greeting",
            "entry = 'a'\n[[service]]\nname = 'a'\ngreeting = ' '".to_owned(),
            r#"t:4:12: service[0].greeting: " " is not a greeting: it is blank"#,
        ),
        (
            "a greeting of two lines",
            "entry = 'a'\n[[service]]\nname = 'a'\ngreeting = \"A\\nB\"".to_owned(),
            r#"t:4:12: service[0].greeting: "A\nB" is not a greeting: use one line without control characters"#,
        ),
        (
            "an invalid name, reported where it is declared and not where it is used",
            "entry = 'Service_A'\n[[service]]\nname = 'Service_A'\ngreeting = 'A'".to_owned(),
            r#"t:3:8: service[0].name: "Service_A" is not a service name: use 1 to 63 lower-case letters, digits and '-', starting with a letter and not ending with '-'"#,
        ),
        (
            "a reserved name",
            "entry = 'store'\n[[service]]\nname = 'store'\ngreeting = 'A'".to_owned(),
            r#"t:3:8: service[0].name: "store" is not a service name: collector, gateway, queue, store and trace-query are reserved"#,
        ),
        (
            "an invalid database",
            mesh("store = { database = '../d', collection = 'c' }", ""),
            r#"t:5:22: service[0].store.database: "../d" is not a database name: use 1 to 63 letters, digits, '-' and '_'"#,
        ),
        (
            "an invalid collection",
            mesh("store = { database = 'd', collection = 'system.c' }", ""),
            r#"t:5:40: service[0].store.collection: "system.c" is not a collection name: MongoDB reserves names that start with 'system.'"#,
        ),
        (
            "an invalid queue",
            mesh("publishes = 'amq.q'", ""),
            r#"t:5:13: service[0].publishes: "amq.q" is not a queue name: RabbitMQ reserves names that start with 'amq.'"#,
        ),
        (
            "an unknown policy",
            mesh("policy = 'lenient'", ""),
            r#"t:5:10: service[0].policy: "lenient" is not a policy: use strict or partial"#,
        ),
    ]);
}
