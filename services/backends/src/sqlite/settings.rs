//! Where the files lie and how the adapters treat them.

use std::{path::PathBuf, time::Duration};

use crate::open::OpenError;

/// No lease is longer. A lease that ends later than this from now was written by a clock that has since been
/// set back, and counts as ended.
pub(super) const LONGEST_LEASE: Duration = Duration::from_mins(1);

const LARGEST_PREFETCH: u32 = 10_000;

/// What a confirmed write survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of any process, by `kill -9` too; not a loss of power or a crash of the kernel, which may
    /// take the newest writes and never damages the file (`synchronous=NORMAL`).
    #[default]
    Process,
    /// A loss of power as well: every transaction waits for the disk (`synchronous=FULL`).
    PowerLoss,
}

/// One collection of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteStoreSettings {
    /// Where the file lies; made when it is not there.
    pub directory: PathBuf,
    /// Names the file, `<database>.sqlite`.
    pub database: String,
    /// Names the table.
    pub collection: String,
    /// What a confirmed insert survives.
    pub durability: Durability,
}

impl SqliteStoreSettings {
    /// The collection's settings, with the default durability.
    pub fn new(directory: impl Into<PathBuf>, database: &str, collection: &str) -> Self {
        Self {
            directory: directory.into(),
            database: database.to_owned(),
            collection: collection.to_owned(),
            durability: Durability::default(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.sqlite", self.database))
    }

    pub(super) fn check(&self) -> Result<(), OpenError> {
        check_file_name("database", &self.database)?;
        if self.collection.is_empty() || self.collection.contains('\0') {
            return Err(OpenError::Invalid {
                setting: "collection",
                rule: "must not be empty or hold a NUL",
            });
        }
        if self.collection.to_ascii_lowercase().starts_with("sqlite_") {
            return Err(OpenError::Invalid {
                setting: "collection",
                rule: "must not start with sqlite_, which SQLite keeps for itself",
            });
        }
        Ok(())
    }
}

/// One queue; its publishers and its consumers take the same settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteQueueSettings {
    /// Where the file lies; made when it is not there.
    pub directory: PathBuf,
    /// Names the file, `<queue>.sqlite`.
    pub queue: String,
    /// What a confirmed message survives.
    pub durability: Durability,
    /// How many deliveries a consumer may hold unsettled, 1 to 10,000. Default 100.
    pub prefetch: u32,
    /// How long a message stays with a consumer that has stopped renewing, at most 60 s. Default 3 s.
    pub lease: Duration,
    /// How often a consumer renews its leases; shorter than the lease. Default 1 s.
    pub renew_every: Duration,
    /// How soon an empty queue is looked at again at first. Default 20 ms.
    pub poll_fastest: Duration,
    /// How seldom a queue is looked at that stays empty. Default 250 ms.
    pub poll_slowest: Duration,
    /// How often a message is delivered before it is dead-lettered, at least once. Default 20.
    pub delivery_limit: u32,
}

impl SqliteQueueSettings {
    /// The queue's settings, with the defaults.
    pub fn new(directory: impl Into<PathBuf>, queue: &str) -> Self {
        Self {
            directory: directory.into(),
            queue: queue.to_owned(),
            durability: Durability::default(),
            prefetch: 100,
            lease: Duration::from_secs(3),
            renew_every: Duration::from_secs(1),
            poll_fastest: Duration::from_millis(20),
            poll_slowest: Duration::from_millis(250),
            delivery_limit: 20,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.sqlite", self.queue))
    }

    pub(super) fn check(&self) -> Result<(), OpenError> {
        check_file_name("queue", &self.queue)?;
        let rules = [
            ((1..=LARGEST_PREFETCH).contains(&self.prefetch), "prefetch", "must be 1 to 10000"),
            (self.lease <= LONGEST_LEASE, "lease", "must be at most 60 s"),
            (!self.renew_every.is_zero(), "renew_every", "must not be zero"),
            (self.renew_every < self.lease, "renew_every", "must be shorter than the lease"),
            (self.poll_fastest >= Duration::from_millis(1), "poll_fastest", "must be at least 1 ms"),
            (self.poll_fastest <= self.poll_slowest, "poll_slowest", "must not be shorter than poll_fastest"),
            (self.delivery_limit >= 1, "delivery_limit", "must be at least 1"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, setting, rule)) => Err(OpenError::Invalid { setting, rule }),
            None => Ok(()),
        }
    }
}

/// A name becomes a file's name as it is, so it must not lead anywhere else.
fn check_file_name(setting: &'static str, name: &str) -> Result<(), OpenError> {
    if name.is_empty() || name.contains(['/', '\\', '\0']) || name.starts_with('.') {
        return Err(OpenError::Invalid {
            setting,
            rule: "must be a plain file name: not empty, no slash, no leading dot",
        });
    }
    Ok(())
}
