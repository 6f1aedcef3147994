//! A server of MongoDB's protocol until SIGTERM; prints its URL. helm/tests/processes.py runs it.

use std::io::Write;

use octet_testbed::Database;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let database = Database::start().await;
    writeln!(std::io::stdout(), "{}", database.url())?;
    terminated.recv().await;
    Ok(())
}
