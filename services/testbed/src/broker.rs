//! A RabbitMQ node for one test.

mod installation;
mod node;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::lifeline::{Lifeline, Process};
use crate::{Authority, eventually, ready};
use node::{Certificate, Cluster, Node};

/// The node's only user, with all permissions.
pub const USER: &str = "octet";
/// The user's password. It is unique, so that a test can find it in a log or an error.
pub const PASSWORD: &str = "pianissimo-quetzal-4711";

/// The protocol header of AMQP 0-9-1, which a broker answers with `connection.start`.
const AMQP_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";
const METHOD_FRAME: u8 = 1;

/// A RabbitMQ node with its own name, data, ports and port mapper, and without plugins.
///
/// It boots in 3 to 4 s on two idle cores (2.5 s of CPU; 130 MB). Dropping it kills it and removes its data; it dies with
/// the test process in any case.
pub struct Broker {
    address: IpAddr,
    server: Process,
    node: Node,
    /// None for a node that joined another, whose port mapper it uses.
    _port_mapper: Option<Process>,
    lifeline: Lifeline,
}

/// The options of a [`Broker`].
#[derive(Clone)]
#[must_use]
pub struct BrokerBuilder {
    address: IpAddr,
    certificate: Option<Certificate>,
    cluster: Option<Cluster>,
}

impl Broker {
    /// Starts a node on 127.0.0.1.
    ///
    /// # Panics
    /// With a sentence if RabbitMQ is not installed; with the end of its log if it does not answer within 2 minutes.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// The options, which [`Broker::start`] does not change.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder { address: Ipv4Addr::LOCALHOST.into(), certificate: None, cluster: None }
    }

    /// Starts a second or further node of this node's cluster.
    ///
    /// # Panics
    /// As [`Broker::start`] does.
    pub async fn start_member(&self) -> Self {
        let member = BrokerBuilder { cluster: Some(self.node.cluster()), ..Self::builder() }.start().await;
        member.ctl(&["stop_app"]).await;
        member.ctl(&["join_cluster", self.node.name()]).await;
        member.ctl(&["start_app"]).await;
        member
    }

    /// `amqp://USER:PASSWORD@ADDRESS:PORT/%2f`, with the address on which it listens.
    pub fn url(&self) -> String {
        // A socket address has brackets around an IPv6 address, as a URL has.
        let authority = SocketAddr::new(self.address, self.node.port());
        format!("amqp://{USER}:{PASSWORD}@{authority}/%2f")
    }

    /// The same with a name, such as `localhost`, for tests in which the broker's address changes.
    pub fn url_by_name(&self, host: &str) -> String {
        format!("amqp://{USER}:{PASSWORD}@{host}:{}/%2f", self.node.port())
    }

    /// `amqps://USER:PASSWORD@localhost:PORT/%2f?cacertfile=CA`, for a client that trusts the certificates
    /// in `ca`.
    ///
    /// # Panics
    /// When the broker was built without [`BrokerBuilder::tls`].
    pub fn tls_url(&self, ca: &Path) -> String {
        let port = self.node.tls_port().expect("a broker that was built with TLS");
        format!("amqps://{USER}:{PASSWORD}@localhost:{port}/%2f?cacertfile={}", ca.display())
    }

    /// The port on which it speaks AMQP.
    pub fn port(&self) -> u16 {
        self.node.port()
    }

    /// The ports of its processes: AMQP, Erlang's distribution, its port mapper, and AMQP over TLS if there is.
    pub fn ports(&self) -> Vec<u16> {
        self.node.ports()
    }

    /// The directory of its data, settings and log, until this is dropped.
    pub fn directory(&self) -> &Path {
        self.lifeline.directory()
    }

    /// The process id of the Erlang VM. A restart changes it.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Kills the VM, as `kill -9` does, and waits until it is dead.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Waits until the node has saved the name of this quorum queue, which takes it about a second.
    ///
    /// If it is killed before, RabbitMQ 3.10 comes back with the queue empty and confirmed messages lost: its Raft library
    /// writes the names of new queues lazily. A test that declares a queue and then kills the broker waits here first.
    ///
    /// # Panics
    /// When the queue's name is not saved within 2 minutes.
    pub async fn has_saved(&self, queue: &str) {
        eventually(&format!("RabbitMQ saves the quorum queue {queue}"), async || self.node.has_saved(queue))
            .await;
    }

    /// Saves the names of all queues at once: those of its Raft library and those of its own database, which RabbitMQ writes
    /// seconds later by itself. A node that is killed before comes back without a new queue.
    ///
    /// # Panics
    /// As [`Broker::ctl`] does.
    pub async fn save(&self) {
        self.ctl(&["eval", "[dets:sync(Table) || Table <- dets:all()], mnesia:dump_log()."]).await;
    }

    /// Starts it again, with the same data and ports, and waits until it speaks AMQP. A node that still runs is killed
    /// first.
    ///
    /// # Panics
    /// As [`Broker::start`] does.
    pub async fn restart(&mut self) {
        self.restart_on(self.address).await;
    }

    /// Starts it again with the same data and ports, on another address.
    ///
    /// # Panics
    /// As [`Broker::start`] does.
    pub async fn restart_on(&mut self, address: impl Into<IpAddr>) {
        self.kill();
        self.address = address.into();
        self.server = self.node.spawn(&self.lifeline, self.address);
        answers(&mut self.server, &self.node, self.address).await;
    }

    /// Stops the VM, as `kill -STOP` does: connections stay open without an answer.
    ///
    /// # Panics
    /// When the VM was killed.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Continues a frozen VM. A frozen broker can be dropped or restarted without this.
    ///
    /// # Panics
    /// When the VM was killed.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Runs `rabbitmqctl` for this node (1 to 3 s) and returns what it prints; `-q` is added.
    ///
    /// # Panics
    /// With its output when it fails.
    pub async fn ctl(&self, arguments: &[&str]) -> String {
        self.node.ctl(self.lifeline.directory(), arguments).await
    }

    /// All that the node has logged since its first start.
    pub fn log(&self) -> String {
        ready::read(self.node.log())
    }
}

impl BrokerBuilder {
    /// The one address to listen on, instead of 127.0.0.1.
    pub fn listen(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Listens for AMQP over TLS as well, on a port of its own, with the authority's certificate.
    ///
    /// # Panics
    /// When the authority's files cannot be read.
    pub fn tls(mut self, authority: &Authority) -> Self {
        self.certificate = Some(Certificate::read(authority));
        self
    }

    /// Starts the node, and waits until it speaks AMQP.
    ///
    /// # Panics
    /// As [`Broker::start`] does.
    pub async fn start(self) -> Broker {
        let lifeline = Lifeline::new("broker");
        let node = Node::new(&lifeline, self.certificate.as_ref(), self.cluster.as_ref());
        let port_mapper = self.cluster.is_none().then(|| node.spawn_port_mapper(&lifeline));
        let mut server = node.spawn(&lifeline, self.address);
        answers(&mut server, &node, self.address).await;
        Broker { address: self.address, server, node, _port_mapper: port_mapper, lifeline }
    }
}

async fn answers(server: &mut Process, node: &Node, address: IpAddr) {
    let amqp = SocketAddr::new(address, node.port());
    // Its listener for TLS starts after the other one.
    let tls = node.tls_port().map(|port| SocketAddr::new(address, port));
    let listens = async || match tls {
        Some(tls) => TcpStream::connect(tls).await.is_ok(),
        None => true,
    };
    ready::wait("RabbitMQ", server, node.log(), async || speaks_amqp(amqp).await && listens().await).await;
}

async fn speaks_amqp(address: SocketAddr) -> bool {
    let greet = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(AMQP_HEADER).await?;
        stream.read_u8().await
    };
    greet.await.is_ok_and(|first| first == METHOD_FRAME)
}
