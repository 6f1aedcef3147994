//! Whether a topic's objects hold exactly the rows that its state counts.

use serde::Serialize;

use super::{
    object::{Reader, offset},
    state,
};
use crate::{LakeError, store::Lake};

/// What [`verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Objects.
    pub objects: usize,
    /// Their rows.
    pub rows: u64,
    /// The rows that the state counts.
    pub expected: u64,
    /// What is wrong.
    pub faults: Vec<String>,
}

/// Reads every object of a topic, and compares them with the state. Best while no process writes the topic.
///
/// # Errors
/// [`LakeError::Refused`] if there is no such topic; those of the lake. A damaged object is a fault of the result.
pub async fn verify(lake: &Lake, topic: &str) -> Result<Verification, LakeError> {
    let state = state(lake, topic).await?;
    let mut found = Verification { expected: state.next_offset, ..Verification::default() };
    let mut places = Vec::new();
    for object in lake.list(&state.directory(topic)).await? {
        if state.pending.contains(&object.key) {
            found.faults.push(format!("{}: of a commit that has not ended", object.key));
            continue;
        }
        let Some(first) = offset(&object.key) else {
            found.faults.push(format!("{}: Octet does not write such a name", object.key));
            continue;
        };
        let Some(content) = lake.read(&object.key).await? else { continue };
        // Each column is decoded: a damaged page shows here only.
        let rows = Reader::new(&state, None)?.read(&object.key, content.clone());
        let counted = rows.and_then(|rows| {
            let read: usize = rows.iter().map(arrow_array::RecordBatch::num_rows).sum();
            Ok((read as u64, Reader::count(&object.key, content)?))
        });
        match counted {
            Ok((read, rows)) if read == rows => {
                found.objects += 1;
                found.rows += rows;
                places.push((first, rows, object.key));
            }
            Ok((read, rows)) => {
                found.faults.push(format!("{}: {read} of its {rows} rows can be read", object.key));
            }
            Err(error) => found.faults.push(format!("{}: {error}", object.key)),
        }
    }
    places.sort_unstable();
    for (first, rows, key) in &places {
        if first.saturating_add(*rows) > state.next_offset {
            found.faults.push(format!("{key}: ends after the last committed row {}", state.next_offset));
        }
    }
    // With one object for each chunk, each begins where the one before ends.
    if places.windows(2).all(|pair| matches!(pair, [one, other] if directory(&one.2) == directory(&other.2)))
    {
        for pair in places.windows(2) {
            let [(first, rows, _), (next, _, key)] = pair else { continue };
            let end = first.saturating_add(*rows);
            if end != *next {
                found.faults.push(format!("{key}: begins at {next} instead of {end}"));
            }
        }
    }
    if found.rows != found.expected {
        let (rows, expected) = (found.rows, found.expected);
        found.faults.push(format!("the objects have {rows} rows, and {expected} were committed"));
    }
    Ok(found)
}

fn directory(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(directory, _)| directory)
}
