//! A process's log file, kept from growing without bound.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
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
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > limit => {}
        Ok(_) => return Ok(()),
        // Somebody cleared the logs: the process goes on writing to a file without a name.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    if fs::copy(path, previous(path)).is_err() {
        // Most likely for want of room, which the log takes: better no log than no disk.
        let _ = fs::remove_file(previous(path));
    }
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// The last line that is not blank, from the last few kilobytes.
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
