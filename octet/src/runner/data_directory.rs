//! The directory under which a platform keeps everything: stores, queues, logs, process ids.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};

use crate::failure::Failure;

/// A data directory that belongs to this process. Clones share the claim, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    path: PathBuf,
    _claim: Arc<File>,
}

impl DataDirectory {
    /// Makes the directory and claims it: two platforms in one would mix their logs and their messages.
    ///
    /// # Errors
    /// [`Failure::Configuration`] when it cannot be written; [`Failure::Failed`] when another platform has it.
    pub fn claim(path: &Path) -> Result<Self, Failure> {
        let unwritable = |error: io::Error| {
            Failure::Configuration(format!("--data: cannot write to {}: {error}", path.display()))
        };
        for part in ["logs", "run"] {
            fs::create_dir_all(path.join(part)).map_err(unwritable)?;
        }
        let lock = path.join("run").join("up.pid");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(lock)
            .map_err(unwritable)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Failure::Failed(anyhow::anyhow!(
                "{} belongs to another `octet up` (process {}); end that one, or give this one its own with --data",
                path.display(),
                holder.trim()
            )));
        }
        write_id(&mut file, std::process::id()).map_err(unwritable)?;
        Ok(Self { path: path.to_path_buf(), _claim: Arc::new(file) })
    }

    /// The directory's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the logs lie.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The log of one process.
    pub fn log(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// Where one process's id stands while it runs.
    pub fn pid_file(&self, process: &str) -> PathBuf {
        self.path.join("run").join(format!("{process}.pid"))
    }
}

fn write_id(file: &mut File, id: u32) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_belongs_to_one_platform_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let claimed = DataDirectory::claim(&path).unwrap();
        let refused = DataDirectory::claim(&path).expect_err("claimed").to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");

        drop(claimed);
        DataDirectory::claim(&path).expect("free again");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_a_fault_of_the_configuration() {
        let refused = DataDirectory::claim(Path::new("/proc/octet")).expect_err("unwritable");
        assert!(matches!(refused, Failure::Configuration(_)));
        assert!(refused.to_string().starts_with("--data: cannot write to /proc/octet: "), "{refused}");
    }
}
