//! The testbed's servers keep their data over a restart, are isolated, and end with the test.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};
use octet_testbed::{Authority, Broker, Database, PASSWORD, TlsFront, eventually, shared_database};

const QUEUE: &str = "greetings";

#[tokio::test]
async fn a_killed_broker_comes_back_with_its_durable_message() {
    let mut broker = Broker::start().await;
    let first = broker.pid();
    publish(&broker.url(), "kept").await;
    broker.has_saved(QUEUE).await;

    broker.kill();
    assert!(refuses(broker.port()), "a dead broker listens");
    broker.restart_on(Ipv4Addr::new(127, 0, 0, 2)).await;

    assert_ne!(broker.pid(), first);
    assert!(broker.url().contains("@127.0.0.2:"), "{}", broker.url());
    assert_eq!(take(&broker.url()).await, "kept");
    assert!(!broker.log().contains(PASSWORD), "the broker's log shows the password");
}

#[tokio::test]
async fn two_brokers_are_isolated() {
    let (one, other) = tokio::join!(Broker::start(), Broker::start());
    publish(&one.url(), "one's").await;

    assert_eq!(other.ctl(&["list_queues", "name"]).await.trim(), "");
    assert!(one.ctl(&["list_queues", "name"]).await.contains(QUEUE));
    one.ctl(&["set_policy", "short", ".*", r#"{"max-length":5}"#]).await;
    assert!(one.ctl(&["list_policies"]).await.contains("short"));
}

#[tokio::test]
async fn a_frozen_broker_continues_after_the_thaw() {
    let broker = Broker::start().await;
    let connection = connect(&broker.url()).await;

    broker.freeze();
    let waiting = connection.create_channel();
    let mut waiting = std::pin::pin!(waiting);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(early.is_err(), "a frozen broker answered");

    broker.thaw();
    waiting.await.expect("a channel");
}

#[tokio::test]
async fn a_killed_database_comes_back_with_its_data() {
    let mut database = Database::start().await;
    let port = database.socket().port();
    let greetings = greetings(&database.url()).await;
    greetings.insert_one(doc! { "_id": "kept" }).await.expect("an insert");

    database.kill();
    assert!(refuses(port), "a dead database listens");
    database.restart_on(Ipv4Addr::new(127, 0, 0, 2)).await;

    assert_eq!(database.url(), format!("mongodb://127.0.0.2:{port}/"));
    let count = self::greetings(&database.url()).await.count_documents(doc! {}).await;
    assert_eq!(count.expect("a count"), 1);
}

#[tokio::test]
async fn brokers_and_databases_are_reached_over_tls() {
    let authority = Authority::new();
    let broker = Broker::builder().tls(&authority).start().await;
    let database = Database::start().await;
    let front = TlsFront::start(&authority, database.socket()).await;

    publish(&broker.url(), "over TLS").await;
    let url = broker.tls_url(&authority.ca());
    assert!(url.starts_with("amqps://octet:") && url.contains("@localhost:"), "{url}");
    let trusted =
        OwnedTLSConfig { cert_chain: std::fs::read_to_string(authority.ca()).ok(), ..Default::default() };
    let url = url.split('?').next().expect("a URL");
    let runtime = lapin::runtime::default_runtime().expect("a runtime");
    let connection =
        Connection::connect_with_config(url, ConnectionProperties::default(), trusted, runtime).await;
    connection.expect("a connection over TLS");

    let greetings = greetings(&front.mongodb_url(&authority.ca())).await;
    greetings.insert_one(doc! { "_id": "over TLS" }).await.expect("an insert over TLS");
    drop(front);
    assert!(greetings.insert_one(doc! { "_id": "too late" }).await.is_err(), "the front is closed");
}

#[test]
fn a_shared_database_outlives_the_runtime_that_started_it() {
    let count = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let url = shared_database().await;
            let count = greetings(&url).await.count_documents(doc! {}).await;
            count.expect("the shared database answers");
            url
        })
    };
    assert_eq!(count(), count());
}

#[tokio::test]
async fn servers_die_with_a_killed_test_process() {
    let mut holder = Command::new(std::env::current_exe().expect("this test's program"))
        .args(["--exact", "holds_servers_for_the_test_that_kills_it", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test's program starts");
    let output = BufReader::new(holder.stdout.take().expect("stdout is a pipe"));
    let line = output
        .lines()
        .map(|line| line.expect("a line"))
        .find_map(|line| line.split_once("HOLDS ").map(|(_, held)| held.to_owned()))
        .expect("the holder prints its servers");
    let mut held = line.split(' ');
    let directory = Path::new(held.next().expect("a directory"));
    let ports: Vec<u16> = held.map(|port| port.parse().expect("a port")).collect();
    assert_eq!(ports.len(), 4, "the broker's ports and the database's");
    assert!(directory.is_dir() && !ports.iter().any(|port| refuses(*port)), "the servers run");

    holder.kill().expect("the holder is killed");
    holder.wait().expect("the holder is dead");

    eventually(&format!("none is left of {line}"), async || {
        ports.iter().all(|port| refuses(*port)) && !directory.exists()
    })
    .await;
}

#[tokio::test]
#[ignore = "started by the test that kills it"]
#[allow(clippy::print_stdout, reason = "that test reads it")]
async fn holds_servers_for_the_test_that_kills_it() {
    let broker = Broker::start().await;
    let database = Database::start().await;
    // A frozen server dies, too.
    database.freeze();
    let ports = broker.ports().into_iter().chain([database.socket().port()]);
    let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
    println!("HOLDS {} {}", broker.directory().display(), ports.join(" "));
    std::future::pending::<()>().await;
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default()).await.expect("the broker accepts the password")
}

/// Publishes to a durable quorum queue and waits for the confirm.
async fn publish(url: &str, text: &str) {
    let connection = connect(url).await;
    let channel = connection.create_channel().await.expect("a channel");
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), lapin::types::AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), durable, arguments).await.expect("a queue");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    let confirmation = channel
        .basic_publish(
            "".into(),
            QUEUE.into(),
            BasicPublishOptions::default(),
            text.as_bytes(),
            BasicProperties::default().with_delivery_mode(2),
        )
        .await
        .expect("a publish")
        .await
        .expect("a confirm");
    assert_eq!(confirmation, Confirmation::Ack(None));
}

async fn take(url: &str) -> String {
    let connection = connect(url).await;
    let channel = connection.create_channel().await.expect("a channel");
    // A quorum queue that has just come back may answer empty until it has its leader.
    let message = eventually("a message", async || {
        let options = BasicGetOptions { no_ack: true };
        channel.basic_get(QUEUE.into(), options).await.expect("a get")
    });
    String::from_utf8(message.await.delivery.data).expect("text")
}

async fn greetings(url: &str) -> Collection<Document> {
    Client::with_uri_str(url).await.expect("a client").database("service-c").collection("greetings")
}

fn refuses(port: u16) -> bool {
    let connection = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    connection.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}
