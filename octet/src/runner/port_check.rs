//! Makes sure that every port is free before a process starts.

use std::{
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use super::{
    plan::Plan,
    sockets::{Holder, holder},
};
use crate::{failure::Failure, output};

/// How long to wait for ports that only connections hold. Linux keeps a closed connection for 60 s.
const MAX_WAIT: Duration = Duration::from_secs(65);

/// The time between two attempts.
const INTERVAL: Duration = Duration::from_millis(200);

/// A port that cannot be bound.
struct InUse {
    address: SocketAddr,
    /// The process that needs it.
    needed_by: String,
    holder: Holder,
    error: std::io::Error,
}

/// Resolves when every port can be bound. Waits for ports that no program listens on: they are source ports of connections,
/// since Linux gives out 32768 to 60999 as such.
///
/// # Errors
/// [`Failure::Failed`] with every port that is in use and the process that needs it.
pub(super) async fn all_free(plan: &Plan) -> Result<(), Failure> {
    all_free_within(plan, MAX_WAIT).await
}

async fn all_free_within(plan: &Plan, limit: Duration) -> Result<(), Failure> {
    let started = Instant::now();
    let mut reported = Vec::new();
    loop {
        let in_use = in_use(plan);
        if in_use.is_empty() {
            return Ok(());
        }
        let text: Vec<_> = in_use.iter().map(InUse::to_string).collect();
        if in_use.iter().any(|port| port.holder == Holder::Listener) {
            let advice = "stop the programs that use these ports, or choose other ports with --base-port";
            return Err(failure(text, advice.to_owned()));
        }
        if started.elapsed() >= limit {
            let advice = format!(
                "no program listens on these ports, but they are still in use after {limit:?}; close the connections, or \
                 choose ports below 32768 with --base-port"
            );
            return Err(failure(text, advice));
        }
        if reported != text {
            output::line(format!("octet: waiting up to {limit:?} for ports that connections use:"));
            for line in &text {
                output::line(format!("  {line}"));
            }
            reported = text;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn in_use(plan: &Plan) -> Vec<InUse> {
    let mut in_use = Vec::new();
    for process in &plan.processes {
        let own = [(process.address, String::new()), (process.admin, "'s admin server".to_owned())];
        let otlp = process.otlp.iter().map(|(address, what)| (*address, format!(" for {what}")));
        for (address, what) in own.into_iter().chain(otlp) {
            // The standard library sets SO_REUSEADDR, as the processes do: a closed connection of a listener is no obstacle.
            let Err(error) = TcpListener::bind(address) else { continue };
            let holder = holder(address);
            // The system may not have shown what held the port because it has just ended.
            if holder == Holder::Listener && TcpListener::bind(address).is_ok() {
                continue;
            }
            let needed_by = format!("{}{what}", process.name);
            in_use.push(InUse { address, needed_by, holder, error });
        }
    }
    in_use
}

fn failure(mut lines: Vec<String>, advice: String) -> Failure {
    lines.push(advice);
    Failure::Failed(anyhow::Error::msg(lines.join("\n")))
}

impl std::fmt::Display for InUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, needed by {}: ", self.address, self.needed_by)?;
        match self.holder {
            Holder::Listener => write!(f, "{}", self.error),
            Holder::Connection { to } => write!(f, "is the source port of a connection to {to}"),
            Holder::ClosedConnection { to } => write!(
                f,
                "is the source port of a closed connection to {to}, which the system keeps for a minute (TIME_WAIT)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use octet_testbed::PortBlock;
    use octet_topology::Topology;
    use tokio::net::{TcpSocket, TcpStream};

    use super::*;
    use crate::runner::Ports;

    fn plan(ports: &PortBlock) -> Plan {
        let topology = Topology::built_in().unwrap();
        Plan::new(&topology, None, &Ports::block(ports.base()), Path::new("/data"), &BTreeMap::new()).unwrap()
    }

    /// A connection whose source port is that of C, with both of its ends.
    async fn connection() -> (PortBlock, SocketAddr, TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // A connection of an earlier platform may still hold the port of a block.
        let (ports, source, socket) = loop {
            let ports = PortBlock::take();
            let source = SocketAddr::from(([127, 0, 0, 1], ports.base() + 12));
            let socket = TcpSocket::new_v4().unwrap();
            if socket.bind(source).is_ok() {
                break (ports, source, socket);
            }
        };
        let (client, accepted) =
            tokio::join!(socket.connect(listener.local_addr().unwrap()), listener.accept());
        (ports, source, client.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn ports_with_listeners_are_reported_at_once_with_the_process_that_needs_them() {
        let ports = PortBlock::take();
        let plan = plan(&ports);
        let address = |offset: u16| format!("127.0.0.1:{}", ports.base() + offset);
        let holders = [TcpListener::bind(address(12)).unwrap(), TcpListener::bind(address(1)).unwrap()];
        let faults = all_free(&plan).await.expect_err("in use").to_string();
        assert!(faults.contains(&format!("{}, needed by service-c: ", address(12))), "{faults}");
        assert!(faults.contains(&format!("{}, needed by gateway's admin server: ", address(1))), "{faults}");
        assert!(faults.contains("stop the programs"), "{faults}");
        drop(holders);
        all_free(&plan).await.expect("free");
    }

    #[tokio::test]
    async fn a_source_port_in_use_is_waited_for_and_reported_as_one() {
        let (ports, source, client, accepted) = connection().await;
        let plan = plan(&ports);
        let to = client.peer_addr().unwrap();
        let fault = all_free_within(&plan, Duration::ZERO).await.expect_err("in use").to_string();
        assert!(
            fault.contains(&format!(
                "{source}, needed by service-c: is the source port of a connection to {to}"
            )),
            "{fault}"
        );
        assert!(fault.contains("no program listens on these ports"), "{fault}");

        // Closed first by its client, the connection stays in TIME_WAIT.
        drop(client);
        drop(accepted);
        let fault = all_free_within(&plan, Duration::ZERO).await.expect_err("in use").to_string();
        assert!(fault.contains("(TIME_WAIT)"), "{fault}");
        assert!(!fault.contains("stop the programs"), "{fault}");
    }

    #[tokio::test]
    async fn a_port_is_used_once_its_connection_is_gone() {
        let (ports, _, client, accepted) = connection().await;
        let plan = plan(&ports);
        let mut waiting = std::pin::pin!(all_free(&plan));
        let early = tokio::time::timeout(INTERVAL * 2, waiting.as_mut()).await;
        assert!(early.is_err(), "{early:?}");
        // Closed first by its server, the connection leaves nothing at the client.
        drop(accepted);
        drop(client);
        waiting.await.expect("free");
    }
}
