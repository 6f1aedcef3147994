//! The MongoDB store's tasks and connections, over many reconnections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use octet_backends::store::{DocumentStore, Inserted};
use octet_testbed::{Database, eventually};
use tokio::{
    io,
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::{JoinHandle, JoinSet},
    time,
};

use crate::{
    Stores,
    factories::{document, soon, unique},
    mongodb::Mongo,
};

/// Forwards connections to a server until it is cut.
struct Proxy {
    address: SocketAddr,
    upstream: SocketAddr,
    open: Arc<AtomicUsize>,
    forwarding: JoinHandle<()>,
}

impl Proxy {
    async fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let forwarding = tokio::spawn(forward(listener, upstream, Arc::clone(&open)));
        Self { address, upstream, open, forwarding }
    }

    /// Ends every connection and refuses new ones.
    async fn cut(&mut self) {
        self.forwarding.abort();
        let _ = (&mut self.forwarding).await;
        eventually("all connections are closed", async || self.open.load(Ordering::Relaxed) == 0).await;
    }

    async fn restore(&mut self) {
        let listener = eventually("the port is free", async || TcpListener::bind(self.address).await).await;
        self.forwarding = tokio::spawn(forward(listener, self.upstream, Arc::clone(&self.open)));
    }
}

/// Counts an open connection.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn forward(listener: TcpListener, upstream: SocketAddr, open: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&open));
        connections.spawn(async move {
            let _counted = counted;
            if let Ok(mut far) = TcpStream::connect(upstream).await {
                let _ = io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

#[tokio::test]
async fn twenty_reconnections_leave_nothing_behind() {
    let server = Database::start().await;
    let mut proxy = Proxy::to(server.socket()).await;
    let mongo = Mongo::at(&format!("mongodb://{}/?heartbeatFrequencyMS=500", proxy.address));
    let store = mongo.opened().await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let mut before = None;
    for _ in 0..20 {
        eventually("an insert succeeds", async || store.insert(&document(&unique())).await).await;
        let mut inserts = JoinSet::new();
        for _ in 0..25 {
            let store = Arc::clone(&store);
            inserts.spawn(async move { store.insert(&document(&unique())).await.unwrap() });
        }
        inserts.join_all().await;
        let open = proxy.open.load(Ordering::Relaxed);
        assert!(open <= 6, "{open} connections");
        // Without the proxy's task per connection.
        let most = *before.get_or_insert(tasks() - open) + 4;
        assert!(tasks() - open <= most, "{} tasks, and {most} at most", tasks() - open);

        proxy.cut().await;
        eventually("the loss is noticed", async || store.ping().await.is_err()).await;
        proxy.restore().await;
    }
}

#[tokio::test]
async fn a_store_that_is_dropped_leaves_no_task_and_no_connection() {
    let server = Database::start().await;
    let proxy = Proxy::to(server.socket()).await;
    let mongo = Mongo::at(&format!("mongodb://{}/", proxy.address));
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..5 {
        let store = mongo.opened().await;
        store.insert(&document(&unique())).await.unwrap();
    }
    eventually("no connection and no task is left", async || {
        proxy.open.load(Ordering::Relaxed) == 0 && tasks() <= before
    })
    .await;
}

#[tokio::test]
async fn inserts_that_callers_gave_up_leave_nothing_behind() {
    let server = Database::start().await;
    let proxy = Proxy::to(server.socket()).await;
    let mongo = Mongo::at(&format!("mongodb://{}/", proxy.address));
    let store = mongo.opened().await;
    store.insert(&document("first")).await.unwrap();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks() - proxy.open.load(Ordering::Relaxed);

    server.freeze();
    let impatient = async |id: String| {
        let document = document(&id);
        time::timeout(Duration::from_millis(50), store.insert(&document)).await
    };
    // As many as there may be commands in flight.
    for sent in ["sent-1", "sent-2"] {
        assert!(impatient(sent.to_owned()).await.is_err());
    }
    let given_up = join_all((0..200).map(|number: u32| impatient(number.to_string()))).await;
    assert!(given_up.iter().all(Result::is_err), "{given_up:?}");
    server.thaw();
    assert_eq!(soon(store.insert(&document("last"))).await, Ok(Inserted::New));
    eventually("no task is left", async || tasks() - proxy.open.load(Ordering::Relaxed) <= before + 1).await;
    let sent_or_waited_for = ["first", "sent-1", "sent-2", "last"].map(str::to_owned);
    assert_eq!(mongo.inspect().await.missing(&sent_or_waited_for).await, Ok(vec![]));
    assert_eq!(mongo.inspect().await.count().await, Ok(4));
}
