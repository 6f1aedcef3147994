//! The lifeline: a process that the local runner started drains when its standard input ends, which happens
//! however the runner ended.

use std::io::Read;

use tokio::sync::oneshot;

/// The variable by which the runner says that standard input is a lifeline. In a container stdin is closed
/// from the start and means nothing.
pub const VARIABLE: &str = "OCTET_LIFELINE";

/// Resolves when standard input has ended.
///
/// A thread of its own reads, and is left behind at exit: tokio's stdin would hold up the runtime's end.
pub(crate) fn ended() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    let reader = std::thread::Builder::new().name("lifeline".into()).stack_size(64 * 1024).spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut bytes = [0; 64];
        while input.read(&mut bytes).is_ok_and(|read| read > 0) {}
        let _ = ended.send(());
    });
    if let Err(error) = reader {
        // The sender went with the closure that never ran, so the process drains at once: without its
        // lifeline it could outlive the runner.
        tracing::error!(%error, "cannot watch the lifeline");
    }
    end
}
