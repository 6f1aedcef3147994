//! The newest row of each key.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap, hash_map::Entry},
};

use arrow_array::UInt32Array;
use arrow_select::take::take_record_batch;
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

use super::{
    object::{Reader, offset},
    rows::{Keyed, Rank, key, ranks},
    state,
};
use crate::{LakeError, store::Lake};

/// Rows of a Parquet row group: these are held in memory before they are encoded.
const ROW_GROUP: usize = 65_536;

/// What [`latest`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// The object.
    pub key: String,
    /// Its rows, as many as there are keys.
    pub rows: u64,
    /// The rows that were read.
    pub read: u64,
    /// Bytes of the object.
    pub bytes: u64,
}

/// The best row of a key so far.
struct Best {
    rank: Rank,
    /// Of equal ones, that which was written last.
    place: (u64, usize),
    object: usize,
}

/// Writes the newest row of each key, by `order`, to `processed/<topic>/<topic>.snappy.parquet`. A null order is the oldest;
/// of equal rows the one that was written last is taken. A row that was deleted in the source stays.
///
/// Reads the topic twice, the columns of keys and order first: the keys and the result must fit into memory, the topic
/// need not.
///
/// # Errors
/// [`LakeError::Refused`] for an unknown topic or column; those of the lake and of its objects.
pub async fn latest(lake: &Lake, topic: &str, keys: &[String], order: &str) -> Result<Latest, LakeError> {
    let state = state(lake, topic).await?;
    let objects = lake.list(&state.directory(topic)).await?;
    let mut columns = keys.to_vec();
    columns.push(order.to_owned());
    let reader = Reader::new(&state, Some(&columns))?;
    let mut best: HashMap<Keyed, Best> = HashMap::new();
    let mut read = 0;
    for (index, object) in objects.iter().enumerate() {
        let Some(content) = lake.read(&object.key).await? else { continue };
        let first = offset(&object.key).unwrap_or(0);
        let mut row_in_object = 0;
        for batch in reader.read(&object.key, content)? {
            let Some(order) = batch.columns().last() else { continue };
            for (row, rank) in ranks(order)?.into_iter().enumerate() {
                let candidate = Best { rank, place: (first, row_in_object), object: index };
                row_in_object += 1;
                match best.entry(key(&batch, row, keys.len())?) {
                    Entry::Vacant(entry) => {
                        entry.insert(candidate);
                    }
                    Entry::Occupied(mut entry) => {
                        let known = entry.get();
                        let order = candidate.rank.cmp(&known.rank).then(candidate.place.cmp(&known.place));
                        if order == Ordering::Greater {
                            entry.insert(candidate);
                        }
                    }
                }
            }
        }
        read += row_in_object as u64;
    }
    let mut winners: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for best in best.into_values() {
        winners.entry(best.object).or_default().push(best.place.1);
    }
    let reader = Reader::new(&state, None)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), reader.schema.clone(), Some(properties))?;
    let mut rows = 0;
    for (index, mut picked) in winners {
        let Some(object) = objects.get(index) else { continue };
        let content = lake.read(&object.key).await?.ok_or_else(|| {
            LakeError::Refused(format!("{} was removed while it was read: try again", object.key))
        })?;
        picked.sort_unstable();
        let mut picked = picked.into_iter().peekable();
        let mut start = 0;
        for batch in reader.read(&object.key, content)? {
            let end = start + batch.num_rows();
            let mut indices = Vec::new();
            while let Some(row) = picked.next_if(|row| *row < end) {
                indices.push(u32::try_from(row - start).unwrap_or(u32::MAX));
            }
            rows += indices.len() as u64;
            writer.write(&take_record_batch(&batch, &UInt32Array::from(indices))?)?;
            start = end;
        }
    }
    let content = writer.into_inner()?;
    let (key, bytes) = (format!("processed/{topic}/{topic}.snappy.parquet"), content.len() as u64);
    lake.objects().replace(&key, content.into()).await?;
    Ok(Latest { key, rows, read, bytes })
}
