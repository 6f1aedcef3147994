//! Writes log lines to standard output, several at a time. A `write` for each line costs more than the line itself (half as
//! much again as the rest of a greeting), so that lines wait for each other briefly.

use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

/// How long a line may wait. A killed process loses the lines of this period, but no warning and no error: these are written
/// immediately, with all lines before them.
const WAIT: Duration = Duration::from_millis(50);

/// Bytes that may wait. Beyond that, the logging thread writes itself: a slow reader slows the process, as a pipe does.
const MAX_WAITING: usize = 256 * 1024;

/// Lines that wait for standard output. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    added: Condvar,
    /// Held while writing, so that lines stay in order while more are added.
    output: Mutex<()>,
}

/// How long writing the last lines may take: a standard output that is not read must not delay the exit.
const LAST_WRITE: Duration = Duration::from_millis(200);

/// Writes the remaining lines when it is dropped, within 200 ms, as the last step of a process.
#[must_use = "the last lines are written when it is dropped"]
pub struct LogGuard(Option<Sink>);

impl Sink {
    /// Starts the writing thread. Where the system refuses it, every line is written immediately.
    pub(super) fn start() -> (Self, LogGuard) {
        let sink = Self::default();
        let thread = sink.clone();
        let started = std::thread::Builder::new().name("logs".into()).stack_size(64 * 1024);
        if let Err(error) = started.spawn(move || thread.run()) {
            sink.write(format!("cannot start the log thread: {error}\n").as_bytes(), Urgency::Immediate);
        }
        (sink.clone(), LogGuard(Some(sink)))
    }

    /// Adds a line.
    pub(super) fn write(&self, line: &[u8], urgency: Urgency) {
        let mut waiting = self.lock();
        waiting.extend_from_slice(line);
        let is_first = waiting.len() == line.len();
        let is_full = waiting.len() > MAX_WAITING;
        drop(waiting);
        if urgency == Urgency::Immediate || is_full {
            self.write_out();
        } else if is_first {
            self.0.added.notify_one();
        }
    }

    fn run(&self) {
        loop {
            let woken = self.0.added.wait_while(self.lock(), |waiting| waiting.is_empty());
            let pause = self.0.added.wait_timeout(woken.unwrap_or_else(PoisonError::into_inner), WAIT);
            drop(pause);
            self.write_out();
        }
    }

    fn write_out(&self) {
        let _turn = self.0.output.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut *self.lock());
        if lines.is_empty() {
            return;
        }
        let mut output = std::io::stdout().lock();
        // A closed stdout must not end the process.
        let _ = output.write_all(&lines).and_then(|()| output.flush());
    }

    /// Valid even after a thread panicked while holding the lock.
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a line may wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    Soon,
    Immediate,
}

impl LogGuard {
    /// For unbuffered logs.
    pub(super) fn idle() -> Self {
        Self(None)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let Some(sink) = self.0.take() else { return };
        let (written, done) = mpsc::channel();
        let last = sink.clone();
        // Abandoned if it blocks: the process exits anyway.
        let writer = std::thread::Builder::new().spawn(move || {
            last.write_out();
            let _ = written.send(());
        });
        if writer.is_ok() {
            let _ = done.recv_timeout(LAST_WRITE);
        } else {
            sink.write_out();
        }
    }
}
