//! The modes, and where each continues.

use octet_lake::source::{Source as _, postgres::PostgresSource};

use super::collect::{BY_TIME, Collected, MESSAGE, Server, connect, read, source};

async fn opened(server: &Server, keys: &[(&str, &str)]) -> (PostgresSource, Vec<String>) {
    let mut source = source(server, keys);
    let topics = source.topics().await.expect("topics");
    (source, topics)
}

/// kafka-connect-jdbc #1093, #598: rows of one timestamp are lost at a restart between them.
#[tokio::test]
async fn reading_continues_between_rows_of_equal_timestamps() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client.batch_execute(MESSAGE).await.expect("a table");
    let rows = "INSERT INTO message (body) SELECT 'same transaction' FROM generate_series(1, 250)";
    client.batch_execute(rows).await.expect("rows");
    let (mut reader, _) = opened(&server, &BY_TIME).await;
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.ids(), (1..=250).collect::<Vec<_>>());
    let at_hundred = all.ends()[99].clone().expect("a position after each row");
    let rest = read(&mut reader, "message", Some(&at_hundred)).await.expect("rows");
    assert_eq!(rest.ids(), (101..=250).collect::<Vec<_>>());
}

/// kafka-connect-jdbc #1239: a failure of the sink moves nothing.
#[tokio::test]
async fn after_a_failure_of_the_sink_the_same_rows_come_again() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client.batch_execute(MESSAGE).await.expect("a table");
    let rows = "INSERT INTO message (body) SELECT 'x' FROM generate_series(1, 10000)";
    client.batch_execute(rows).await.expect("rows");
    let (mut reader, _) = opened(&server, &BY_TIME).await;
    reader.settle().await.expect("nothing is open");
    let mut failing = Collected { limit: Some(1), ..Collected::default() };
    reader.read("message", None, &mut failing).await.expect_err("the sink is away");
    let rest = read(&mut reader, "message", failing.end().as_ref()).await.expect("the session still works");
    assert_eq!(failing.ids().len() + rest.ids().len(), 10_000);
}

/// kafka-connect-jdbc #70: microseconds are cut, and the last row comes again with each poll.
#[tokio::test]
async fn a_row_with_microseconds_does_not_come_again() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client.batch_execute(MESSAGE).await.expect("a table");
    let row = "INSERT INTO message (at, body) VALUES ('2026-01-01 00:00:00.123456+00', 'x')";
    client.batch_execute(row).await.expect("a row");
    let (mut reader, _) = opened(&server, &BY_TIME).await;
    let first = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(first.rows()[0]["at"], "2026-01-01T00:00:00.123456Z");
    let second = read(&mut reader, "message", first.end().as_ref()).await.expect("rows");
    assert_eq!(second.ids(), Vec::<i64>::new());
}

/// kafka-connect-jdbc #1397, #470: the zone applies to both ends of the range.
#[tokio::test]
async fn a_timestamp_without_zone_is_of_the_configured_one() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let rows = "CREATE TABLE message (id int PRIMARY KEY, at timestamp NOT NULL); \
         INSERT INTO message SELECT 1, (now() - interval '1 minute') AT TIME ZONE 'Asia/Kolkata'; \
         INSERT INTO message SELECT 2, (now() + interval '1 hour') AT TIME ZONE 'Asia/Kolkata'";
    client.batch_execute(rows).await.expect("rows");
    for (zone, expected) in [("Asia/Kolkata", vec![1]), ("UTC", vec![]), ("Pacific/Kiritimati", vec![1, 2])] {
        let keys: Vec<_> = BY_TIME.iter().copied().chain([("db.timezone", zone)]).collect();
        let (mut reader, _) = opened(&server, &keys).await;
        let first = read(&mut reader, "message", None).await.expect("rows");
        assert_eq!(first.ids(), expected, "{zone}");
        let again = read(&mut reader, "message", first.end().as_ref()).await.expect("rows");
        assert_eq!(again.ids(), Vec::<i64>::new(), "{zone}");
    }
    // The server's, unless configured; not the zone of Octet's session.
    let set = format!("ALTER DATABASE {} SET TimeZone TO 'Asia/Kolkata'", server.database());
    client.batch_execute(&set).await.expect("a setting");
    let (mut reader, _) = opened(&server, &BY_TIME).await;
    assert_eq!(read(&mut reader, "message", None).await.expect("rows").ids(), [1]);
}

/// kafka-connect-jdbc #566, #1666: a condition is appended to a query that has one.
#[tokio::test]
async fn a_query_with_where_order_and_comment_is_wrapped() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client.batch_execute(MESSAGE).await.expect("a table");
    let rows = "INSERT INTO message (at, body) VALUES ('2026-01-01+00', 'a'), ('2026-01-01+00', 'b'), \
         ('2026-01-02+00', 'a'), ('2026-01-03+00', 'other')";
    client.batch_execute(rows).await.expect("rows");
    let query = "SELECT m.id, m.at, upper(m.body) AS body FROM message m WHERE m.body IN ('a', 'b') ORDER BY m.id DESC; -- end";
    let query = query.trim_end_matches("; -- end").to_owned() + " -- end";
    let keys = [
        ("query", query.as_str()),
        ("mode", "timestamp"),
        ("timestamp.column.name", "at"),
        ("topic.prefix", "query"),
    ];
    let (mut reader, topics) = opened(&server, &keys).await;
    assert_eq!(topics, ["query"]);
    let all = read(&mut reader, "query", None).await.expect("rows");
    assert_eq!(all.rows().len(), 3);
    assert_eq!(all.rows()[2]["body"], "A");
    // Without a key a commit ends only between timestamps.
    let ends = all.ends();
    assert!(ends[0].is_none() && ends[1].is_some() && ends[2].is_some(), "{ends:?}");
    let rest = read(&mut reader, "query", ends[1].as_ref()).await.expect("rows");
    assert_eq!(rest.ids(), [3]);
}

#[tokio::test]
async fn incrementing_and_timestamp_incrementing_continue_at_their_position() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client.batch_execute(MESSAGE).await.expect("a table");
    client
        .batch_execute("INSERT INTO message (body) SELECT 'x' FROM generate_series(1, 20)")
        .await
        .expect("rows");
    let both = [
        ("table.whitelist", "message"),
        ("mode", "timestamp+incrementing"),
        ("timestamp.column.name", "at"),
        ("incrementing.column.name", "id"),
    ];
    let by_id =
        [("table.whitelist", "message"), ("mode", "incrementing"), ("incrementing.column.name", "id")];
    for keys in [&both[..], &by_id[..]] {
        let (mut reader, _) = opened(&server, keys).await;
        let all = read(&mut reader, "message", None).await.expect("rows");
        assert_eq!(all.ids(), (1..=20).collect::<Vec<_>>());
        let rest = read(&mut reader, "message", all.ends()[9].as_ref()).await.expect("rows");
        assert_eq!(rest.ids(), (11..=20).collect::<Vec<_>>());
    }
    client.batch_execute("UPDATE message SET at = now(), body = 'y' WHERE id = 3").await.expect("an update");
    let (mut reader, _) = opened(&server, &both).await;
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.ids().last(), Some(&3), "an updated row comes with its new timestamp");
}

#[tokio::test]
async fn bulk_reads_everything_in_each_run_and_names_the_run() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client.batch_execute("CREATE TABLE message AS SELECT 1 AS id UNION ALL SELECT 2").await.expect("a table");
    let (mut reader, _) = opened(&server, &[("table.whitelist", "message"), ("mode", "bulk")]).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let all = read(&mut reader, "message", None).await.expect("rows");
        assert_eq!(all.rows().len(), 2);
        runs.push(all.end().expect("a position").0[0].clone());
    }
    assert_ne!(runs[0], runs[1]);
}

#[tokio::test]
async fn keys_of_several_columns_and_of_any_type_order_the_rows() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let rows = "CREATE TYPE size AS ENUM ('small', 'large'); \
         CREATE TABLE message (id int, size size, part text, amount numeric, at timestamptz NOT NULL DEFAULT now(), \
             PRIMARY KEY (size, part, amount)); \
         INSERT INTO message VALUES (3, 'large', 'it''s \\', 1), (1, 'small', 'b', 10), (2, 'small', 'b', 10.5), \
             (4, 'large', 'z', -1)";
    client.batch_execute(rows).await.expect("rows");
    let (mut reader, _) = opened(&server, &BY_TIME).await;
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.ids(), [1, 2, 3, 4]);
    for (index, end) in all.ends().iter().enumerate() {
        let rest = read(&mut reader, "message", end.as_ref()).await.expect("rows");
        assert_eq!(rest.ids(), all.ids()[index + 1..], "{end:?}");
    }
}

#[tokio::test]
async fn the_first_of_several_timestamp_columns_that_is_set_counts() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let rows = "CREATE TABLE message (id int PRIMARY KEY, updated timestamptz, created timestamptz); \
         INSERT INTO message VALUES (1, NULL, '2026-01-02+00'), (2, '2026-01-01+00', '2025-01-01+00')";
    client.batch_execute(rows).await.expect("rows");
    let keys = [
        ("table.whitelist", "message"),
        ("mode", "timestamp"),
        ("timestamp.column.name", "updated, created"),
    ];
    let (mut reader, _) = opened(&server, &keys).await;
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.ids(), [2, 1]);
    let rest = read(&mut reader, "message", all.ends()[0].as_ref()).await.expect("rows");
    assert_eq!(rest.ids(), [1]);
}

#[tokio::test]
async fn all_tables_of_a_schema_but_the_excluded_ones_are_topics() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let tables = "CREATE TABLE one (id int); CREATE TABLE two (id int); CREATE TABLE three (id int); \
         CREATE VIEW four AS SELECT * FROM one";
    client.batch_execute(tables).await.expect("tables");
    let keys = [("table.blacklist", "two"), ("mode", "bulk"), ("topic.prefix", "db.")];
    let (_, topics) = opened(&server, &keys).await;
    assert_eq!(topics, ["db.one", "db.three"]);
}
