//! Where objects and states are kept: a directory, or a bucket of S3.

mod address;
mod bucket;
mod directory;
mod state;
mod writer;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::LakeError;

use address::Address;
pub use address::StoreOptions;
use bucket::Bucket;
use directory::Directory;
pub(crate) use state::{Column, Layout, Owned, TopicState};
pub(crate) use writer::Writer;

/// The longest silence of a writer before another one may take its topic.
const TAKEOVER: Duration = Duration::from_mins(1);

/// A lake. Clones share it.
#[derive(Clone)]
pub struct Lake {
    address: Arc<str>,
    objects: Arc<dyn Objects>,
    takeover: Duration,
}

impl fmt::Debug for Lake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Lake").field(&self.address).finish()
    }
}

/// An object, as a listing returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name within the lake.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

impl Lake {
    /// Opens `file://directory` (absolute, or relative to the working directory) or `s3://bucket/prefix`. Connects to
    /// nothing yet: [`Lake::ping`] does.
    ///
    /// Region, endpoint and credentials of S3 come from the variables and files that AWS documents (`AWS_REGION`,
    /// `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, web identity, Pod Identity, the instance's role …).
    ///
    /// # Errors
    /// [`LakeError::Address`].
    pub fn open(address: &str) -> Result<Self, LakeError> {
        Self::open_with(address, &StoreOptions::default())
    }

    /// As [`Lake::open`]; `options` take precedence over the environment.
    ///
    /// # Errors
    /// [`LakeError::Address`].
    pub fn open_with(address: &str, options: &StoreOptions) -> Result<Self, LakeError> {
        let objects: Arc<dyn Objects> = match Address::parse(address)? {
            Address::Directory(root) => Arc::new(Directory::new(root)),
            Address::Bucket { bucket, prefix } => Arc::new(Bucket::new(&bucket, &prefix, options)?),
        };
        Ok(Self { address: address.into(), objects, takeover: TAKEOVER })
    }

    /// A lake in `root`.
    pub fn directory(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let address = format!("file://{}", root.display()).into();
        Self { address, objects: Arc::new(Directory::new(root)), takeover: TAKEOVER }
    }

    /// Another longest silence of a writer than 60 s.
    #[must_use]
    pub fn with_takeover(self, takeover: Duration) -> Self {
        Self { takeover, ..self }
    }

    #[cfg(test)]
    pub(crate) fn of(objects: Arc<dyn Objects>) -> Self {
        Self { address: "test".into(), objects, takeover: TAKEOVER }
    }

    /// As it was opened.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the lake can be reached now; readiness asks.
    ///
    /// # Errors
    /// [`LakeError::Store`], [`LakeError::Directory`].
    pub async fn ping(&self) -> Result<(), LakeError> {
        self.objects.ping().await
    }

    /// The content of an object; `None` if it does not exist.
    ///
    /// # Errors
    /// Those of the lake.
    pub async fn read(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        self.objects.read(key).await
    }

    /// The objects in the directory `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// Those of the lake.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Object>, LakeError> {
        self.objects.list(prefix).await
    }

    pub(crate) fn objects(&self) -> &dyn Objects {
        &*self.objects
    }

    pub(crate) fn takeover(&self) -> Duration {
        self.takeover
    }
}

/// Which write an object comes from. S3 keeps it as metadata of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Grows with each writer of the topic.
    pub(crate) epoch: u64,
    /// Grows with each commit of the writer.
    pub(crate) commit: u64,
}

/// Keeps objects. All methods may be repeated after a failure.
#[async_trait]
pub(crate) trait Objects: fmt::Debug + Send + Sync {
    async fn ping(&self) -> Result<(), LakeError>;

    /// Creates an object durably. One of an older epoch or commit is replaced: its rows were never committed.
    /// Another existing one is [`LakeError::Exists`].
    async fn create(&self, key: &str, content: Bytes, mark: &Mark) -> Result<(), LakeError>;

    /// Writes an object, whatever is there.
    async fn replace(&self, key: &str, content: Bytes) -> Result<(), LakeError>;

    /// Deletes an object; an absent one is a success.
    async fn delete(&self, key: &str) -> Result<(), LakeError>;

    /// The content of an object.
    async fn read(&self, key: &str) -> Result<Option<Bytes>, LakeError>;

    /// The objects whose keys begin with the directory `prefix`, in the order of their keys.
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, LakeError>;

    /// The state of a topic, of which this process becomes the only user on this machine.
    async fn claim(&self, topic: &str) -> Result<Box<dyn StateFile>, LakeError>;
}

/// The state of one topic.
#[async_trait]
pub(crate) trait StateFile: fmt::Debug + Send {
    /// The content, and how long ago it was written.
    async fn load(&mut self) -> Result<Option<(Bytes, Duration)>, LakeError>;

    /// Writes the content durably if it is still as this value loaded or saved it, otherwise [`LakeError::Fenced`].
    async fn save(&mut self, content: Bytes) -> Result<(), LakeError>;

    /// Whether other machines can write it too, so that heartbeats are needed.
    fn is_shared(&self) -> bool;
}

/// The key of a topic's state.
pub(crate) fn state_key(topic: &str) -> String {
    format!("topics/_octet/{topic}.json")
}
