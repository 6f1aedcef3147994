//! The log file of a process, rotated when it is too long.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// The size in bytes at which a log is rotated; the previous log is kept as `.log.1`.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Opens the log for appending, so that a restarted process continues the log of the last one.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Rotates the log if it is too long. The process keeps its descriptor and appends, so the file is copied and
/// truncated, not renamed; a line written between the two is lost.
pub(super) fn rotate(path: &Path) -> io::Result<()> {
    rotate_at(path, LIMIT)
}

fn rotate_at(path: &Path, limit: u64) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > limit => {}
        Ok(_) => return Ok(()),
        // The log was deleted; the process still writes to the unlinked file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    if fs::copy(path, previous(path)).is_err() {
        // The disk is probably full: better lose the log than keep the disk full.
        let _ = fs::remove_file(previous(path));
    }
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// The last line that is not blank, among the last 8 KiB.
pub(super) fn last_line(path: &Path) -> io::Result<String> {
    const END: u64 = 8 * 1024;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned())
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
    fn a_log_that_is_too_long_is_rotated_while_its_process_writes() {
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
