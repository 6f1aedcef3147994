//! Follows the logs of all processes and prints each line after the name of its process.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use crate::{
    log_line, output,
    terminal::{Colour, Terminal},
};

/// The time between two reads of each file.
const INTERVAL: Duration = Duration::from_millis(100);

/// The bytes read from a file at a time; the rest is read the next time.
const CHUNK: u64 = 256 * 1024;

/// Prints what is appended to `logs`, pairs of name and path, from now on until `end` resolves.
pub(super) async fn follow(
    logs: Vec<(String, PathBuf)>,
    terminal: Terminal,
    mut end: tokio::sync::oneshot::Receiver<()>,
) {
    let width = logs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut tails: Vec<Tail> = logs.into_iter().map(|(name, path)| Tail::at_end(name, path)).collect();
    let mut is_last = false;
    loop {
        for tail in &mut tails {
            // A file that does not exist yet has no lines.
            for line in tail.lines().unwrap_or_default() {
                let name = terminal.paint(Colour::Cyan, &format!("{:width$}", tail.name));
                let line = if terminal.is_readable { log_line::readable(&line, terminal) } else { line };
                output::line(format!("{name} | {line}"));
            }
        }
        if is_last {
            return;
        }
        // What was written up to the end is printed, too.
        is_last = tokio::time::timeout(INTERVAL, &mut end).await.is_ok();
    }
}

/// The end of a log.
pub(crate) struct Tail {
    name: String,
    path: PathBuf,
    offset: u64,
}

impl Tail {
    /// What is appended from now on.
    pub(crate) fn at_end(name: String, path: PathBuf) -> Self {
        let offset = path.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        Self { name, path, offset }
    }

    /// What is appended after the last `lines` lines that the log has now.
    pub(crate) fn after_last(name: String, path: PathBuf, lines: usize) -> io::Result<(Vec<String>, Self)> {
        let mut file = File::open(&path)?;
        let length = file.metadata()?.len();
        let start = start_of_last(&mut file, length, lines)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(length - start).read_to_end(&mut bytes)?;
        let last = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        Ok((last, Self { name, path, offset: length }))
    }

    /// The complete lines that were appended since the last call.
    pub(crate) fn lines(&mut self) -> io::Result<Vec<String>> {
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

/// Where the last `lines` lines of a file of this length start.
fn start_of_last(file: &mut File, length: u64, lines: usize) -> io::Result<u64> {
    if lines == 0 {
        return Ok(length);
    }
    let mut end = length;
    let mut left = lines;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
        for (index, _) in bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let after = start + index as u64 + 1;
            // The end of the last line is not the start of another.
            if after == length {
                continue;
            }
            left -= 1;
            if left == 0 {
                return Ok(after);
            }
        }
        end = start;
    }
    Ok(0)
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
    #[test]
    fn the_last_lines_are_found_across_chunks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let long = "x".repeat(usize::try_from(CHUNK).unwrap());
        for (text, lines, expected) in [
            ("one\ntwo\nthree\n".to_owned(), 2, vec!["two", "three"]),
            ("one\ntwo\nthr".to_owned(), 2, vec!["two", "thr"]),
            ("one\ntwo\n".to_owned(), 5, vec!["one", "two"]),
            ("one\n".to_owned(), 0, vec![]),
            (String::new(), 3, vec![]),
            (format!("zero\n{long}\ntwo\n"), 2, vec![long.as_str(), "two"]),
            (format!("zero\n{long}\ntwo\n"), 3, vec!["zero", long.as_str(), "two"]),
        ] {
            std::fs::write(&path, &text).unwrap();
            let (last, mut tail) = Tail::after_last("a".into(), path.clone(), lines).unwrap();
            assert_eq!(last, expected);
            assert_eq!(tail.lines().unwrap(), [""; 0]);
        }
    }
}
