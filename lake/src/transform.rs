//! Kafka Connect's transforms, on Arrow columns.

mod cast;
mod insert;
mod java_time;
mod predicate;
mod replace;
mod timestamp;

use std::{collections::BTreeSet, sync::Arc};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_json::LineDelimitedWriter;
use arrow_schema::{Field, FieldRef, Schema};
use arrow_select::filter::filter_record_batch;

use crate::{BadRow, Findings, Keys, LakeError, Page};
use cast::Cast;
use insert::InsertField;
use predicate::Condition;
use replace::ReplaceField;
use timestamp::TimestampConverter;

const SUPPORTED: &str =
    "ValueToKey, ExtractField$Key, InsertField, ReplaceField, Filter, TimestampConverter, Cast";

/// The transforms of a connector, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transforms(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: String,
    condition: Condition,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    /// Rows have no keys in the lake: only that these columns exist is checked.
    Key(Vec<String>),
    Filter,
    Insert(InsertField),
    Replace(ReplaceField),
    Convert(TimestampConverter),
    Cast(Cast),
}

impl Transforms {
    /// Takes `transforms`, `predicates` and the keys of each. Any other transform than the supported ones is an error.
    pub fn take(keys: &mut Keys, findings: &mut Findings) -> Self {
        let predicates = predicate::take(keys, findings);
        let names = keys.list("transforms");
        let mut seen = BTreeSet::new();
        let mut steps = Vec::new();
        for name in names {
            if !seen.insert(name.clone()) {
                findings.errors.push(format!("{}: transforms: {name} is there twice", keys.connector));
                continue;
            }
            let condition = Condition::take(&format!("transforms.{name}"), &predicates, keys, findings);
            if let Some(action) = Action::take(&name, keys, findings) {
                steps.push(Step { name, condition, action });
            }
        }
        Self(steps)
    }

    /// These, then `others`: a source's, then a sink's.
    #[must_use]
    pub fn then(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Transforms the rows of a topic. Rows that a filter drops are gone with their positions; rows that cannot be
    /// converted are returned beside the page.
    ///
    /// # Errors
    /// [`LakeError::Refused`]: the columns are not those that the configuration expects.
    pub fn apply(&self, topic: &str, mut page: Page) -> Result<(Page, Vec<BadRow>), LakeError> {
        let mut bad_rows = Vec::new();
        let metadata = page.rows.schema_ref().metadata().clone();
        for step in &self.0 {
            if !step.condition.is_met(topic) {
                continue;
            }
            let refused = |what: String| {
                LakeError::Refused(format!("the topic {topic}: transforms.{}: {what}", step.name))
            };
            page.rows = match &step.action {
                Action::Key(columns) => {
                    if let Some(column) =
                        columns.iter().find(|column| page.rows.column_by_name(column).is_none())
                    {
                        return Err(refused(format!("there is no column {column}")));
                    }
                    continue;
                }
                Action::Filter => {
                    page.ends.clear();
                    page.rows.slice(0, 0)
                }
                Action::Insert(insert) => insert.apply(topic, &page.rows).map_err(refused)?,
                Action::Replace(replace) => replace.apply(&page.rows).map_err(refused)?,
                Action::Convert(convert) => {
                    let (column, converted, faults) = convert.apply(&page.rows).map_err(refused)?;
                    page = keep(page, &column, &converted, faults, &mut bad_rows)?;
                    continue;
                }
                Action::Cast(cast) => {
                    for column in cast.columns(&page.rows) {
                        let (converted, faults) = cast.apply(&page.rows, &column).map_err(refused)?;
                        page = keep(page, &column, &converted, faults, &mut bad_rows)?;
                    }
                    continue;
                }
            };
        }
        if *page.rows.schema_ref().metadata() != metadata {
            let schema = Schema::clone(page.rows.schema_ref()).with_metadata(metadata);
            page.rows = page.rows.with_schema(Arc::new(schema))?;
        }
        Ok((page, bad_rows))
    }
}

/// Replaces a column, and moves the rows with a fault to `bad_rows`.
fn keep(
    page: Page,
    column: &str,
    converted: &ArrayRef,
    faults: Vec<(usize, String)>,
    bad_rows: &mut Vec<BadRow>,
) -> Result<Page, LakeError> {
    let rows = with_column(&page.rows, column, converted)?;
    if faults.is_empty() {
        return Ok(Page { rows, ends: page.ends });
    }
    let mut is_good = vec![true; rows.num_rows()];
    for (row, reason) in faults {
        if let Some(is_good) = is_good.get_mut(row) {
            *is_good = false;
        }
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write(&page.rows.slice(row, 1))?;
        let row = String::from_utf8_lossy(&writer.into_inner()).trim_end().to_owned();
        bad_rows.push(BadRow { row, column: column.to_owned(), reason });
    }
    let ends =
        page.ends.into_iter().zip(&is_good).filter_map(|(end, is_good)| is_good.then_some(end)).collect();
    let rows = filter_record_batch(&rows, &BooleanArray::from(is_good))?;
    Ok(Page { rows, ends })
}

/// The rows with another content and type of one column.
fn with_column(rows: &RecordBatch, name: &str, content: &ArrayRef) -> Result<RecordBatch, LakeError> {
    let schema = rows.schema();
    let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) = schema
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, column)| {
            if field.name() == name {
                (Arc::new(Field::new(name, content.data_type().clone(), true)), content.clone())
            } else {
                (field.clone(), column.clone())
            }
        })
        .unzip();
    Ok(of(fields, columns, rows.num_rows())?)
}

fn of(
    fields: Vec<FieldRef>,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

impl Action {
    /// `None` where it has no effect, or an error was found.
    fn take(name: &str, keys: &mut Keys, findings: &mut Findings) -> Option<Self> {
        const PACKAGE: &str = "org.apache.kafka.connect.transforms.";
        let prefix = format!("transforms.{name}");
        let class = keys.take(&format!("{prefix}.type")).unwrap_or_default();
        let short = class.strip_prefix(PACKAGE).unwrap_or(&class);
        let needed = |key: &str, list: Vec<String>, keys: &Keys, findings: &mut Findings| {
            if list.is_empty() {
                findings.errors.push(format!("{}: {prefix}.{key} must name columns", keys.connector));
            }
            list
        };
        match short {
            "ValueToKey" => {
                let fields = keys.list(&format!("{prefix}.fields"));
                Some(Self::Key(needed("fields", fields, keys, findings)))
            }
            "ExtractField$Key" => {
                // Of a key that ValueToKey made.
                let fields = keys.list(&format!("{prefix}.field"));
                needed("field", fields, keys, findings);
                None
            }
            "Filter" => Some(Self::Filter),
            "InsertField$Value" => InsertField::take(&prefix, keys, findings).map(Self::Insert),
            "ReplaceField$Value" => ReplaceField::take(&prefix, keys, findings).map(Self::Replace),
            "TimestampConverter$Value" => {
                TimestampConverter::take(&prefix, keys, findings).map(Self::Convert)
            }
            "Cast$Value" => Cast::take(&prefix, keys, findings).map(Self::Cast),
            "InsertField$Key" | "ReplaceField$Key" | "TimestampConverter$Key" | "Cast$Key" => {
                for key in keys.below(&prefix) {
                    keys.take(&key);
                }
                findings.warnings.push(format!(
                    "{}: {prefix}.type={class} changes nothing: rows have no keys in the lake",
                    keys.connector
                ));
                None
            }
            _ => {
                for key in keys.below(&prefix) {
                    keys.take(&key);
                }
                let list = format!("must be one of {SUPPORTED}, each with $Value where it has one");
                findings.errors.push(format!("{}: {prefix}.type={class}: {list}", keys.connector));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
