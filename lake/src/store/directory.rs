//! A lake in a directory. Every write is durable when it returns, and a reader sees the whole content or none.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

use super::{Mark, Object, Objects, StateFile, state_key};
use crate::LakeError;

#[derive(Debug, Clone)]
pub(super) struct Directory {
    root: PathBuf,
}

impl Directory {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Keys come from data too: none may leave the directory.
    fn path(&self, key: &str) -> Result<PathBuf, LakeError> {
        if key.split('/').any(|part| matches!(part, "" | "." | "..") || part.contains('\0')) {
            return Err(LakeError::Key(key.to_owned()));
        }
        Ok(self.root.join(key))
    }
}

/// File calls block, for long on a busy disk: they have threads of their own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, LakeError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(io::Error::other)??)
}

#[async_trait]
impl Objects for Directory {
    async fn ping(&self) -> Result<(), LakeError> {
        let root = self.root.clone();
        blocking(move || create_directories(&root)).await
    }

    async fn create(&self, key: &str, content: Bytes, _: &Mark) -> Result<(), LakeError> {
        let path = self.path(key)?;
        let created = blocking(move || match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_durably(&path, &content).map(|()| true)
            }
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        });
        if created.await? { Ok(()) } else { Err(LakeError::Exists(key.to_owned())) }
    }

    async fn replace(&self, key: &str, content: Bytes) -> Result<(), LakeError> {
        let path = self.path(key)?;
        blocking(move || write_durably(&path, &content)).await
    }

    async fn delete(&self, key: &str) -> Result<(), LakeError> {
        let path = self.path(key)?;
        blocking(move || {
            // What an interrupted write left.
            remove(&temporary(&path)?)?;
            remove(&path)
        })
        .await
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        let path = self.path(key)?;
        blocking(move || match fs::read(path) {
            Ok(content) => Ok(Some(content.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, LakeError> {
        let (root, start) = (self.root.clone(), self.path(prefix)?);
        blocking(move || {
            let mut objects = Vec::new();
            let mut directories = vec![start];
            while let Some(directory) = directories.pop() {
                let entries = match fs::read_dir(&directory) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                for entry in entries {
                    let entry = entry?;
                    let (path, metadata) = (entry.path(), entry.metadata()?);
                    if metadata.is_dir() {
                        directories.push(path);
                    } else if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                        let key = path.strip_prefix(&root).map_err(io::Error::other)?;
                        objects
                            .push(Object { key: key.to_string_lossy().into_owned(), size: metadata.len() });
                    }
                }
            }
            objects.sort_by(|left, right| left.key.cmp(&right.key));
            Ok(objects)
        })
        .await
    }

    async fn claim(&self, topic: &str) -> Result<Box<dyn StateFile>, LakeError> {
        let path = self.path(&state_key(topic))?;
        let lock_path = path.with_extension("lock");
        let lock = blocking(move || {
            create_directories(lock_path.parent().unwrap_or(Path::new(".")))?;
            File::options().create(true).append(true).open(lock_path)
        })
        .await?;
        // The system releases it when the process ends, however it ends.
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| LakeError::Busy(topic.to_owned()))?;
        Ok(Box::new(LockedFile { path, _lock: lock }))
    }
}

#[derive(Debug)]
struct LockedFile {
    path: PathBuf,
    _lock: File,
}

#[async_trait]
impl StateFile for LockedFile {
    async fn load(&mut self) -> Result<Option<(Bytes, Duration)>, LakeError> {
        let path = self.path.clone();
        blocking(move || match fs::read(&path) {
            Ok(content) => {
                let age = SystemTime::now().duration_since(fs::metadata(&path)?.modified()?);
                Ok(Some((content.into(), age.unwrap_or_default())))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn save(&mut self, content: Bytes) -> Result<(), LakeError> {
        let path = self.path.clone();
        blocking(move || write_durably(&path, &content)).await
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// Beside the file, hidden from crawlers and listings. The name may be as long as the system allows, so the
/// temporary one is cut.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let end =
        name.char_indices().map(|(start, _)| start).take_while(|start| *start <= 240).last().unwrap_or(0);
    let kept = if name.len() <= 240 { &*name } else { name.get(..end).unwrap_or_default() };
    Ok(path.with_file_name(format!(".{kept}.tmp")))
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    create_directories(directory)?;
    let temporary = temporary(path)?;
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // A full disk needs the space.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(directory)?.sync_all()
}

/// A new directory is durable once its parent is.
fn create_directories(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(Path::new("."));
    create_directories(parent)?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        other => other?,
    }
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    File::open(parent)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
