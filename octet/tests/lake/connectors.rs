//! The connector files of examples/lake/connectors.

use std::{collections::BTreeMap, fs, path::Path};

use octet_testbed::{Postgres, S3};
use serde_json::Value;

use crate::{
    hydrate::{borrowed, objects, rows, run, succeeds},
    pagila::PAGILA,
};

const FILES: [&str; 6] =
    ["source-bulk", "source-query", "source-timestamp", "sink-country", "sink-json", "sink-time"];

/// The files, with the port of the test's server instead of 5432 and nothing else changed.
fn files(server: &Postgres, directory: &Path) -> Vec<String> {
    let mut arguments = vec!["hydrate".to_owned(), "--connectors".to_owned()];
    for name in FILES {
        let path = format!("{}/../examples/lake/connectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(path).expect("an example");
        let text = text.replace("localhost:5432", &format!("localhost:{}", server.port()));
        let copy = directory.join(format!("{name}.json"));
        fs::write(&copy, text).expect("a copy");
        arguments.push(copy.display().to_string());
    }
    arguments
}

/// The records of one object of JSON lines.
fn lines(root: &Path, topic: &str, object: &str) -> Vec<Value> {
    let text = fs::read_to_string(root.join("topics").join(topic).join(object)).expect("an object");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The directory, and the offset in the name.
fn parts(object: &str) -> (String, usize) {
    let (directory, name) = object.rsplit_once('/').expect("a directory");
    let offset = name.split('+').nth(2).and_then(|rest| rest.split('.').next()).expect("an offset");
    (directory.to_owned(), offset.parse().expect("a number"))
}

#[tokio::test]
async fn the_six_files_give_the_objects_names_and_rows_of_the_jdbc_source_and_the_s3_sink() {
    let (server, s3, directory) =
        (Postgres::start().await, S3::start().await, tempfile::tempdir().expect("a directory"));
    server.sql("postgres", "CREATE DATABASE pagila").await.expect("a database");
    server.sql("pagila", PAGILA).await.expect("the set");
    let arguments = files(&server, directory.path());
    let mut environment = s3.environment().to_vec();
    environment.extend([("PGUSER", "postgres".to_owned()), ("PGPASSWORD", "unused".to_owned())]);
    let printed = succeeds(&borrowed(&arguments), &environment).await;
    assert!(printed.contains("pagila.bulk.country") && printed.contains("109"), "{printed}");
    let root = directory.path().join("first");
    s3.download("topics/", &root);
    by_country(&root);
    by_day(&root);
    // Two commits: 100 rows, and the rest at the end of the run.
    let run = objects(&root, "pagila.bulk.country");
    let names = ["pagila.bulk.country+0+0000000000.json", "pagila.bulk.country+0+0000000100.json"];
    assert_eq!(run, names.map(|name| format!("partition=0/{name}")));
    let countries = lines(&root, "pagila.bulk.country", &run[0]);
    assert_eq!(countries.len(), 100);
    let record = serde_json::json!({ "country_id": 1, "country": "Côte d'Ivoire", "last_update": 1_609_459_200_000_u64 });
    assert_eq!(countries[0], record);
    assert_eq!(lines(&root, "pagila.bulk.country", &run[1]).len(), 9);

    // A second run copies what is new, and all of the table that is read in bulk.
    let update = "UPDATE address SET phone = 'new', last_update = now() AT TIME ZONE 'UTC' - interval '2 s' \
         WHERE address_id = 7";
    server.sql("pagila", update).await.expect("an update");
    succeeds(&borrowed(&arguments), &environment).await;
    let root = directory.path().join("second");
    s3.download("topics/", &root);
    for topic in ["pagila.query", "pagila.timestamp.address"] {
        assert_eq!(rows("pyarrow", &root, topic, "address_id").len(), 601, "{topic}");
        let verified = succeeds(&["lake", "verify", topic, "--to", "s3://lake"], &environment).await;
        assert!(verified.contains("601 rows"), "{verified}");
    }
    assert_eq!(objects(&root, "pagila.bulk.country").len(), 4);

    server.sql("pagila", "DELETE FROM address WHERE address_id IN (8, 599)").await.expect("deletions");
    let mut verify = vec!["lake", "verify", "pagila.timestamp.address", "--to", "s3://lake"];
    verify.extend(["--deletes", "--key", "address_id"]);
    verify.extend(arguments[1..].iter().map(String::as_str));
    let printed = succeeds(&verify, &environment).await;
    for line in ["deleted: 8\n", "deleted: 599\n", ": 2 of 600 keys are not in the source any more"] {
        assert!(printed.contains(line), "{printed}");
    }
}

/// 600 addresses in commits of 100, one object a country in each.
fn by_country(root: &Path) {
    let names = objects(root, "pagila.query");
    let mut commits: BTreeMap<usize, usize> = BTreeMap::new();
    for name in &names {
        assert!(name.starts_with("country=") && name.ends_with(".gz.parquet"), "{name}");
        *commits.entry(parts(name).1 / 100).or_default() += 1;
    }
    // 109 countries in turn: 100 consecutive rows have as many countries.
    assert_eq!(commits.values().copied().collect::<Vec<_>>(), [100; 6]);
    for expected in [
        "country=Côte d%27Ivoire/pagila.query+0+0000000000.gz.parquet",
        "country=a%2Fb/pagila.query+0+0000000001.gz.parquet",
        "country=50%25/pagila.query+0+0000000002.gz.parquet",
        "country=~x/pagila.query+0+0000000003.gz.parquet",
        "country=a%3Db%23c/pagila.query+0+0000000004.gz.parquet",
        "country=日本/pagila.query+0+0000000006.gz.parquet",
    ] {
        assert!(names.iter().any(|name| name == expected), "{expected} is missing: {:?}", &names[..20]);
    }
    for library in ["pyarrow", "duckdb"] {
        // The column is in the objects too under --connectors, as the S3 sink leaves it.
        let rows = rows(library, root, "pagila.query", "address_id");
        let ids: Vec<_> = rows.iter().map(|row| row["address_id"].as_i64().expect("a number")).collect();
        assert_eq!(ids, (1..=600).collect::<Vec<_>>(), "{library}");
        assert_eq!(rows[0]["address"], "0 Rue de l'Été", "{library}");
        assert_eq!(rows[0]["city"], "City 0", "{library}");
        let at = rows[0]["last_update"].as_str().expect("a time");
        assert!(at.starts_with("2021-03-01T10:00:00.123456"), "{library}: {at}");
    }
}

/// A directory for each day, with rows of the table as they are.
fn by_day(root: &Path) {
    let topic = "pagila.timestamp.address";
    let names = objects(root, topic);
    // 600 rows, 10 every 12 hours: 30 days.
    let days: std::collections::BTreeSet<String> = names.iter().map(|name| parts(name).0).collect();
    assert_eq!(days.len(), 30, "{days:?}");
    let first = format!("year=2021/month=03/day=01/{topic}+0+0000000000.snappy.parquet");
    assert_eq!(names[0], first);
    for library in ["pyarrow", "duckdb"] {
        let rows = rows(library, root, topic, "address_id");
        assert_eq!(rows.len(), 600, "{library}");
        assert_eq!((&rows[41]["rent"], &rows[41]["district"]), (&"41.25".into(), &Value::Null), "{library}");
    }
}

/// The order of the fields, and what is wrong with each.
#[tokio::test]
async fn faults_of_connector_files_are_reported_at_once_with_exit_status_64() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("source.json");
    let text = r#"{"name": "bad", "config": {"connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector",
        "connection.url": "jdbc:oracle://db", "mode": "sometimes", "poll.interval.ms": "soon",
        "transforms": "x", "transforms.x.type": "com.example.Mine"}}"#;
    fs::write(&file, text).expect("a file");
    let output = run(&["hydrate", "--connectors", &file.display().to_string()], &[]).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{errors}");
    for key in ["connection.url", "mode=sometimes", "poll.interval.ms=soon", "com.example.Mine"] {
        assert!(errors.contains(key), "{key}: {errors}");
    }
}
