//! Where log lines go: standard output, several at a time. A `write` for each line costs more than the line itself
//! (half as much again as the whole rest of a greeting), so that lines wait for each other a moment.

use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

/// How long a line may wait. A process that is killed takes the lines of this long with it, but no warning and no
/// error: these are written at once, with all that came before.
const WAIT: Duration = Duration::from_millis(50);

/// Bytes that may wait. Beyond, whoever logs writes: a reader that is too slow slows the process, as a pipe does.
const MOST: usize = 256 * 1024;

/// Lines that wait for standard output. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    some: Condvar,
    /// Held by whoever writes, so that lines stay in order while others are taken.
    output: Mutex<()>,
}

/// How long the last lines may take: a standard output that nobody reads must not hold up the end.
const LAST_WRITE: Duration = Duration::from_millis(200);

/// Writes what waits when it is dropped, within 200 ms: the last thing that a process does.
#[must_use = "the last lines are written when it is dropped"]
pub struct LogGuard(Option<Sink>);

impl Sink {
    /// With a thread that writes; without one, where the system refuses it, every line is written at once.
    pub(super) fn start() -> (Self, LogGuard) {
        let sink = Self::default();
        let thread = sink.clone();
        let started = std::thread::Builder::new().name("logs".into()).stack_size(64 * 1024);
        if let Err(error) = started.spawn(move || thread.write_for_ever()) {
            sink.write(format!("no thread for logs: {error}\n").as_bytes(), Urgency::AtOnce);
        }
        (sink.clone(), LogGuard(Some(sink)))
    }

    /// Takes a line.
    pub(super) fn write(&self, line: &[u8], urgency: Urgency) {
        let mut waiting = self.lock();
        waiting.extend_from_slice(line);
        let is_first = waiting.len() == line.len();
        let is_full = waiting.len() > MOST;
        drop(waiting);
        if urgency == Urgency::AtOnce || is_full {
            self.write_out();
        } else if is_first {
            self.0.some.notify_one();
        }
    }

    fn write_for_ever(&self) {
        loop {
            let woken = self.0.some.wait_while(self.lock(), |waiting| waiting.is_empty());
            let pause = self.0.some.wait_timeout(woken.unwrap_or_else(PoisonError::into_inner), WAIT);
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
        // A closed stdout must not end the process that logs to it.
        let _ = output.write_all(&lines).and_then(|()| output.flush());
    }

    /// Lines are whole even where a thread panicked that held them.
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a line may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    Soon,
    AtOnce,
}

impl LogGuard {
    /// For logs that do not wait.
    pub(super) fn idle() -> Self {
        Self(None)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let Some(sink) = self.0.take() else { return };
        let (written, done) = mpsc::channel();
        let last = sink.clone();
        // Left behind, should it be held up: the process ends all the same.
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
