//! Where log lines go: standard output, several at a time. A `write` for each line costs more than the line itself
//! (half as much again as the whole rest of a greeting), so that lines wait for each other a moment.

use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
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
}

/// Writes what waits when it is dropped: the last thing that a process does.
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
        if urgency == Urgency::AtOnce || waiting.len() > MOST {
            write_out(&mut waiting);
        } else if waiting.len() == line.len() {
            self.0.some.notify_one();
        }
    }

    fn write_for_ever(&self) {
        let mut waiting = self.lock();
        loop {
            let woken = self.0.some.wait_while(waiting, |waiting| waiting.is_empty());
            let pause = self.0.some.wait_timeout(woken.unwrap_or_else(PoisonError::into_inner), WAIT);
            waiting = pause.unwrap_or_else(PoisonError::into_inner).0;
            write_out(&mut waiting);
        }
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
        if let Some(sink) = &self.0 {
            write_out(&mut sink.lock());
        }
    }
}

fn write_out(waiting: &mut Vec<u8>) {
    if waiting.is_empty() {
        return;
    }
    let mut output = std::io::stdout().lock();
    // A closed stdout must not end the process that logs to it.
    let _ = output.write_all(waiting).and_then(|()| output.flush());
    waiting.clear();
}
