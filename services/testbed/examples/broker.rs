//! A RabbitMQ node until standard input ends; prints its URL. `make bench` runs it.

use std::io::{Read, Write};

use octet_testbed::Broker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let broker = Broker::start().await;
    writeln!(std::io::stdout(), "{}", broker.url())?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
