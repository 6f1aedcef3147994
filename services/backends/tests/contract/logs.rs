//! What a test's thread logs.

use std::{cell::RefCell, io, sync::Once};

thread_local! {
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Captures what this thread logs, at `info` and above, until it is dropped. A test's runtime runs its tasks on
/// the test's thread.
pub(crate) struct Logs(());

impl Logs {
    pub(crate) fn capture() -> Self {
        // One subscriber for all threads: with one per thread, a callsite that a thread without a subscriber reaches first
        // is disabled everywhere.
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::INFO)
                .with_ansi(false)
                .with_writer(|| Writer)
                .init();
        });
        CAPTURED.set(Some(Vec::new()));
        Self(())
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self(()) = self;
        let text = CAPTURED.with_borrow(|captured| captured.clone().unwrap_or_default());
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAPTURED.with_borrow_mut(|captured| {
            if let Some(text) = captured {
                text.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
