//! TLS to `PostgreSQL`, the stores of the mesh, and the first try without a configuration.

use octet_backends::{
    mongodb::{MongoSettings, MongoStore},
    sqlite::{SqliteStore, SqliteStoreSettings},
    store::{Document, DocumentStore},
};
use octet_testbed::{Authority, Database, Postgres};
use serde_json::json;

use crate::hydrate::{borrowed, connectors, objects, rows, run, sink, source, succeeds};

fn document(id: &str) -> Document {
    Document {
        id: id.to_owned(),
        service: "service-f".to_owned(),
        message: "Hola / “é”".to_owned(),
        created: "2026-03-04T05:06:07.089012345Z".to_owned(),
        hostname: "host".to_owned(),
    }
}

/// A version 7 UUID of this millisecond.
fn id(ms: u64, number: u64) -> String {
    format!("{:08x}-{:04x}-7000-8000-{number:012x}", ms >> 16, ms & 0xffff)
}

#[tokio::test]
async fn every_mode_of_tls_works_and_a_wrong_authority_or_name_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Postgres::start_with_tls(&authority).await;
    server.sql("postgres", "CREATE TABLE one AS SELECT 1 AS id").await.expect("a table");
    let directory = tempfile::tempdir().expect("a directory");
    let port = server.port();
    let (ca, other) = (authority.ca(), other.ca());
    let (ca, other) = (ca.display(), other.display());
    for (host, query, refusal) in [
        ("127.0.0.1", String::new(), None),
        ("127.0.0.1", "?sslmode=require".to_owned(), None),
        ("localhost", format!("?sslmode=verify-full&sslrootcert={ca}"), None),
        ("127.0.0.1", format!("?sslmode=verify-full&sslrootcert={ca}"), None),
        ("127.0.0.1", format!("?sslmode=verify-ca&sslrootcert={ca}"), None),
        ("localhost", format!("?sslmode=verify-full&sslrootcert={other}"), Some("certificate")),
        ("localhost", format!("?sslmode=verify-ca&sslrootcert={other}"), Some("certificate")),
        // The machine's authorities do not include the test's.
        ("localhost", "?sslmode=verify-full".to_owned(), Some("certificate")),
        ("localhost", "?sslmode=disable".to_owned(), Some("pg_hba.conf")),
    ] {
        let keys = json!({
            "connection.url": format!("jdbc:postgresql://{host}:{port}/postgres{query}"),
            "connection.password": server.password(), "mode": "bulk", "table.whitelist": "one",
        });
        let mut arguments = vec!["hydrate".to_owned(), "--to".to_owned()];
        let root = directory.path().join(format!("{host}{}", query.len()));
        arguments.push(format!("file://{}", root.display()));
        let files = [
            ("source", source(&server, &keys)),
            ("sink", sink(&json!({ "topics": "one", "flush.size": "1" }))),
        ];
        arguments.extend(connectors(directory.path(), &files));
        let Some(refusal) = refusal else {
            succeeds(&borrowed(&arguments), &[]).await;
            continue;
        };
        let output = run(&borrowed(&arguments), &[]).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{query}: {errors}");
        assert!(errors.contains(refusal), "{query}: {errors}");
    }
}

#[tokio::test]
async fn stores_in_files_are_copied_without_a_configuration_each_document_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().display().to_string();
    let settings = SqliteStoreSettings::new(directory.path().join("store"), "service-f", "messages");
    let store = SqliteStore::open(settings).await.expect("a store");
    for number in 0..250 {
        store.insert(&document(&format!("id-{number:03}"))).await.expect("a document");
    }
    let arguments = ["hydrate", "--data", data.as_str()];
    let printed = succeeds(&arguments, &[]).await;
    assert!(printed.contains("service-f.messages"), "{printed}");
    store.insert(&document("id-250")).await.expect("a document");
    succeeds(&arguments, &[]).await;
    let root = directory.path().join("lake");
    for library in ["pyarrow", "duckdb"] {
        let rows = rows(library, &root, "service-f.messages", "_id");
        let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().expect("a text").to_owned()).collect();
        assert_eq!(ids, (0..=250).map(|number| format!("id-{number:03}")).collect::<Vec<_>>(), "{library}");
        assert_eq!(rows[0]["message"], "Hola / “é”", "{library}");
    }
    assert_eq!(objects(&root, "service-f.messages").len(), 4);
}

#[tokio::test]
async fn documents_of_mongodb_are_copied_late_ones_of_the_last_hour_too() {
    let server = Database::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let settings = MongoSettings::new(server.url().parse().expect("an address"), "service-f", "messages");
    let store = MongoStore::open(settings).await.expect("a store");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    let now = u64::try_from(now.as_millis()).expect("a time");
    let insert = async |ms: u64, numbers: std::ops::Range<u64>| {
        for number in numbers {
            store.insert(&document(&id(ms, number))).await.expect("a document");
        }
    };
    insert(now, 0..120).await;
    let root = format!("file://{}", directory.path().display());
    let environment = [("MONGO_CONN", server.url())];
    let arguments = ["hydrate", "--to", root.as_str()];
    succeeds(&arguments, &environment).await;
    // Inserted late: its id has an earlier time than those that were copied.
    insert(now - 30 * 60 * 1_000, 500..501).await;
    succeeds(&arguments, &environment).await;
    let ids = |rows: Vec<serde_json::Value>| -> std::collections::BTreeSet<String> {
        rows.iter().map(|row| row["_id"].as_str().expect("a text").to_owned()).collect()
    };
    let copied = ids(rows("pyarrow", directory.path(), "service-f.messages", "_id"));
    assert_eq!(copied.len(), 121);
    assert!(copied.contains(&id(now - 30 * 60 * 1_000, 500)));
}

#[tokio::test]
async fn a_configuration_names_stores_by_jdbc_sqlite_and_mongodb() {
    let server = Database::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let files = directory.path().join("store");
    let sqlite = SqliteStore::open(SqliteStoreSettings::new(&files, "service-c", "greetings")).await;
    sqlite.expect("a store").insert(&document("id-1")).await.expect("a document");
    let settings = MongoSettings::new(server.url().parse().expect("an address"), "service-f", "messages");
    let mongodb = MongoStore::open(settings).await.expect("a store");
    mongodb.insert(&document("id-2")).await.expect("a document");
    let configuration = format!(
        "to = \"file://{root}/lake\"\n\
         [source.c]\nconnection.url = \"jdbc:sqlite:{root}/store/service-c.sqlite\"\nmode = \"incrementing\"\n\
         incrementing.column.name = \"rowid\"\ntable.whitelist = \"greetings\"\ntopic.prefix = \"c.\"\n\
         [source.f]\nconnection.url = \"${{env:SERVER}}\"\ndatabase = \"service-f\"\n\
         table.whitelist = \"messages\"\ntopic.prefix = \"f.\"\n",
        root = directory.path().display()
    );
    let file = directory.path().join("lake.toml");
    std::fs::write(&file, configuration).expect("a file");
    let arguments = ["hydrate", "--config", &file.display().to_string()];
    succeeds(&arguments, &[("SERVER", server.url())]).await;
    let root = directory.path().join("lake");
    for (topic, id) in [("c.greetings", "id-1"), ("f.messages", "id-2")] {
        let rows = rows("pyarrow", &root, topic, "_id");
        assert_eq!((rows.len(), &rows[0]["_id"]), (1, &json!(id)), "{topic}");
    }
}

#[tokio::test]
async fn each_run_of_bulk_has_a_directory_of_its_own() {
    let server = Postgres::start().await;
    server
        .sql("postgres", "CREATE TABLE one AS SELECT n AS id FROM generate_series(1, 150) n")
        .await
        .expect("rows");
    let directory = tempfile::tempdir().expect("a directory");
    let configuration = format!(
        "to = \"file://{}/lake\"\n[source.one]\nconnection.url = \"{}\"\nconnection.user = \"postgres\"\n\
         mode = \"bulk\"\ntable.whitelist = [\"one\"]\n",
        directory.path().display(),
        format_args!("postgresql://127.0.0.1:{}/postgres", server.port()),
    );
    let file = directory.path().join("lake.toml");
    std::fs::write(&file, configuration).expect("a file");
    for _ in 0..2 {
        succeeds(&["hydrate", "--config", &file.display().to_string()], &[]).await;
    }
    let root = directory.path().join("lake");
    let names = objects(&root, "one");
    let runs: std::collections::BTreeSet<_> =
        names.iter().filter_map(|name| name.strip_prefix("run=")?.split_once('/')).collect();
    let directories: std::collections::BTreeSet<_> = runs.iter().map(|(run, _)| *run).collect();
    assert_eq!((names.len(), directories.len()), (4, 2), "{names:?}");
    assert!(names[0].ends_with("Z/partition=0/one+0+0000000000.json"), "{names:?}");
    assert_eq!(rows("duckdb", &root, "one", "id").len(), 300);
}
