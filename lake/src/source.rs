//! Where rows come from: tables and queries of `PostgreSQL`, and Octet's own stores.

pub mod postgres;
pub mod stores;

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;

use crate::{BadRow, LakeError, Page, Position, inspect::Keyed};

/// Takes the pages of one topic.
#[async_trait]
pub trait Pages: Send {
    /// Takes the next page. The source reads no further until this returns, so slow sinks slow it down.
    ///
    /// # Errors
    /// [`LakeError`], with which the source stops.
    async fn take(&mut self, page: Page) -> Result<(), LakeError>;

    /// Takes a row that cannot be converted.
    ///
    /// # Errors
    /// [`LakeError::Row`], unless such rows are tolerated.
    async fn reject(&mut self, row: BadRow) -> Result<(), LakeError>;

    /// Counts rows that the source leaves out, such as those without a timestamp.
    fn skipped(&mut self, reason: &'static str, rows: u64);
}

/// A database, or a part of it.
#[async_trait]
pub trait Source: Send {
    /// Its name in logs and errors.
    fn name(&self) -> &str;

    /// Connects where that is necessary, and finds the topics.
    ///
    /// # Errors
    /// [`LakeError`].
    async fn topics(&mut self) -> Result<Vec<String>, LakeError>;

    /// Waits until rows are final that [`read`](Self::read) has not returned yet, or may be. May be cancelled: the next call
    /// goes on.
    ///
    /// # Errors
    /// [`LakeError`].
    async fn settle(&mut self) -> Result<(), LakeError>;

    /// Reads the rows of a topic that come after `position` and are final.
    ///
    /// # Errors
    /// [`LakeError`], also that of `pages`.
    async fn read(
        &mut self,
        topic: &str,
        position: Option<&Position>,
        pages: &mut dyn Pages,
    ) -> Result<(), LakeError>;

    /// How far the final rows stay behind the clock by configuration.
    fn delay(&self) -> Duration;

    /// Rows of the topic that were read and not committed are read again.
    fn rewind(&mut self, _topic: &str) {}

    /// Removes the keys whose rows are in the topic's table now. The values of `columns` are compared as text.
    ///
    /// # Errors
    /// [`LakeError`].
    async fn remove_known(
        &mut self,
        topic: &str,
        columns: &[String],
        keys: &mut BTreeSet<Keyed>,
    ) -> Result<(), LakeError>;

    /// Forgets the connection, after a failure.
    fn disconnect(&mut self);
}
