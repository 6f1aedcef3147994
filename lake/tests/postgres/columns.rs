//! Every type arrives as it is.

use octet_lake::source::Source as _;
use serde_json::json;

use super::collect::{Server, connect, read, source};

const BULK: [(&str, &str); 2] = [("table.whitelist", "message"), ("mode", "bulk")];

/// kafka-connect-jdbc #280, #480: NUMERIC as base64, or cut to an int8.
#[tokio::test]
async fn values_of_every_type_are_exact() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let rows = "CREATE DOMAIN euro AS numeric(10,2); CREATE TYPE mood AS ENUM ('happy'); \
         CREATE TABLE message (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, t text, v varchar(5), \
             c char(3), u uuid, d date, tm time, ts timestamp, tz timestamptz, n numeric, n2 numeric(12,2), \
             big numeric(60,10), e euro, m mood, j jsonb, ip inet, iv interval, a int[], ta text[], na numeric(5,1)[], \
             o oid, nothing int); \
         INSERT INTO message VALUES (true, -32768, -2147483648, 9223372036854775807, 1.5, 0.1, 'é / % ~ # =', 'abc', \
             'ab', '0188e2cf-7b3e-7f4c-9a4d-0123456789ab', '0044-03-15', '23:59:59.999999', '1999-12-31 23:59:59.000001', \
             '2026-07-01 12:00:00.5+02', 123456789012345678901234567890.000000001, -1234567890.10, \
             12345678901234567890123456789012345678901234567890.0123456789, 9.99, 'happy', '{\"k\": [1, null]}', \
             '10.0.0.0/8', '1 day 02:00', '{1,NULL,3}', '{}', '{1.5,-2}', 4294967295, NULL)";
    client.batch_execute(rows).await.expect("rows");
    let mut reader = source(&server, &BULK);
    reader.topics().await.expect("topics");
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.bad, []);
    let row = &all.rows()[0];
    for (column, expected) in [
        ("b", json!(true)),
        ("i2", json!(-32_768)),
        ("i4", json!(-2_147_483_648_i64)),
        ("i8", json!(9_223_372_036_854_775_807_i64)),
        ("f4", json!(1.5)),
        ("f8", json!(0.1)),
        ("t", json!("é / % ~ # =")),
        ("v", json!("abc")),
        ("c", json!("ab ")),
        ("u", json!("0188e2cf-7b3e-7f4c-9a4d-0123456789ab")),
        ("d", json!("0044-03-15")),
        ("tm", json!("23:59:59.999999")),
        ("ts", json!("1999-12-31T23:59:59.000001")),
        ("tz", json!("2026-07-01T10:00:00.500Z")),
        ("n", json!("123456789012345678901234567890.000000001")),
        ("m", json!("happy")),
        ("j", json!("{\"k\": [1, null]}")),
        ("ip", json!("10.0.0.0/8")),
        ("iv", json!("1 day 02:00:00")),
        ("a", json!([1, null, 3])),
        ("ta", json!([])),
        ("o", json!(4_294_967_295_i64)),
    ] {
        assert_eq!(row.get(column), Some(&expected), "{column}");
    }
    assert_eq!(row.get("nothing"), None, "NULL");
    let schema = all.pages[0].rows.schema();
    for (column, expected) in [
        ("n2", "Decimal128(12, 2)"),
        ("big", "Decimal256(60, 10)"),
        ("e", "Decimal128(10, 2)"),
        ("na", "List(Decimal128(5, 1))"),
    ] {
        let field = schema.field_with_name(column).expect("a column");
        assert_eq!(field.data_type().to_string(), expected, "{column}");
    }
    // The JSON writer prints decimals as numbers, which this reader rounds; their text is exact.
    let mut line = Vec::new();
    let mut writer = arrow_json::LineDelimitedWriter::new(&mut line);
    writer.write(&all.pages[0].rows).expect("JSON");
    let line = String::from_utf8(line).expect("UTF-8");
    for text in ["-1234567890.10", "12345678901234567890123456789012345678901234567890.0123456789"] {
        assert!(line.contains(text), "{text}: {line}");
    }
}

#[tokio::test]
async fn a_value_without_a_form_is_reported_with_its_column_and_the_other_rows_go_on() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let rows = "CREATE TABLE message (id int, n numeric(5,2), d date, t time, a int[]); INSERT INTO message VALUES \
         (1, 1, NULL, NULL, NULL), (2, 'NaN', NULL, NULL, NULL), (3, 1, 'infinity', NULL, NULL), \
         (4, 1, NULL, '24:00', NULL), (5, 1, NULL, NULL, '{{1},{2}}'), (6, 1, NULL, NULL, '{7}')";
    client.batch_execute(rows).await.expect("rows");
    let mut reader = source(&server, &BULK);
    reader.topics().await.expect("topics");
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.ids(), [1, 6]);
    let columns: Vec<_> = all.bad.iter().map(|row| row.column.as_str()).collect();
    assert_eq!(columns, ["n", "d", "t", "a"]);
    assert_eq!(all.ends().len(), 2);
}

#[tokio::test]
async fn a_column_that_is_added_appears_at_the_next_read() {
    let server = Server::start().await;
    let client = connect(&server).await;
    client
        .batch_execute("CREATE TABLE message (id int); INSERT INTO message VALUES (1)")
        .await
        .expect("a table");
    let mut reader = source(&server, &BULK);
    reader.topics().await.expect("topics");
    read(&mut reader, "message", None).await.expect("rows");
    client.batch_execute("ALTER TABLE message ADD added text DEFAULT 'new'").await.expect("a column");
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.rows(), [json!({"id": 1, "added": "new"})]);
}

/// kafka-connect-jdbc #34, #705: the first load does not fit into memory.
#[tokio::test]
async fn a_large_table_comes_in_small_pages() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let rows =
        "CREATE TABLE message AS SELECT i AS id, repeat('x', 100000) AS body FROM generate_series(1, 100) i";
    client.batch_execute(rows).await.expect("rows");
    let mut reader = source(&server, &BULK);
    reader.topics().await.expect("topics");
    let all = read(&mut reader, "message", None).await.expect("rows");
    assert_eq!(all.ids().len(), 100);
    let largest = all.pages.iter().map(|page| page.rows.get_array_memory_size()).max().expect("pages");
    assert!(largest < 4 * 1024 * 1024, "{largest} bytes in a page");
}
