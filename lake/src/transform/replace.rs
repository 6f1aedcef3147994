//! `ReplaceField`: drops and renames columns.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::RecordBatch;

use super::of;
use crate::{Findings, Keys};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReplaceField {
    /// Empty: all.
    include: Vec<String>,
    exclude: Vec<String>,
    renames: BTreeMap<String, String>,
}

impl ReplaceField {
    pub(super) fn take(prefix: &str, keys: &mut Keys, findings: &mut Findings) -> Option<Self> {
        // The older names are those of Kafka before 2.6.
        let mut either = |new: &str, old: &str| {
            let list = keys.list(&format!("{prefix}.{new}"));
            let older = keys.list(&format!("{prefix}.{old}"));
            if list.is_empty() { older } else { list }
        };
        let include = either("include", "whitelist");
        let exclude = either("exclude", "blacklist");
        let mut renames = BTreeMap::new();
        for rename in keys.list(&format!("{prefix}.renames")) {
            match rename.split_once(':') {
                Some((from, to)) if !from.trim().is_empty() && !to.trim().is_empty() => {
                    renames.insert(from.trim().to_owned(), to.trim().to_owned());
                }
                _ => findings
                    .errors
                    .push(format!("{}: {prefix}.renames: {rename} must be old:new", keys.connector)),
            }
        }
        if include.is_empty() && exclude.is_empty() && renames.is_empty() {
            findings.warnings.push(format!("{}: {prefix} replaces nothing", keys.connector));
            return None;
        }
        Some(Self { include, exclude, renames })
    }

    /// Columns that are not there are passed over, as Kafka Connect does.
    pub(super) fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch, String> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            let is_included = self.include.is_empty() || self.include.contains(field.name());
            if self.exclude.contains(field.name()) || !is_included {
                continue;
            }
            let name = self.renames.get(field.name()).unwrap_or(field.name());
            if fields.iter().any(|other: &Arc<arrow_schema::Field>| other.name() == name) {
                return Err(format!("two columns would have the name {name}"));
            }
            fields.push(Arc::new(field.as_ref().clone().with_name(name)));
            columns.push(column.clone());
        }
        of(fields, columns, rows.num_rows()).map_err(|error| error.to_string())
    }
}
