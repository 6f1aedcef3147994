//! Follows the logs of all processes, each line with its process's name before it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use crate::output;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Bytes read from one file at a time; more wait for the next look.
const CHUNK: u64 = 256 * 1024;

/// Prints what is appended to `logs`, name and path each, from now on.
pub(super) async fn follow(logs: Vec<(String, PathBuf)>) {
    let width = logs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut tails: Vec<Tail> = logs.into_iter().map(|(name, path)| Tail::at_end(name, path)).collect();
    loop {
        for tail in &mut tails {
            // A file that is not there yet has nothing to say.
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

    /// The whole lines that were appended since.
    fn lines(&mut self) -> io::Result<Vec<String>> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() < self.offset {
            // It was emptied.
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.take(CHUNK).read_to_end(&mut bytes)?;
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            // A line longer than a chunk is shown in pieces.
            None if bytes.len() as u64 == CHUNK => bytes.len(),
            None => 0,
        };
        self.offset += whole as u64;
        bytes.truncate(whole);
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write};

    use super::*;

    #[test]
    fn whole_lines_are_followed_through_a_rotation() {
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
