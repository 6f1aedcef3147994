//! Which objects a commit writes.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::take::take_record_batch;

use super::{
    SinkOptions,
    conform::{conform, fill_offsets, merge},
    options::Runs,
    partition::Fault,
};
use crate::{LakeError, page::RUN};

/// The objects of a commit, in the order in which they are written.
#[derive(Debug)]
pub(crate) struct Plan {
    batches: Vec<RecordBatch>,
    pub(crate) objects: Vec<Planned>,
    /// Of the topic after the commit.
    pub(crate) schema: Schema,
    pub(crate) next_offset: u64,
    /// Rows that have no place, by batch and row.
    pub(crate) faults: Vec<(usize, usize, Fault)>,
}

/// An object to be.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) key: String,
    schema: SchemaRef,
    parts: Vec<Part>,
}

/// Rows of one batch.
#[derive(Debug)]
struct Part {
    batch: usize,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Range { start: usize, count: usize },
    Picked(Vec<u32>),
}

impl Plan {
    /// Cuts rows into chunks of `flush.size` records, which also end before new columns, and each chunk by partition.
    pub(crate) fn new(
        topic: &str,
        options: &SinkOptions,
        known: Schema,
        first_offset: u64,
        batches: &[RecordBatch],
        now: SystemTime,
    ) -> Result<Self, LakeError> {
        let mut planner = Planner {
            topic,
            options,
            written: Arc::new(written(&known, options)),
            run: None,
            chunk: HashMap::new(),
            rows_in_chunk: 0,
            plan: Self {
                batches: Vec::with_capacity(batches.len()),
                objects: Vec::new(),
                schema: known,
                next_offset: first_offset,
                faults: Vec::new(),
            },
        };
        for batch in batches {
            planner.add(batch, now)?;
        }
        Ok(planner.plan)
    }

    /// The rows of an object, in batches, and their schema.
    pub(crate) fn rows(&self, object: &Planned) -> Result<(Vec<RecordBatch>, SchemaRef), LakeError> {
        let mut rows = Vec::with_capacity(object.parts.len());
        for part in &object.parts {
            let Some(batch) = self.batches.get(part.batch) else { continue };
            let batch = match &part.rows {
                Rows::Range { start, count } => batch.slice(*start, *count),
                Rows::Picked(indices) => take_record_batch(batch, &UInt32Array::from(indices.clone()))?,
            };
            rows.push(conform(&batch, &object.schema)?);
        }
        Ok((rows, object.schema.clone()))
    }
}

/// The columns that objects have.
fn written(schema: &Schema, options: &SinkOptions) -> Schema {
    let dropped = if options.keep_fields { &[][..] } else { options.partitioner.columns() };
    let fields = schema.fields().iter().filter(|field| !dropped.contains(field.name())).cloned();
    Schema::new(fields.collect::<Vec<_>>())
}

struct Planner<'a> {
    topic: &'a str,
    options: &'a SinkOptions,
    written: SchemaRef,
    /// Of the mode `bulk`, where it has a directory of its own.
    run: Option<String>,
    /// The objects of the chunk, by directory.
    chunk: HashMap<String, usize>,
    rows_in_chunk: usize,
    plan: Plan,
}

impl Planner<'_> {
    fn add(&mut self, batch: &RecordBatch, now: SystemTime) -> Result<(), LakeError> {
        let schema = merge(self.topic, &self.plan.schema, &batch.schema())?;
        if schema != self.plan.schema {
            self.end_chunk();
            self.written = Arc::new(written(&schema, self.options));
            self.plan.schema = schema;
        }
        let run = batch.schema_ref().metadata().get(RUN).filter(|_| self.options.runs == Runs::Apart);
        if run != self.run.as_ref() {
            self.end_chunk();
            self.run = run.cloned();
        }
        let directories = self.options.partitioner.directories(batch, self.options.escape, now)?;
        let index = self.plan.batches.len();
        self.plan.batches.push(fill_offsets(batch, self.plan.next_offset)?);
        if directories.rows.is_empty() {
            let directory = directories.names.first().map(String::as_str).unwrap_or_default();
            let mut start = 0;
            while start < batch.num_rows() {
                let count = (batch.num_rows() - start).min(self.options.flush_size - self.rows_in_chunk);
                let object = self.object(directory);
                object.parts.push(Part { batch: index, rows: Rows::Range { start, count } });
                self.count(count);
                start += count;
            }
            return Ok(());
        }
        for (row, directory) in directories.rows.into_iter().enumerate() {
            let name = match &directory {
                Ok(name) => directories.names.get(*name as usize).map(String::as_str).unwrap_or_default(),
                Err(fault) => {
                    self.plan.faults.push((index, row, fault.clone()));
                    continue;
                }
            };
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            let object = self.object(name);
            match object.parts.last_mut() {
                Some(Part { batch, rows: Rows::Picked(rows) }) if *batch == index => rows.push(row),
                _ => object.parts.push(Part { batch: index, rows: Rows::Picked(vec![row]) }),
            }
            self.count(1);
        }
        Ok(())
    }

    /// The chunk's object of a directory, named by the offset of its first record.
    fn object(&mut self, directory: &str) -> &mut Planned {
        let objects = &mut self.plan.objects;
        let index = self.chunk.get(directory).copied().unwrap_or_else(|| {
            let index = objects.len();
            self.chunk.insert(directory.to_owned(), index);
            let run = self.run.as_ref().map(|run| format!("run={run}/")).unwrap_or_default();
            let directory = format!("{run}{directory}");
            let key = key(self.topic, self.options, &directory, self.plan.next_offset);
            objects.push(Planned { key, schema: self.written.clone(), parts: Vec::new() });
            index
        });
        #[allow(
            clippy::indexing_slicing,
            reason = "the index of an object that was added, and none is removed"
        )]
        &mut objects[index]
    }

    fn count(&mut self, rows: usize) {
        self.plan.next_offset += rows as u64;
        self.rows_in_chunk += rows;
        if self.rows_in_chunk >= self.options.flush_size {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        self.chunk.clear();
        self.rows_in_chunk = 0;
    }
}

/// As the S3 sink names objects: its Kafka partition is 0 here.
fn key(topic: &str, options: &SinkOptions, directory: &str, offset: u64) -> String {
    let SinkOptions { directory: top, file_delimiter: delimiter, offset_digits: digits, .. } = options;
    let extension = options.format.extension();
    format!("{top}/{topic}/{directory}/{topic}{delimiter}0{delimiter}{offset:0digits$}{extension}")
}
