//! `COPY … TO STDOUT (FORMAT binary)`: a header, then a message a row.

use std::{collections::HashMap, pin::pin, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use arrow_select::filter::filter_record_batch;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_postgres::Client;

use super::{
    column::Form,
    relation::{Ordered, Reading},
    rows::{self, Cells, Problem, Reader},
};
use crate::{BadRow, LakeError, Page, Position, page::RUN, source::Pages};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// A page ends at whichever comes first.
const PAGE_ROWS: usize = 4_096;
const PAGE_BYTES: usize = 1024 * 1024;

/// Runs the statement and hands its rows on. `run` names a run of the mode `bulk`.
pub(super) async fn copy(
    client: &Client,
    statement: &str,
    reading: &Reading,
    run: Option<&str>,
    pages: &mut dyn Pages,
) -> Result<(), LakeError> {
    let damaged = |problem| LakeError::Unavailable(format!("PostgreSQL: {problem}"));
    let mut stream = pin!(client.copy_out(statement).await?);
    let mut gathered = Gathered::new(reading, run);
    let mut is_first = true;
    while let Some(message) = stream.next().await {
        let message = message?;
        let mut rest = Reader(&message);
        if std::mem::take(&mut is_first) {
            rest = header(&message).map_err(damaged)?;
        }
        // What follows a header may be in a message of its own.
        if rest.0.is_empty() {
            continue;
        }
        let count = rest.short().map_err(damaged)?;
        if count == -1 {
            break;
        }
        let mut cells = Vec::with_capacity(reading.forms.len());
        for _ in 0..count {
            cells.push(rest.cell().map_err(damaged)?);
        }
        if cells.len() != reading.forms.len() {
            return Err(LakeError::Unavailable("the table was changed while it was read".to_owned()));
        }
        let order = gathered.order(&cells)?;
        gathered.settle(Some(&order));
        if gathered.is_full() {
            gathered.send(pages).await?;
        }
        gathered.append(&cells, order);
    }
    gathered.settle(None);
    gathered.send(pages).await
}

/// The rows behind the header and its extension.
fn header(message: &[u8]) -> Result<Reader<'_>, Problem> {
    let rest = message.strip_prefix(SIGNATURE).ok_or("COPY did not begin with its signature")?;
    let mut rest = Reader(rest);
    let _flags = rest.int()?;
    rest.cell()?;
    Ok(rest)
}

/// The rows of the next page.
struct Gathered<'a> {
    reading: &'a Reading,
    run: Option<&'a str>,
    columns: Vec<Cells>,
    ends: Vec<Option<Position>>,
    /// The order's values in the last row.
    last: Option<Vec<Value>>,
    bad: Vec<(usize, BadRow)>,
    bytes: usize,
    total: u64,
}

impl<'a> Gathered<'a> {
    fn new(reading: &'a Reading, run: Option<&'a str>) -> Self {
        // Columns that only the position needs are not gathered.
        let columns = reading.forms.iter().take(reading.schema.fields().len()).map(Cells::new).collect();
        Self { reading, run, columns, ends: Vec::new(), last: None, bad: Vec::new(), bytes: 0, total: 0 }
    }

    fn is_full(&self) -> bool {
        self.ends.len() >= PAGE_ROWS || self.bytes >= PAGE_BYTES
    }

    /// The values of the order in a row, which are the position after it.
    fn order(&mut self, cells: &[Option<&[u8]>]) -> Result<Vec<Value>, LakeError> {
        self.total += 1;
        if let Some(run) = self.run {
            return Ok(vec![run.into(), self.total.into()]);
        }
        let mut values = Vec::with_capacity(self.reading.order.len());
        for column in &self.reading.order {
            let cell = cells.get(column.place).copied().flatten();
            let form = self.reading.forms.get(column.place);
            let value = cell.zip(form).map(|(cell, form)| value(column.kind, form, cell));
            let value = value.unwrap_or_else(|| Err("NULL".to_owned()));
            values.push(value.map_err(|problem| {
                LakeError::Refused(format!("{} cannot be part of a position: {problem}", column.expression))
            })?);
        }
        Ok(values)
    }

    /// Decides whether a commit may end after the last row, now that the next one is known.
    fn settle(&mut self, next: Option<&Vec<Value>>) {
        if self.reading.is_total {
            return;
        }
        let Some(last) = &self.last else { return };
        let is_end = next.is_none_or(|next| next.first() != last.first());
        if let Some(end) = self.ends.last_mut() {
            // Only the timestamp: the rows that follow have another one.
            *end = is_end.then(|| position(last.iter().take(1).cloned().collect()));
        }
    }

    fn append(&mut self, cells: &[Option<&[u8]>], order: Vec<Value>) {
        for (index, (column, cell)) in self.columns.iter_mut().zip(cells).enumerate() {
            let Some(cell) = cell else {
                column.append_null();
                continue;
            };
            self.bytes += cell.len();
            if let Err(reason) = column.append(cell) {
                column.append_null();
                let name = self.reading.schema.fields().get(index).map(|field| field.name().clone());
                let row = Value::Array(order.clone()).to_string();
                let bad = BadRow { row, column: name.unwrap_or_default(), reason };
                self.bad.push((self.ends.len(), bad));
            }
        }
        if self.reading.is_total {
            self.ends.push(Some(position(order)));
        } else {
            self.ends.push(None);
            self.last = Some(order);
        }
        self.bytes += 8 * self.columns.len();
    }

    async fn send(&mut self, pages: &mut dyn Pages) -> Result<(), LakeError> {
        let count = self.ends.len();
        if count == 0 {
            return Ok(());
        }
        let damaged = |problem| LakeError::Refused(format!("Arrow: {problem}"));
        let columns: Vec<ArrayRef> =
            self.columns.iter_mut().map(Cells::finish).collect::<Result<_, _>>().map_err(damaged)?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let mut schema = Arc::clone(&self.reading.schema);
        if let Some(run) = self.run {
            let run = HashMap::from([(RUN.to_owned(), run.to_owned())]);
            schema = Arc::new(Schema::clone(&schema).with_metadata(run));
        }
        let batch = RecordBatch::try_new_with_options(schema, columns, &options);
        let mut rows = batch.map_err(|error| damaged(error.to_string()))?;
        let mut ends = std::mem::take(&mut self.ends);
        self.bytes = 0;
        let mut bad: Vec<(usize, BadRow)> = std::mem::take(&mut self.bad);
        bad.dedup_by_key(|(row, _)| *row);
        if !bad.is_empty() {
            let places: Vec<usize> = bad.iter().map(|(row, _)| *row).collect();
            rows = filter_record_batch(&rows, &rows::mask(&places, count))
                .map_err(|error| damaged(error.to_string()))?;
            let mut place = 0;
            ends.retain(|_| (places.binary_search(&place).is_err(), place += 1).0);
            for (_, row) in bad {
                pages.reject(row).await?;
            }
        }
        pages.take(Page { rows, ends }).await
    }
}

fn position(values: Vec<Value>) -> Position {
    Position(Value::Array(values))
}

fn value(kind: Ordered, form: &Form, cell: &[u8]) -> Result<Value, Problem> {
    Ok(match kind {
        Ordered::Micros => rows::timestamp(cell)?.into(),
        Ordered::Number => match cell.len() {
            2 => i16::from_be_bytes(rows::fixed(cell)?).into(),
            4 if *form == Form::Oid => u32::from_be_bytes(rows::fixed(cell)?).into(),
            4 => i32::from_be_bytes(rows::fixed(cell)?).into(),
            _ => i64::from_be_bytes(rows::fixed(cell)?).into(),
        },
        Ordered::Text => match (form, <[u8; 16]>::try_from(cell)) {
            (Form::Uuid, Ok(bytes)) => rows::uuid(bytes).into(),
            _ => str::from_utf8(cell).map_err(|error| error.to_string())?.into(),
        },
    })
}
