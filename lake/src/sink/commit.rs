//! The commit: every row appears once, wherever the process ends.
//!
//! 1. The state names the objects to be (`pending`). 2. They are created. 3. The state gets the new position, and names
//!    none. A process that finds pending objects deletes them and reads their rows again.

use std::{io, sync::Arc, time::SystemTime};

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};

use super::{Committed, TopicWriter, encode::encode, json::lines, options::Format, plan::Plan};
use crate::{
    BadRow, LakeError,
    page::Position,
    store::{Column, Mark, TopicState},
};

/// Objects that are being written at once.
const IN_FLIGHT: usize = 8;
/// No further one is encoded while these bytes are being written.
const BYTES_IN_FLIGHT: usize = 8 << 20;
/// Of the file of bad rows. More of them are a fault of the configuration, and stop the topic.
const MAX_BAD_ROWS: usize = 16 << 20;

pub(super) async fn commit(
    writer: &mut TopicWriter,
    rows: &[RecordBatch],
    end: Position,
) -> Result<Committed, LakeError> {
    writer.discard_pending().await?;
    let known = writer.owned.lock().await.state().schema()?;
    let offset = writer.next_offset;
    let plan = Plan::new(&writer.topic, &writer.options, known, offset, rows, SystemTime::now())?;
    let bad_rows = bad_rows(rows, &plan)?;
    if let Some(first) = bad_rows.first()
        && !writer.options.tolerate_errors
    {
        return Err(LakeError::Row(first.clone()));
    }
    keep_bad_rows(writer, &bad_rows).await?;
    writer.commits += 1;
    let mut committed = Committed { bad_rows: bad_rows.len(), ..Committed::default() };
    let (columns, next_offset) = (columns(&plan), plan.next_offset);
    if !plan.objects.is_empty() {
        let pending = plan.objects.iter().map(|object| object.key.clone()).collect();
        save(writer, |state| TopicState { pending, ..state }).await?;
        let mark = Mark { epoch: writer.owned.lock().await.state().epoch, commit: writer.commits };
        (committed.objects, committed.bytes) = create(writer, plan, &mark).await?;
    }
    let layout = writer.layout();
    let position = Some(end.clone());
    save(writer, |state| TopicState { pending: Vec::new(), position, next_offset, columns, layout, ..state })
        .await?;
    writer.position = Some(end);
    writer.next_offset = next_offset;
    Ok(committed)
}

async fn save(writer: &TopicWriter, change: impl FnOnce(TopicState) -> TopicState) -> Result<(), LakeError> {
    let mut owned = writer.owned.lock().await;
    if owned.is_fenced() {
        return Err(LakeError::Fenced(writer.topic.clone()));
    }
    let next = change(owned.state().clone());
    owned.save(next).await
}

/// The rows that have no place in the lake.
fn bad_rows(rows: &[RecordBatch], plan: &Plan) -> Result<Vec<BadRow>, LakeError> {
    let bad = plan.faults.iter().filter_map(|(batch, row, fault)| {
        let row = rows.get(*batch)?.slice(*row, 1);
        Some(lines(&[row], false).map(|line| BadRow {
            row: String::from_utf8_lossy(&line).trim_end().to_owned(),
            column: fault.column.clone(),
            reason: fault.reason.to_owned(),
        }))
    });
    Ok(bad.collect::<Result<_, _>>()?)
}

/// Appends to the topic's file of bad rows. It may have a row twice after a crash.
pub(super) async fn keep_bad_rows(writer: &TopicWriter, rows: &[BadRow]) -> Result<(), LakeError> {
    if rows.is_empty() {
        return Ok(());
    }
    let key = format!("topics/_octet/errors/{}.jsonl", writer.topic);
    let mut content = writer.lake.objects().read(&key).await?.map(Vec::from).unwrap_or_default();
    for row in rows {
        serde_json::to_writer(&mut content, row)?;
        content.push(b'\n');
    }
    if content.len() > MAX_BAD_ROWS {
        return Err(LakeError::Refused(format!(
            "{key} would exceed {MAX_BAD_ROWS} bytes: correct the rows, or remove the file"
        )));
    }
    writer.lake.objects().replace(&key, content.into()).await
}

fn columns(plan: &Plan) -> Vec<Column> {
    let columns = plan.schema.fields().iter();
    columns
        .map(|field| Column { name: field.name().clone(), r#type: field.data_type().to_string() })
        .collect()
}

/// Encodes one object at a time, while others are on their way.
async fn create(writer: &TopicWriter, plan: Plan, mark: &Mark) -> Result<(usize, u64), LakeError> {
    let plan = Arc::new(plan);
    let format = writer.options.format;
    let (mut in_flight, mut bytes_in_flight) = (FuturesUnordered::new(), 0);
    let (mut objects, mut bytes, mut failure) = (0, 0, None);
    let mut indices = 0..plan.objects.len();
    loop {
        let has_room =
            in_flight.is_empty() || (in_flight.len() < IN_FLIGHT && bytes_in_flight < BYTES_IN_FLIGHT);
        if failure.is_none()
            && has_room
            && let Some(index) = indices.next()
        {
            match encoded(plan.clone(), index, format).await {
                Ok((key, content)) => {
                    bytes_in_flight += content.len();
                    in_flight.push(put(writer, key, content, mark));
                }
                Err(error) => failure = Some(error),
            }
            continue;
        }
        // After a failure too: a request that is dropped could take effect after its object was deleted.
        match in_flight.next().await {
            Some(Ok(size)) => {
                objects += 1;
                bytes += size as u64;
                bytes_in_flight -= size;
            }
            Some(Err(error)) => failure = Some(error),
            None => break,
        }
    }
    failure.map_or(Ok((objects, bytes)), Err)
}

/// On a thread of its own: heartbeats and other topics go on meanwhile.
async fn encoded(plan: Arc<Plan>, index: usize, format: Format) -> Result<(String, Bytes), LakeError> {
    let work = tokio::task::spawn_blocking(move || {
        let Some(object) = plan.objects.get(index) else {
            return Err(io::Error::other("no such object").into());
        };
        let (rows, schema) = plan.rows(object)?;
        Ok((object.key.clone(), encode(&rows, &schema, format)?.into()))
    });
    work.await.map_err(io::Error::other)?
}

/// Creates an object, if no other process can believe that this one has ended.
async fn put(writer: &TopicWriter, key: String, content: Bytes, mark: &Mark) -> Result<usize, LakeError> {
    let mut owned = writer.owned.lock().await;
    owned.heartbeat(writer.lake.takeover() / 4).await?;
    if owned.is_fenced() {
        return Err(LakeError::Fenced(writer.topic.clone()));
    }
    drop(owned);
    let size = content.len();
    writer.lake.objects().create(&key, content, mark).await?;
    Ok(size)
}
