//! What would lose rows is refused, with what is wrong and what to do.

use octet_lake::{LakeError, source::Source as _};
use octet_testbed::Postgres;

use super::collect::{BY_TIME, MESSAGE, Server, connect, options, read, source};

#[tokio::test]
async fn null_timestamps_are_refused_or_counted() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let rows = "CREATE TABLE message (id int PRIMARY KEY, at timestamptz); INSERT INTO message VALUES \
         (1, '2026-01-01+00'), (2, NULL), (3, 'infinity'), (4, '-infinity')";
    client.batch_execute(rows).await.expect("rows");
    let mut reader = source(&server, &BY_TIME);
    reader.topics().await.expect("topics");
    let error = read(&mut reader, "message", None).await.expect_err("a NULL");
    assert!(error.to_string().starts_with("1 rows have NULL in at"), "{error}");
    assert!(!error.is_retryable());
    let keys: Vec<_> = BY_TIME.iter().copied().chain([("validate.non.null", "false")]).collect();
    let mut reader = source(&server, &keys);
    reader.topics().await.expect("topics");
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.ids(), [1]);
    assert_eq!(all.skipped.into_iter().collect::<Vec<_>>(), [("infinite", 2), ("null", 1)]);
}

#[tokio::test]
async fn a_sequence_with_a_cache_is_refused() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let keys = [("table.whitelist", "message"), ("mode", "incrementing"), ("incrementing.column.name", "id")];
    for table in [
        "CREATE TABLE message (id bigserial PRIMARY KEY); ALTER SEQUENCE message_id_seq CACHE 20",
        "CREATE TABLE message (id int GENERATED ALWAYS AS IDENTITY (CACHE 20) PRIMARY KEY)",
        "CREATE SEQUENCE apart CACHE 20; CREATE TABLE message (id int DEFAULT nextval('apart') PRIMARY KEY)",
    ] {
        client.batch_execute(&format!("DROP TABLE IF EXISTS message; {table}")).await.expect("a table");
        client.batch_execute("INSERT INTO message DEFAULT VALUES").await.expect("a row");
        let mut reader = source(&server, &keys);
        reader.topics().await.expect("topics");
        let error = read(&mut reader, "message", None).await.expect_err(table);
        assert!(error.to_string().contains("has a CACHE of more than 1"), "{error}");
    }
}

#[tokio::test]
async fn columns_that_are_missing_or_of_another_type_are_named() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client.batch_execute(MESSAGE).await.expect("a table");
    for (column, expected) in
        [("changed", "there is no column changed"), ("body", "the column body is not a timestamp")]
    {
        let keys = [("table.whitelist", "message"), ("mode", "timestamp"), ("timestamp.column.name", column)];
        let mut reader = source(&server, &keys);
        reader.topics().await.expect("topics");
        let error = read(&mut reader, "message", None).await.expect_err(column);
        assert_eq!(error.to_string(), expected);
    }
    let keys = [("table.whitelist", "absent"), ("mode", "bulk")];
    let mut reader = source(&server, &keys);
    reader.topics().await.expect("topics");
    let error = read(&mut reader, "absent", None).await.expect_err("no table");
    assert!(matches!(error, LakeError::Refused(_)), "{error}");
    let twice = [("query", "SELECT 1 AS a, 2 AS a"), ("mode", "bulk"), ("topic.prefix", "twice")];
    let mut reader = source(&server, &twice);
    reader.topics().await.expect("topics");
    let error = read(&mut reader, "twice", None).await.expect_err("two columns");
    assert!(error.to_string().contains("two columns with the name a"), "{error}");
}

#[tokio::test]
async fn a_position_of_another_mode_is_refused() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client.batch_execute(MESSAGE).await.expect("a table");
    client.batch_execute("INSERT INTO message (body) VALUES ('x')").await.expect("a row");
    let mut by_time = source(&server, &BY_TIME);
    by_time.topics().await.expect("topics");
    let position = read(&mut by_time, "message", None).await.expect("rows").end();
    let keys = [("table.whitelist", "message"), ("mode", "incrementing"), ("incrementing.column.name", "id")];
    let mut by_id = source(&server, &keys);
    by_id.topics().await.expect("topics");
    let error = read(&mut by_id, "message", position.as_ref()).await.expect_err("another mode");
    assert!(error.to_string().contains("another mode or key"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_a_failure_that_passes() {
    let server = Postgres::start().await;
    let mut reader = source(&Server::of(&server), &BY_TIME);
    drop(server);
    let error = reader.topics().await.expect_err("no server");
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn every_invalid_key_is_reported_at_once() {
    let server = Server::start().await;
    let findings = options(
        &server,
        &[
            ("mode", "sometimes"),
            ("query", "SELECT 1"),
            ("table.whitelist", "a"),
            ("validate.non.null", "maybe"),
            ("timestamp.granularity", "nanos_string"),
            ("query.suffix", "FOR UPDATE"),
        ],
    )
    .expect_err("invalid keys");
    let errors = findings.errors.join("\n");
    for part in [
        "mode=sometimes",
        "only one of",
        "validate.non.null",
        "timestamp.granularity",
        "query.suffix",
        "topic.prefix",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}
