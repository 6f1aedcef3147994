//! Follows the logs of all processes and prints each line after the name of its process.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use crate::output;

/// The time between two reads of each file.
const INTERVAL: Duration = Duration::from_millis(100);

/// The bytes read from a file at a time; the rest is read the next time.
const CHUNK: u64 = 256 * 1024;

/// Prints what is appended to `logs`, pairs of name and path, from now on.
pub(super) async fn follow(logs: Vec<(String, PathBuf)>) {
    let width = logs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut tails: Vec<Tail> = logs.into_iter().map(|(name, path)| Tail::at_end(name, path)).collect();
    loop {
        for tail in &mut tails {
            // A file that does not exist yet has no lines.
            for line in tail.lines().unwrap_or_default() {
                output::line(format!("{:width$} | {line}", tail.name));
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

struct Tail {
    name: String,
    path: PathBuf,
    offset: u64,
}

impl Tail {
    fn at_end(name: String, path: PathBuf) -> Self {
        let offset = path.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        Self { name, path, offset }
    }

    /// The complete lines that were appended since the last call.
    fn lines(&mut self) -> io::Result<Vec<String>> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() < self.offset {
            // The file was truncated by its rotation.
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.take(CHUNK).read_to_end(&mut bytes)?;
        let length = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            // A line longer than a chunk is printed in pieces.
            None if bytes.len() as u64 == CHUNK => bytes.len(),
            None => 0,
        };
        self.offset += length as u64;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write};

    use super::*;

    #[test]
    fn complete_lines_are_followed_through_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut log = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        log.write_all(b"before\n").unwrap();
        let mut tail = Tail::at_end("a".into(), path);

        log.write_all(b"one\ntw").unwrap();
        assert_eq!(tail.lines().unwrap(), ["one"]);
        log.write_all(b"o\n").unwrap();
        assert_eq!(tail.lines().unwrap(), ["two"]);
        log.set_len(0).unwrap();
        log.write_all(b"x\n").unwrap();
        assert_eq!(tail.lines().unwrap(), ["x"]);
    }
}
