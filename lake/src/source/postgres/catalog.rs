//! What the database knows about a table: its columns, its key, its sequences.

use tokio_postgres::{Client, error::SqlState, types::Type};

use super::{
    literal::quoted,
    options::{PostgresOptions, Selection},
};
use crate::LakeError;

/// A table or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Relation {
    /// `schema.table` or `table`, of which each part may be in double quotes.
    Table(String),
    Query(String),
}

/// A column, as the server describes it.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) data_type: Type,
    pub(super) modifier: i32,
}

impl Relation {
    /// What stands behind FROM.
    pub(super) fn from(&self) -> String {
        match self {
            Self::Table(name) => format!("{} AS octet", qualified(name)),
            // A comment at its end must not comment the rest out.
            Self::Query(query) => format!("(\n{query}\n) AS octet"),
        }
    }
}

/// `schema.table` with each part quoted: the JDBC source takes names as they are, too.
fn qualified(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(|part| quoted(part.trim_matches('"'))).collect();
    parts.join(".")
}

/// The tables of a source.
pub(super) async fn relations(
    client: &Client,
    options: &PostgresOptions,
) -> Result<Vec<(String, Relation)>, LakeError> {
    Ok(match &options.selection {
        Selection::Query(query) => vec![(options.topic_prefix.clone(), Relation::Query(query.clone()))],
        Selection::Tables(tables) => {
            tables.iter().map(|table| (options.topic(table), Relation::Table(table.clone()))).collect()
        }
        Selection::AllBut { schema, excluded } => {
            let sql = "SELECT relname::text FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace \
                 WHERE nspname = $1) AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname";
            let mut found = Vec::new();
            for row in client.query(sql, &[schema]).await? {
                let table: String = row.try_get(0)?;
                let name = format!("{schema}.{table}");
                if !excluded.iter().any(|excluded| *excluded == table || *excluded == name) {
                    found.push((options.topic(&table), Relation::Table(name)));
                }
            }
            if found.is_empty() {
                return Err(LakeError::Refused(format!("the schema {schema} has no tables to copy")));
            }
            found
        }
    })
}

/// The columns, without reading a row.
pub(super) async fn columns(client: &Client, relation: &Relation) -> Result<Vec<Described>, LakeError> {
    let prepared = client.prepare(&format!("SELECT * FROM {}", relation.from())).await;
    let prepared = prepared.map_err(|error| match error.as_db_error() {
        // What does not exist, or may not be read, will not change by itself; a lost connection will.
        Some(reason)
            if reason.code().code().starts_with("42") || *reason.code() == SqlState::INVALID_SCHEMA_NAME =>
        {
            LakeError::Refused(reason.message().to_owned())
        }
        _ => LakeError::Database(error),
    })?;
    let mut columns: Vec<Described> = Vec::new();
    for column in prepared.columns() {
        let name = column.name().to_owned();
        if columns.iter().any(|other| other.name == name) {
            return Err(LakeError::Refused(format!(
                "the query has two columns with the name {name}: rename one"
            )));
        }
        columns.push(Described { name, data_type: column.type_().clone(), modifier: column.type_modifier() });
    }
    Ok(columns)
}

/// The columns of the primary key in its order, or of the first unique index over columns that are not NULL; empty without
/// both, and for queries.
pub(super) async fn key(client: &Client, relation: &Relation) -> Result<Vec<String>, LakeError> {
    let Relation::Table(name) = relation else { return Ok(Vec::new()) };
    let sql = "SELECT array(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place) \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
             WHERE k.place <= i.indnkeyatts ORDER BY k.place) \
         FROM pg_index i WHERE i.indrelid = $1::text::regclass AND i.indisunique AND i.indisvalid \
         AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL \
         AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid \
             AND a.attnum = ANY(i.indkey) AND NOT a.attnotnull) \
         ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1";
    let row = client.query_opt(sql, &[&qualified(name)]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
}

/// Whether one of the columns may be NULL; always so for a query.
pub(super) async fn is_nullable(
    client: &Client,
    relation: &Relation,
    columns: &[String],
) -> Result<bool, LakeError> {
    let Relation::Table(name) = relation else { return Ok(true) };
    let sql = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1::text::regclass \
         AND attname = ANY($2) AND NOT attnotnull)";
    Ok(client.query_one(sql, &[&qualified(name), &columns]).await?.try_get(0)?)
}

/// The sequence of a column that gives numbers out in blocks, so that a later row can have a smaller number.
pub(super) async fn cached_sequence(
    client: &Client,
    relation: &Relation,
    column: &str,
) -> Result<Option<String>, LakeError> {
    let Relation::Table(name) = relation else { return Ok(None) };
    // Dependencies of the default (nextval) and of identity and serial columns.
    let sql = "SELECT s.seqrelid::regclass::text FROM pg_sequence s WHERE s.seqcache > 1 AND s.seqrelid IN ( \
             SELECT d.objid FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
             WHERE d.classid = 'pg_class'::regclass AND d.refobjid = $1::text::regclass AND a.attname = $2 \
             UNION SELECT d.refobjid FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid \
             JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum \
             WHERE d.classid = 'pg_attrdef'::regclass AND f.adrelid = $1::text::regclass AND a.attname = $2) LIMIT 1";
    let row = client.query_opt(sql, &[&qualified(name), &column]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
