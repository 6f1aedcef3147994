//! The lifeline: a process that the local runner started drains when its standard input closes, which happens however the
//! runner ended.

use std::io::Read;

use tokio::sync::oneshot;

/// The variable by which the runner declares standard input a lifeline. In a container, stdin is closed from the start and
/// means nothing.
pub const VARIABLE: &str = "OCTET_LIFELINE";

/// Resolves when standard input has ended.
///
/// A separate thread reads, and is abandoned at exit: tokio's stdin would delay the runtime's shutdown.
pub fn ended() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    let reader = std::thread::Builder::new().name("lifeline".into()).stack_size(64 * 1024).spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut bytes = [0; 64];
        while input.read(&mut bytes).is_ok_and(|read| read > 0) {}
        let _ = ended.send(());
    });
    if let Err(error) = reader {
        // The sender was dropped with the closure that never ran, so the process drains: without its lifeline it could
        // outlive the runner.
        tracing::error!(%error, "cannot watch the lifeline");
    }
    end
}
