//! What is in a lake: for people who look after it, and for `octet lake`.

mod deletes;
mod latest;
mod object;
mod rows;
mod verify;

use serde::Serialize;

use crate::{
    LakeError, Position,
    store::{Lake, Owned, TopicState, state_key},
};

pub use deletes::{Deletes, deletes};
pub use latest::{Latest, latest};
pub use rows::{Keyed, keys};
pub use verify::{Verification, verify};

/// A topic, by its state and its objects.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopicSummary {
    /// The topic.
    pub topic: String,
    /// Its objects.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that were committed.
    pub rows: u64,
    /// Where its source continues.
    pub position: Option<Position>,
    /// Objects of a commit that has begun and not ended.
    pub pending: usize,
    /// Who writes it, or wrote it when it ended.
    pub writer: Option<String>,
}

/// The topics of a lake, in the order of their names.
///
/// # Errors
/// Those of the lake.
pub async fn topics(lake: &Lake) -> Result<Vec<TopicSummary>, LakeError> {
    let mut topics = Vec::new();
    for state in lake.list("topics/_octet").await? {
        let name = state.key.strip_prefix("topics/_octet/").and_then(|name| name.strip_suffix(".json"));
        let Some(topic) = name.filter(|name| !name.contains('/')) else { continue };
        topics.push(summary(lake, topic).await?);
    }
    Ok(topics)
}

/// One topic.
///
/// # Errors
/// [`LakeError::Refused`] if there is no such topic; those of the lake.
pub async fn summary(lake: &Lake, topic: &str) -> Result<TopicSummary, LakeError> {
    let state = state(lake, topic).await?;
    let objects = lake.list(&state.directory(topic)).await?;
    Ok(TopicSummary {
        topic: topic.to_owned(),
        objects: objects.len(),
        bytes: objects.iter().map(|object| object.size).sum(),
        rows: state.next_offset,
        position: state.position.clone(),
        pending: state.pending.len(),
        writer: state.writer.as_ref().map(crate::store::Writer::describe),
    })
}

/// Lets the topic's source begin again: all its rows are copied a second time, behind those that are there.
///
/// # Errors
/// [`LakeError::Busy`] while a process writes the topic; [`LakeError::Refused`] if there is no such topic.
pub async fn reset(lake: &Lake, topic: &str) -> Result<(), LakeError> {
    state(lake, topic).await?;
    let mut owned = Owned::claim(lake, topic).await?;
    let next = TopicState { position: None, writer: None, ..owned.state().clone() };
    owned.save(next).await
}

async fn state(lake: &Lake, topic: &str) -> Result<TopicState, LakeError> {
    let content = lake.read(&state_key(topic)).await?;
    let content = content.ok_or_else(|| {
        LakeError::Refused(format!(
            "{} has no topic {topic}; `octet lake ls` lists the topics",
            lake.address()
        ))
    })?;
    TopicState::parse(&content)
}
