//! A process's log file, kept from growing without bound.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// Bytes after which a log starts anew; the one before is kept beside it as `.log.1`.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Opens the log to append to it, so that a restarted process goes on where the last one stopped.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Starts the log anew when it is too long. The process that writes it keeps its descriptor and appends, so
/// the file is copied and emptied, not renamed; a line written between the two is lost.
pub(super) fn rotate(path: &Path) -> io::Result<()> {
    rotate_at(path, LIMIT)
}

fn rotate_at(path: &Path, limit: u64) -> io::Result<()> {
    if fs::metadata(path)?.len() <= limit {
        return Ok(());
    }
    fs::copy(path, previous(path))?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_that_is_too_long_starts_anew_under_the_hands_of_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut writer = open(&path).unwrap();
        writer.write_all(b"first\n").unwrap();
        rotate_at(&path, 5).unwrap();
        writer.write_all(b"second\n").unwrap();
        rotate_at(&path, 7).unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "second\n");
        assert_eq!(fs::read_to_string(previous(&path)).unwrap(), "first\n");
    }
}
