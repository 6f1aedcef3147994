//! The settings of stores and queues in SQLite files.

use std::{path::PathBuf, time::Duration};

use crate::open::{self, OpenError};

/// A lease that ends later than this from now was written before the clock was set back, and counts as ended.
pub(super) const MAX_LEASE: Duration = Duration::from_mins(1);

const MAX_PREFETCH: u32 = 10_000;

/// What a confirmed write survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of any process, also by `kill -9`. A loss of power or a crash of the kernel may lose the newest writes,
    /// and never damages the file (`synchronous=NORMAL`).
    #[default]
    Process,
    /// A loss of power as well: every transaction waits for the disk (`synchronous=FULL`).
    PowerLoss,
}

/// One collection of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteStoreSettings {
    /// The file's directory; created if it does not exist.
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
        let name = self.collection.to_ascii_lowercase();
        open::check(&[
            (!name.is_empty() && !name.contains('\0'), "collection", "must not be empty or contain a NUL"),
            (
                !name.starts_with("sqlite_"),
                "collection",
                "must not start with sqlite_, which SQLite reserves",
            ),
        ])
    }
}

/// One queue; its publishers and its consumers take the same settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteQueueSettings {
    /// The file's directory; created if it does not exist.
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
    /// The first interval between polls of an empty queue. Default 20 ms.
    pub min_poll: Duration,
    /// The longest interval between polls of a queue that stays empty. Default 250 ms.
    pub max_poll: Duration,
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
            min_poll: Duration::from_millis(20),
            max_poll: Duration::from_millis(250),
            delivery_limit: 20,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.sqlite", self.queue))
    }

    pub(super) fn check(&self) -> Result<(), OpenError> {
        check_file_name("queue", &self.queue)?;
        open::check(&[
            ((1..=MAX_PREFETCH).contains(&self.prefetch), "prefetch", "must be 1 to 10000"),
            (self.lease <= MAX_LEASE, "lease", "must be at most 60 s"),
            (!self.renew_every.is_zero(), "renew_every", "must not be zero"),
            (self.renew_every < self.lease, "renew_every", "must be shorter than the lease"),
            (self.min_poll >= Duration::from_millis(1), "min_poll", "must be at least 1 ms"),
            (self.min_poll <= self.max_poll, "max_poll", "must not be shorter than min_poll"),
            (self.delivery_limit >= 1, "delivery_limit", "must be at least 1"),
        ])
    }
}

/// The name becomes a file's name, so it must not lead to another directory.
fn check_file_name(setting: &'static str, name: &str) -> Result<(), OpenError> {
    let plain = !name.is_empty() && !name.contains(['/', '\\', '\0']) && !name.starts_with('.');
    open::check(&[(plain, setting, "must be a plain file name: not empty, no slash, no leading dot")])
}
