//! The state of a topic, and the one writer that may change it.

use std::time::{Duration, Instant};

use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

use super::{
    Lake, StateFile,
    writer::{Running, Writer},
};
use crate::{LakeError, page::Position};

/// What a topic has committed. Its JSON is `topics/_octet/<topic>.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TopicState {
    /// Grows with each writer.
    pub(crate) epoch: u64,
    /// Grows with each write of the state, so that two states are never equal.
    pub(crate) sequence: u64,
    /// `None` once it has closed the topic.
    pub(crate) writer: Option<Writer>,
    /// After the newest commit.
    pub(crate) position: Option<Position>,
    pub(crate) next_offset: u64,
    /// The objects of a commit that has begun: they are deleted at the next start, because their rows are read again.
    pub(crate) pending: Vec<String>,
    /// Of all objects so far.
    pub(crate) columns: Vec<Column>,
    pub(crate) layout: Layout,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As Arrow prints it.
    pub(crate) r#type: String,
}

/// What a reader must know about the objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Layout {
    /// Where the topics are, `topics` by default.
    pub(crate) directory: String,
    /// JSON timestamps are milliseconds since 1970 instead of RFC 3339.
    pub(crate) epoch_times: bool,
    /// Columns that are in the objects' names alone.
    pub(crate) in_names: Vec<String>,
}

impl TopicState {
    pub(crate) fn parse(content: &[u8]) -> Result<Self, LakeError> {
        Ok(serde_json::from_slice(content)?)
    }

    /// Where the objects are.
    pub(crate) fn directory(&self, topic: &str) -> String {
        let top = if self.layout.directory.is_empty() { "topics" } else { &self.layout.directory };
        format!("{top}/{topic}")
    }

    /// Every column may be null: rows from before it was added have none.
    pub(crate) fn schema(&self) -> Result<Schema, LakeError> {
        let fields = self.columns.iter().map(|column| {
            let data_type: DataType = column.r#type.parse()?;
            Ok(Field::new(&column.name, data_type, true))
        });
        Ok(Schema::new(fields.collect::<Result<Vec<_>, LakeError>>()?))
    }
}

/// A topic's state, as its one writer.
#[derive(Debug)]
pub(crate) struct Owned {
    file: Box<dyn StateFile>,
    state: TopicState,
    saved: Instant,
    /// Another writer has the topic: nothing may be written any more.
    is_fenced: bool,
    running: Running,
}

impl Owned {
    /// Becomes the topic's writer. Waits for the silence of one that may still run.
    pub(crate) async fn claim(lake: &Lake, topic: &str) -> Result<Self, LakeError> {
        let mut file = lake.objects().claim(topic).await?;
        let running = Running::new();
        let state = loop {
            let Some((content, age)) = file.load().await? else { break TopicState::default() };
            let state = TopicState::parse(&content)?;
            let holder = state.writer.as_ref().filter(|writer| file.is_shared() && !writer.has_ended());
            let Some(holder) = holder else { break state };
            // The clock of the store may differ from ours. The epoch makes an early takeover safe; the wait only spares a
            // running writer.
            let wait = lake.takeover().saturating_sub(age);
            if wait.is_zero() {
                break state;
            }
            tracing::info!(
                topic,
                holder = holder.describe(),
                "waiting up to {} s for the topic's writer",
                wait.as_secs()
            );
            tokio::time::sleep(wait.min(Duration::from_secs(1)).max(lake.takeover() / 20)).await;
            let (sequence, before) = (state.sequence, holder.describe());
            if let Some((content, _)) = file.load().await?
                && TopicState::parse(&content)?.sequence != sequence
            {
                return Err(LakeError::Busy(format!("{topic} ({before})")));
            }
        };
        let mut owned = Self { file, state, saved: Instant::now(), is_fenced: false, running };
        let next = TopicState {
            epoch: owned.state.epoch + 1,
            writer: Some(owned.running.writer.clone()),
            ..owned.state.clone()
        };
        owned.save(next).await.map_err(|error| match error {
            LakeError::Fenced(topic) => {
                LakeError::Busy(format!("{topic} (a process that started at the same time)"))
            }
            other => other,
        })?;
        Ok(owned)
    }

    pub(crate) fn state(&self) -> &TopicState {
        &self.state
    }

    /// Replaces the state, here only if it was there.
    pub(crate) async fn save(&mut self, mut next: TopicState) -> Result<(), LakeError> {
        next.sequence = self.state.sequence + 1;
        let saved = self.file.save(serde_json::to_vec(&next)?.into()).await;
        if let Err(LakeError::Fenced(_)) = saved {
            self.is_fenced = true;
        }
        saved?;
        self.state = next;
        self.saved = Instant::now();
        Ok(())
    }

    /// Shows others that the writer runs, if it has not written for `interval`.
    pub(crate) async fn heartbeat(&mut self, interval: Duration) -> Result<(), LakeError> {
        if self.is_fenced || !self.file.is_shared() || self.saved.elapsed() < interval {
            return Ok(());
        }
        self.save(self.state.clone()).await
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.file.is_shared()
    }
}
