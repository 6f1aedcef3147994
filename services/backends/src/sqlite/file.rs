//! One SQLite file: opening it, and checking that it is still the file at its path.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Instant,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{
    busy::{self, BUSY_LIMIT},
    failure::{is_busy, is_not_writable, is_transient, reason},
    settings::Durability,
};

/// The version of the schema, in the file's header.
const SCHEMA_VERSION: i32 = 1;

/// A longer WAL, as after a burst, is truncated to this when it is next reset.
const MAX_WAL_BYTES: i64 = 16 * 1024 * 1024;

/// The page size of a new file. Every commit logs and checksums whole pages, and a row has about 300 bytes: with
/// SQLite's default of 4,096 a commit writes three times as much, and calls wait for longer checkpoints.
const PAGE_BYTES: i64 = 1_024;

/// How often opening is tried, where the file is replaced meanwhile.
const MAX_OPENINGS: u32 = 8;

/// A file and its schema. `schema` is SQL that may run on every opening (`CREATE … IF NOT EXISTS`).
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    pub(super) schema: String,
    pub(super) durability: Durability,
}

/// A connection, and the identity of its file.
pub(super) struct Opened {
    pub(super) connection: Connection,
    identity: Identity,
}

/// Why a file was not opened.
pub(super) enum ConnectError {
    /// The directory or the file may not be written.
    NotWritable(String),
    /// The file does not work now.
    Unavailable(String),
}

impl ConnectError {
    pub(super) fn into_reason(self) -> String {
        let (Self::NotWritable(reason) | Self::Unavailable(reason)) = self;
        reason
    }
}

/// Distinguishes a file from a later one at the same path. Numbers are not reused while the file is open.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        // Never by opening the file: closing it again would drop the locks that SQLite holds on it in this
        // process (a POSIX rule).
        let metadata = fs::metadata(path).ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

impl DatabaseFile {
    /// Opens the file, creates it and its directory if they do not exist, and writes a page.
    pub(super) fn connect(&self) -> Result<Opened, ConnectError> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(|error| of_directory(&error))?;
        }
        let (mut connection, identity) = self.open()?;
        self.prepare(&mut connection).map_err(|error| of_file(&error))?;
        Ok(Opened { connection, identity })
    }

    /// Whether `opened` is the file at the path.
    pub(super) fn is_at_path(&self, opened: &Opened) -> bool {
        Identity::of(&self.path) == Some(opened.identity)
    }

    /// Opens the file and identifies it: it was at the path both before and after. A new file is therefore opened
    /// twice.
    fn open(&self) -> Result<(Connection, Identity), ConnectError> {
        // Without URI: a path may start with anything. Without mutex: one thread owns the connection.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        for _ in 0..MAX_OPENINGS {
            let before = Identity::of(&self.path);
            let connection =
                Connection::open_with_flags(&self.path, flags).map_err(|error| of_file(&error))?;
            match before {
                Some(identity) if Identity::of(&self.path) == before => return Ok((connection, identity)),
                _ => {}
            }
        }
        Err(ConnectError::Unavailable("the file is being replaced".to_owned()))
    }

    fn prepare(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.busy_handler(Some(busy::busy_handler()))?;
        // This has an effect only before the file has a page.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        // When several processes open a new file together, this fails as busy without calling the busy handler.
        let since = Instant::now();
        let mut failures = 0;
        while let Err(error) = connection.pragma_update(None, "journal_mode", "WAL") {
            if !is_busy(&error) || since.elapsed() >= BUSY_LIMIT {
                return Err(error);
            }
            failures += 1;
            busy::pause(failures);
        }
        let synchronous = match self.durability {
            Durability::Process => "NORMAL",
            Durability::PowerLoss => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "journal_size_limit", MAX_WAL_BYTES)?;

        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(&self.schema)?;
        touch(&transaction)?;
        transaction.commit()
    }
}

/// Writes the first page, although nothing in it changes, to check that the file can be written.
pub(super) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
}

/// `name` as an SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn of_directory(error: &io::Error) -> ConnectError {
    let text = format!("its directory cannot be created: {error}");
    if is_transient(error) { ConnectError::Unavailable(text) } else { ConnectError::NotWritable(text) }
}

fn of_file(error: &rusqlite::Error) -> ConnectError {
    if is_not_writable(error) {
        ConnectError::NotWritable(reason(error))
    } else {
        ConnectError::Unavailable(reason(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_quotes_stays_one_identifier() {
        assert_eq!(quoted("greetings"), "\"greetings\"");
        assert_eq!(quoted("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
    }
}
