//! A RabbitMQ node until SIGTERM; prints its URL. `make bench` and helm/tests/processes.py run it.

use std::io::Write;

use octet_testbed::Broker;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let broker = Broker::start().await;
    writeln!(std::io::stdout(), "{}", broker.url())?;
    terminated.recv().await;
    Ok(())
}
