use std::{collections::BTreeMap, fs};

use super::*;

fn parsed(variables: &[(&str, &str)]) -> Result<Connections, String> {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut environment = Environment::new(&variables);
    let connections = Connections::from_environment(&mut environment);
    environment.finish(connections).map_err(|faults| faults.to_string())
}

#[test]
fn an_embedded_url_names_a_directory() {
    for (url, directory) in
        [("sqlite:data", "data"), ("sqlite:/var/data", "/var/data"), ("sqlite:///var/data", "/var/data")]
    {
        let connections = parsed(&[("STORE_URL", url)]).unwrap();
        assert_eq!(connections.store, StoreConnection::Sqlite(directory.into()), "{url}");
    }
}

#[test]
fn the_default_directories_are_those_of_the_default_data_directory() {
    assert_eq!(Connections::embedded(Path::new(".octet")), parsed(&[]).unwrap());
}

#[test]
fn a_connection_string_selects_the_server() {
    let connections =
        parsed(&[("MONGO_CONN", "mongodb://u:hunter2@db"), ("RABBITMQ_CONN", "amqp://u:hunter2@mq")])
            .unwrap();
    assert!(matches!(connections.store, StoreConnection::Mongo(_)));
    assert!(matches!(connections.queue, QueueConnection::Rabbit(_)));
    assert_eq!((connections.store.variable(), connections.queue.variable()), ("MONGO_CONN", "RABBITMQ_CONN"));
    let shown = format!("{connections:?}");
    assert!(shown.contains("mq") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_connection_string_can_come_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mq");
    fs::write(&file, "amqps://u:p@mq/v\n").unwrap();
    let connections = parsed(&[("RABBITMQ_CONN_FILE", file.to_str().unwrap())]).unwrap();
    assert_eq!(connections.queue, QueueConnection::Rabbit("amqps://u:p@mq/v".parse().unwrap()));
}

#[test]
fn a_fault_never_contains_a_password() {
    for (variables, fault) in [
        (&[("STORE_URL", "data")][..], "STORE_URL: must be sqlite:DIRECTORY"),
        (&[("QUEUE_URL", "sqlite:")], "QUEUE_URL: must be"),
        (&[("QUEUE_URL", "sqlite:x?mode=ro")], "QUEUE_URL: must be"),
        (&[("MONGO_CONN", "postgres://user:hunter2@db")], "MONGO_CONN: must start with mongodb://"),
        (&[("MONGO_CONN", "mongodb://user:hunter2@db/?w=0")], "MONGO_CONN: must not contain w=0"),
        (&[("RABBITMQ_CONN", "http://user:hunter2@mq")], "RABBITMQ_CONN: must start with amqp://"),
        (&[("MONGO_CONN_FILE", "/nowhere/at/all")], "MONGO_CONN_FILE: file cannot be read: No such file"),
        (
            &[("MONGO_CONN", "mongodb://u:hunter2@db"), ("STORE_URL", "sqlite:data")],
            "STORE_URL: must not be set together with MONGO_CONN",
        ),
        (
            &[("RABBITMQ_CONN", "amqp://u:hunter2@mq"), ("RABBITMQ_CONN_FILE", "file")],
            "RABBITMQ_CONN_FILE: must not be set together with RABBITMQ_CONN",
        ),
    ] {
        let faults = parsed(variables).expect_err(fault);
        assert!(faults.starts_with(fault) && !faults.contains("hunter2"), "{faults}");
        assert_eq!(faults.lines().count(), 1, "{faults}");
    }
}
