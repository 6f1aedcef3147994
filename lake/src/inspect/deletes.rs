//! Which rows are in a topic, and not in its source any more.

use arrow_schema::DataType;

use super::{rows::Keyed, rows::keys, state};
use crate::{LakeError, engine::Job, store::Lake};

/// What [`deletes`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletes {
    /// The keys in the topic.
    pub keys: usize,
    /// Those without a row in the source, in their order.
    pub missing: Vec<Keyed>,
}

/// Compares the keys of a topic with those of the source that fills it. All of them must fit into memory.
///
/// # Errors
/// [`LakeError::Refused`] for an unknown topic or column, a key of another type than whole numbers, text, decimals, dates
/// and booleans, or where no source fills the topic; those of the lake and of the source.
pub async fn deletes(
    lake: &Lake,
    topic: &str,
    columns: &[String],
    jobs: &mut [Job],
) -> Result<Deletes, LakeError> {
    let schema = state(lake, topic).await?.schema()?;
    for column in columns {
        let field = schema.field_with_name(column);
        let field = field.map_err(|_| LakeError::Refused(format!("{topic} has no column {column}")))?;
        check(column, field.data_type())?;
    }
    // The lake first: a row that comes meanwhile is in the source then.
    let mut missing = keys(lake, topic, columns).await?;
    let count = missing.len();
    for job in jobs {
        if job.source.topics().await?.iter().any(|name| name == topic) {
            job.source.remove_known(topic, columns, &mut missing).await?;
            return Ok(Deletes { keys: count, missing: missing.into_iter().collect() });
        }
    }
    Err(LakeError::Refused(format!("no source of the configuration fills the topic {topic}")))
}

/// Other types are not the same text in the lake and in the source.
fn check(column: &str, data_type: &DataType) -> Result<(), LakeError> {
    let is_text = data_type.is_integer()
        || matches!(
            data_type,
            DataType::Utf8
                | DataType::Boolean
                | DataType::Date32
                | DataType::Decimal128(..)
                | DataType::Decimal256(..)
        );
    if is_text {
        return Ok(());
    }
    Err(LakeError::Refused(format!(
        "the column {column} is of the type {data_type}: keys must be whole numbers, text, decimals, dates or booleans"
    )))
}
