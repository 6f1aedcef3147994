//! A topic, as its one writer.

use std::{sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use tokio::{sync::Mutex, task::JoinHandle};

use super::{SinkOptions, commit, options::Format};
use crate::{
    BadRow, LakeError,
    page::Position,
    store::{Lake, Layout, Owned, TopicState},
};

/// What a commit wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// Objects.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that were left out, because they have no place in the lake (`errors.tolerance=all`).
    pub bad_rows: usize,
}

/// Writes a topic, which no other process writes meanwhile.
#[derive(Debug)]
pub struct TopicWriter {
    pub(super) lake: Lake,
    pub(super) topic: String,
    pub(super) options: SinkOptions,
    pub(super) owned: Arc<Mutex<Owned>>,
    pub(super) position: Option<Position>,
    pub(super) next_offset: u64,
    pub(super) commits: u64,
    heartbeats: Option<JoinHandle<()>>,
}

impl TopicWriter {
    /// Becomes the writer of a topic, and deletes the objects of an interrupted commit. In S3 it waits until a writer
    /// that may still run has been silent for 60 s.
    ///
    /// # Errors
    /// [`LakeError::Busy`] while another process writes it; [`LakeError::NoDelete`]; those of the lake.
    pub async fn open(lake: &Lake, topic: &str, options: &SinkOptions) -> Result<Self, LakeError> {
        let is_name = !topic.is_empty() && !topic.starts_with(['_', '.']);
        if !is_name || topic.chars().any(|character| character == '/' || character.is_control()) {
            return Err(LakeError::Refused(format!(
                "the topic name {topic:?} must not be empty, begin with `_` or `.`, or contain `/` or control characters"
            )));
        }
        let owned = Owned::claim(lake, topic).await?;
        let (position, next_offset) = (owned.state().position.clone(), owned.state().next_offset);
        let owned = Arc::new(Mutex::new(owned));
        let mut writer = Self {
            lake: lake.clone(),
            topic: topic.to_owned(),
            options: options.clone(),
            owned,
            position,
            next_offset,
            commits: 0,
            heartbeats: None,
        };
        writer.check_deletion().await?;
        writer.discard_pending().await?;
        if writer.owned.lock().await.is_shared() {
            let beat = heartbeats(writer.owned.clone(), lake.takeover() / 4);
            writer.heartbeats = Some(tokio::spawn(beat));
        }
        Ok(writer)
    }

    /// After the newest commit; `None` before the first.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// The offset of the next record.
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Writes rows as objects, and moves the position to `end`. When it returns, both are durable.
    ///
    /// More rows than `flush.size` become several objects, as if each had been a commit of its own, with one write of the
    /// state: so many rows at once are much faster. Without rows only the position moves.
    ///
    /// # Errors
    /// The position is unmoved then, and the next call removes what was written. [`LakeError::Fenced`]: another process has
    /// the topic, and no further call will succeed.
    pub async fn commit(&mut self, rows: &[RecordBatch], end: Position) -> Result<Committed, LakeError> {
        commit::commit(self, rows, end).await
    }

    /// Keeps rows that a source could not convert in `topics/_octet/errors/<topic>.jsonl` (`errors.tolerance=all`).
    ///
    /// # Errors
    /// [`LakeError::Refused`] beyond 16 MiB; those of the lake.
    pub async fn keep_bad_rows(&mut self, rows: &[BadRow]) -> Result<(), LakeError> {
        commit::keep_bad_rows(self, rows).await
    }

    /// Ends the work, so that another process need not wait for the topic.
    ///
    /// # Errors
    /// Those of the lake. The topic is free all the same, but in S3 only after a while.
    pub async fn close(mut self) -> Result<(), LakeError> {
        if let Some(heartbeats) = self.heartbeats.take() {
            heartbeats.abort();
        }
        let mut owned = self.owned.lock().await;
        if owned.is_fenced() {
            return Ok(());
        }
        let last = TopicState { writer: None, ..owned.state().clone() };
        owned.save(last).await
    }

    /// What readers must know about the objects.
    pub(super) fn layout(&self) -> Layout {
        let epoch_times = matches!(self.options.format, Format::Json { epoch_times: true, .. });
        let in_names = if self.options.keep_fields { &[][..] } else { self.options.partitioner.columns() };
        Layout { epoch_times, in_names: in_names.to_vec(), directory: self.options.directory.clone() }
    }

    /// Without the right to delete, an interrupted commit would leave rows twice.
    async fn check_deletion(&self) -> Result<(), LakeError> {
        if self.options.keep_interrupted {
            return Ok(());
        }
        match self.lake.objects().delete(&format!("topics/_octet/{}.probe", self.topic)).await {
            Err(LakeError::Store(object_store::Error::PermissionDenied { .. })) => {
                Err(LakeError::NoDelete(self.lake.address().to_owned()))
            }
            other => other,
        }
    }

    /// Removes what an interrupted commit has written: its rows are read again.
    pub(super) async fn discard_pending(&self) -> Result<(), LakeError> {
        let pending = self.owned.lock().await.state().pending.clone();
        if pending.is_empty() {
            return Ok(());
        }
        if self.options.keep_interrupted {
            tracing::warn!(
                topic = self.topic,
                "objects of an interrupted commit stay: their rows may be there twice"
            );
        } else {
            for key in &pending {
                self.lake.objects().delete(key).await?;
            }
        }
        let mut owned = self.owned.lock().await;
        let next = TopicState { pending: Vec::new(), ..owned.state().clone() };
        owned.save(next).await
    }
}

impl Drop for TopicWriter {
    fn drop(&mut self) {
        if let Some(heartbeats) = &self.heartbeats {
            heartbeats.abort();
        }
    }
}

async fn heartbeats(owned: Arc<Mutex<Owned>>, interval: Duration) {
    loop {
        tokio::time::sleep(interval / 2).await;
        let mut owned = owned.lock().await;
        // A failure shows in the next commit; until then the next heartbeat may succeed.
        let _ = owned.heartbeat(interval).await;
        if owned.is_fenced() {
            return;
        }
    }
}
