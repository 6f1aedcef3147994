//! Reads final rows and commits them.

use tokio_postgres::Client;

use crate::{LakeError, Position, Topic, watermark::prepare};

/// Records in an object.
const FLUSH_SIZE: i64 = 100;

/// A table, by its name and the names of its columns, unquoted.
#[derive(Debug, Clone)]
pub struct Table {
    /// The table.
    pub name: String,
    /// Its `timestamptz` column, set to `now()` by each insert and update.
    pub timestamp: String,
    /// Its primary key, which orders rows of one timestamp.
    pub key: String,
}

/// Reads the rows before `bound` that are not yet in the topic, and commits them in objects of up to 100 records.
/// Returns how many.
///
/// # Errors
/// [`LakeError`]; what was committed stays, and the next call continues there.
pub async fn hydrate(
    client: &Client,
    table: &Table,
    bound: &str,
    topic: &mut Topic,
) -> Result<usize, LakeError> {
    prepare(client).await?;
    let (name, time, key) = (quoted(&table.name), quoted(&table.timestamp), quoted(&table.key));
    let mut total = 0;
    loop {
        let after = topic.position().map_or_else(String::new, |Position { timestamp, key: last }| {
            format!("AND (octet.{time}, octet.{key}) > ({}, {})", literal(timestamp), literal(last))
        });
        let page = format!(
            "SELECT octet.{time}::text, octet.{key}::text, row_to_json(octet)::text FROM {name} AS octet \
             WHERE octet.{time} < {} AND isfinite(octet.{time}) {after} \
             ORDER BY octet.{time}, octet.{key} LIMIT {FLUSH_SIZE}",
            literal(bound)
        );
        let rows = client.query(&page, &[]).await?;
        let Some(last) = rows.last() else { return Ok(total) };
        let last = Position { timestamp: last.try_get(0)?, key: last.try_get(1)? };
        let lines = rows.iter().map(|row| row.try_get(2)).collect::<Result<Vec<String>, _>>()?;
        topic.commit(&lines, last)?;
        total += lines.len();
    }
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A literal without a type, which takes that of the column beside it. Valid for both settings of
/// `standard_conforming_strings`.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
