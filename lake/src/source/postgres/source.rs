//! The source: one session that reads all topics of a connector.

use std::{
    collections::{BTreeSet, HashMap},
    pin::pin,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use octet_runtime::backoff::Backoff;
use tokio::time::Instant;
use tokio_postgres::{error::SqlState, types::ToSql};

use super::{
    bound::Sample,
    catalog::{self, Relation},
    connection::Connection,
    copy, literal,
    options::{Mode, PostgresOptions},
    relation::{Bounds, Reading},
};
use crate::{
    LakeError, Position,
    inspect::Keyed,
    source::{Pages, Source},
};

/// How often open transactions are looked up: often at first, for most end at once.
const LOOKUPS: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));

/// After this long the log names who holds the watermark, and then each time again.
const PATIENCE: Duration = Duration::from_mins(1);

/// Between two counts of the rows that are left out, which read a whole table that has no index.
const COUNT_INTERVAL: Duration = Duration::from_mins(1);

/// A `PostgreSQL` database as a source.
pub struct PostgresSource {
    options: PostgresOptions,
    connection: Option<Connection>,
    relations: Vec<(String, Relation)>,
    /// The sample whose transactions have not all ended.
    pending: Option<(Sample, HashMap<String, Option<i64>>)>,
    /// Where final rows end: the moment, and the largest number by topic in the mode `incrementing`.
    final_until: Option<(i64, HashMap<String, Option<i64>>)>,
    counted: HashMap<String, Instant>,
    next_report: Duration,
}

impl PostgresSource {
    /// A source that is not connected yet.
    pub fn new(options: PostgresOptions) -> Self {
        Self {
            options,
            connection: None,
            relations: Vec::new(),
            pending: None,
            final_until: None,
            counted: HashMap::new(),
            next_report: PATIENCE,
        }
    }

    async fn connect(&mut self) -> Result<(), LakeError> {
        if self.connection.as_ref().is_some_and(|connection| !connection.client.is_closed()) {
            return Ok(());
        }
        self.disconnect();
        let connection = Connection::open(&self.options.address).await?;
        if connection.is_replica && !self.options.has_delay {
            return Err(LakeError::Refused(
                "the server is a replica, whose open transactions cannot be seen: set \
                 timestamp.delay.interval.ms to more than its lag and the longest transaction"
                    .to_owned(),
            ));
        }
        self.relations = catalog::relations(&connection.client, &self.options).await?;
        self.connection = Some(connection);
        Ok(())
    }

    fn connection(&self) -> Result<&Connection, LakeError> {
        self.connection.as_ref().ok_or_else(|| LakeError::Unavailable("not connected".to_owned()))
    }

    /// Takes a sample; before it the largest number of each topic, since a smaller one that is not visible yet belongs to
    /// a transaction that the sample then contains.
    async fn sample(&self) -> Result<(Sample, HashMap<String, Option<i64>>), LakeError> {
        let client = &self.connection()?.client;
        let mut largest = HashMap::new();
        if let Mode::Incrementing(column) = &self.options.mode {
            for (topic, relation) in &self.relations {
                let sql =
                    format!("SELECT max(octet.{})::int8 FROM {}", literal::quoted(column), relation.from());
                // A table that is wrong stops its topic when it is read, and no other.
                let row = client.query_one(&sql, &[]).await;
                match row.map_err(LakeError::from) {
                    Ok(row) => drop(largest.insert(topic.clone(), row.try_get(0)?)),
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(_) => drop(largest.insert(topic.clone(), None)),
                }
            }
        }
        Ok((Sample::take(client, self.options.delay, &self.options.ignored).await?, largest))
    }

    /// Stops the topic for what would lose rows, and counts rows that are left out.
    async fn check(
        &mut self,
        topic: &str,
        reading: &Reading,
        pages: &mut dyn Pages,
    ) -> Result<(), LakeError> {
        if self.counted.get(topic).is_some_and(|counted| counted.elapsed() < COUNT_INTERVAL) {
            return Ok(());
        }
        let client = &self.connection()?.client;
        let (columns, number) = match &self.options.mode {
            Mode::Bulk => return Ok(()),
            Mode::Timestamp(columns) => (columns.clone(), None),
            Mode::Incrementing(column) => (vec![column.clone()], Some(column)),
            Mode::TimestampIncrementing(columns, column) => {
                (columns.iter().chain([column]).cloned().collect(), Some(column))
            }
        };
        if let Some(column) = number
            && let Some(sequence) = catalog::cached_sequence(client, &reading.relation, column).await?
        {
            return Err(LakeError::Refused(format!(
                "the sequence {sequence} has a CACHE of more than 1: sessions take numbers in blocks, and smaller \
                 numbers can come after larger ones"
            )));
        }
        let from = reading.relation.from();
        let expressions: Vec<&str> = reading.order.iter().map(|column| column.expression.as_str()).collect();
        if catalog::is_nullable(client, &reading.relation, &columns).await? {
            let mut conditions = Vec::new();
            for (index, expression) in expressions.iter().enumerate() {
                // Keys of a unique index are not NULL; the configured columns may be.
                if index == 0 || number.is_some() {
                    conditions.push(format!("{expression} IS NULL"));
                }
            }
            let sql = format!("SELECT count(*) FROM {from} WHERE {}", conditions.join(" OR "));
            let count: i64 = client.query_one(&sql, &[]).await?.try_get(0)?;
            let count = u64::try_from(count).unwrap_or_default();
            if count > 0 && self.options.refuses_null {
                return Err(LakeError::Refused(format!(
                    "{count} rows have NULL in {}: they would never be copied; validate.non.null=false leaves them \
                     out and counts them",
                    columns.join(" or ")
                )));
            }
            pages.skipped("null", count);
        }
        if let Some(timestamp) = reading.timestamp() {
            let sql = format!(
                "SELECT count(*) FROM {from} WHERE {timestamp} = 'infinity' OR {timestamp} = '-infinity'"
            );
            let count: i64 = client.query_one(&sql, &[]).await?.try_get(0)?;
            let count = u64::try_from(count).unwrap_or_default();
            if count > 0 {
                tracing::warn!(topic, rows = count, "rows with an infinite timestamp are left out");
            }
            pages.skipped("infinite", count);
        }
        self.counted.insert(topic.to_owned(), Instant::now());
        Ok(())
    }
}

impl PostgresSource {
    /// Reads every row, under a new name of the run.
    async fn read_bulk(&self, reading: &Reading, zone: &str, pages: &mut dyn Pages) -> Result<(), LakeError> {
        let run = chrono::Utc::now().format("%Y%m%dT%H%M%S%.6fZ").to_string();
        let statement = reading.copy(&self.options, zone, None, Bounds { moment: 0, last: None })?;
        copy::copy(&self.connection()?.client, &statement, reading, Some(&run), pages).await
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn name(&self) -> &str {
        &self.options.name
    }

    async fn topics(&mut self) -> Result<Vec<String>, LakeError> {
        self.connect().await?;
        Ok(self.relations.iter().map(|(topic, _)| topic.clone()).collect())
    }

    async fn settle(&mut self) -> Result<(), LakeError> {
        self.connect().await?;
        if self.options.mode == Mode::Bulk {
            return Ok(());
        }
        if self.pending.is_none() {
            self.pending = Some(self.sample().await?);
            self.next_report = PATIENCE;
        }
        let mut lookups = LOOKUPS;
        loop {
            let client = &self.connection.as_ref().ok_or_else(closed)?.client;
            let Some((sample, largest)) = &mut self.pending else { return Ok(()) };
            let ignored = &self.options.ignored;
            if let Some(moment) = sample.bound(client, ignored).await? {
                self.final_until = Some((moment, std::mem::take(largest)));
                self.pending = None;
                return Ok(());
            }
            if sample.age() >= self.next_report {
                let holders = sample.holders(client, ignored).await?.join(", ");
                let seconds = sample.age().as_secs();
                tracing::warn!(
                    source = self.options.name,
                    seconds,
                    holders,
                    "open transactions hold the watermark: no newer row is copied"
                );
                self.next_report += PATIENCE;
            }
            tokio::time::sleep(lookups.pause()).await;
        }
    }

    async fn read(
        &mut self,
        topic: &str,
        position: Option<&Position>,
        pages: &mut dyn Pages,
    ) -> Result<(), LakeError> {
        let unknown = || LakeError::Refused("the table is not there any more".to_owned());
        let relation = self.relations.iter().find(|(name, _)| name == topic).ok_or_else(unknown)?.1.clone();
        let reading = Reading::prepare(&self.connection()?.client, relation, &self.options.mode).await?;
        self.check(topic, &reading, pages).await.map_err(passing)?;
        let connection = self.connection()?;
        let zone = self.options.zone.as_deref().unwrap_or(&connection.zone);
        if self.options.mode == Mode::Bulk {
            return self.read_bulk(&reading, zone, pages).await;
        }
        let (moment, largest) = self.final_until.as_ref().ok_or_else(closed)?;
        let bounds = Bounds { moment: *moment, last: largest.get(topic).copied().flatten() };
        if matches!(self.options.mode, Mode::Incrementing(_)) && bounds.last.is_none() {
            // The table was empty at the sample.
            return Ok(());
        }
        let statement = reading.copy(&self.options, zone, position, bounds)?;
        copy::copy(&connection.client, &statement, &reading, None, pages).await.map_err(passing)
    }

    async fn remove_known(
        &mut self,
        topic: &str,
        columns: &[String],
        keys: &mut BTreeSet<Keyed>,
    ) -> Result<(), LakeError> {
        let unknown = || LakeError::Refused("the table is not there any more".to_owned());
        let relation = &self.relations.iter().find(|(name, _)| name == topic).ok_or_else(unknown)?.1;
        let selected: Vec<String> =
            columns.iter().map(|column| format!("octet.{}::text", literal::quoted(column))).collect();
        let sql = format!("SELECT {} FROM {}", selected.join(", "), relation.from());
        let none: [&(dyn ToSql + Sync); 0] = [];
        let mut rows = pin!(self.connection()?.client.query_raw(&sql, none).await?);
        while let Some(row) = rows.try_next().await? {
            let key: Result<Keyed, _> = (0..columns.len()).map(|index| row.try_get(index)).collect();
            keys.remove(&key?);
        }
        Ok(())
    }

    fn delay(&self) -> Duration {
        self.options.delay
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.pending = None;
        self.final_until = None;
    }
}

/// The columns were there a moment ago: one that was dropped since then is not read any more at the next poll.
fn passing(error: LakeError) -> LakeError {
    match error {
        LakeError::Database(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => {
            LakeError::Unavailable(format!("the table was changed while it was read: {error}"))
        }
        other => other,
    }
}

fn closed() -> LakeError {
    LakeError::Unavailable("the connection is closed".to_owned())
}
