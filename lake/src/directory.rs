//! A topic's files: objects named as Kafka Connect's S3 sink names them, and the state that makes them exactly once.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::LakeError;

/// The last row of the newest commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its timestamp, as the database prints it.
    pub timestamp: String,
    /// Its key.
    pub key: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    position: Option<Position>,
    next_offset: u64,
    /// The object that is being written: removed at the next start, because its rows are read again.
    pending: Option<String>,
}

/// One topic in a directory, which this process alone writes.
pub struct Topic {
    name: String,
    root: PathBuf,
    state: State,
    _lock: File,
}

impl Topic {
    /// Opens a topic below `root`, and removes the object of an interrupted commit. Blocks.
    ///
    /// # Errors
    /// [`LakeError::Busy`] while another process has it open; otherwise that of the directory or of its state.
    pub fn open(root: &Path, name: &str) -> Result<Self, LakeError> {
        let states = root.join("topics/_octet");
        fs::create_dir_all(&states)?;
        let lock = File::options().create(true).append(true).open(states.join(format!("{name}.lock")))?;
        // The system releases it when the process ends, however it ends.
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| LakeError::Busy(name.to_owned()))?;
        let mut topic =
            Self { name: name.to_owned(), root: root.to_owned(), state: State::default(), _lock: lock };
        match fs::read(topic.state_file()) {
            Ok(bytes) => topic.state = serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        topic.discard_pending()?;
        Ok(topic)
    }

    /// The last row of the newest commit.
    pub fn position(&self) -> Option<&Position> {
        self.state.position.as_ref()
    }

    /// Writes `lines`, each a record, as one object, and moves the position to `last`. Blocks until both are durable.
    ///
    /// # Errors
    /// [`LakeError::Directory`]; the position is then unmoved, and the object is removed before the next commit.
    pub fn commit(&mut self, lines: &[String], last: Position) -> Result<(), LakeError> {
        self.discard_pending()?;
        let (name, offset) = (&self.name, self.state.next_offset);
        let object = format!("topics/{name}/partition=0/{name}+0+{offset:010}.json");
        self.state.pending = Some(object.clone());
        self.save()?;
        let mut content = lines.join("\n");
        content.push('\n');
        write_durably(&self.root.join(object), content.as_bytes())?;
        let previous = std::mem::replace(
            &mut self.state,
            State { position: Some(last), next_offset: offset + lines.len() as u64, pending: None },
        );
        self.save().inspect_err(|_| self.state = previous)
    }

    fn discard_pending(&mut self) -> Result<(), LakeError> {
        let Some(object) = self.state.pending.clone() else { return Ok(()) };
        match fs::remove_file(self.root.join(object)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        self.state.pending = None;
        self.save()
    }

    fn save(&self) -> Result<(), LakeError> {
        Ok(write_durably(&self.state_file(), &serde_json::to_vec(&self.state)?)?)
    }

    fn state_file(&self) -> PathBuf {
        self.root.join("topics/_octet").join(format!("{}.json", self.name))
    }
}

/// Writes beside the file, then renames, so that a reader sees the whole content or none.
fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let Some(directory) = path.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    fs::create_dir_all(directory)?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}
