//! Twenty reconnections, in a separate process, leave no thread behind.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use octet_backends::{
    queue::{Consumer, Publisher},
    rabbitmq::{RabbitConsumer, RabbitPublisher, RabbitSettings},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use octet_testbed::eventually;

use crate::{
    child::{Child, say},
    factories::message,
    rabbitmq::Rabbit,
};

const RECONNECTIONS: usize = 20;

#[tokio::test]
async fn reconnecting_leaves_no_thread_behind() {
    let rabbit = Rabbit::new().await;
    let mut child = Child::start("reconnect to RabbitMQ", &format!("{} {}", rabbit.queue(), rabbit.url()));
    let counts: Vec<usize> =
        child.says_to_the_end().await.iter().map(|count| count.parse().unwrap()).collect();
    assert_eq!(counts.len(), RECONNECTIONS + 1);
    // Two connections have a thread each. Threads that resolve names come and go.
    let most = counts[0] + 2;
    assert!(counts.iter().all(|count| *count <= most), "{counts:?}");
}

/// Prints the number of threads, at the start and after every reconnection.
pub(crate) async fn reconnect(place: &str) {
    let (queue, url) = place.split_once(' ').unwrap();
    let (user_info, host) =
        url.trim_start_matches("amqp://").rsplit_once('@').unwrap_or(("guest:guest", url));
    let (host, vhost) = host.trim_start_matches("amqp://").split_once('/').unwrap_or((host, ""));
    let proxy = Proxy::to(host.trim_start_matches("amqp://").to_owned()).await;
    let url = format!("amqp://{user_info}@127.0.0.1:{}/{vhost}", proxy.port);
    let settings = RabbitSettings::new(url.parse().unwrap(), queue);
    let publisher = RabbitPublisher::open(settings.clone()).await.unwrap();
    let consumer = RabbitConsumer::open(settings).await.unwrap();
    for number in 0..=RECONNECTIONS {
        eventually("a publish succeeds", async || publisher.publish(message(&number.to_string())).await)
            .await;
        // Earlier messages may be delivered again.
        while consumer.next().await.unwrap().message().id != number.to_string() {}
        say(&fs::read_dir("/proc/self/task").unwrap().count().to_string());
        let accepted = proxy.accepted.load(Ordering::Relaxed);
        proxy.cut.send_replace(());
        eventually("both connect again", async || proxy.accepted.load(Ordering::Relaxed) >= accepted + 2)
            .await;
    }
}

/// Forwards connections to the broker until it is cut.
struct Proxy {
    port: u16,
    accepted: Arc<AtomicUsize>,
    cut: watch::Sender<()>,
}

impl Proxy {
    async fn to(broker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, cut) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(()));
        let (counter, cuts) = (Arc::clone(&accepted), cut.clone());
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                let (broker, mut cut) = (broker.clone(), cuts.subscribe());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(broker).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                        () = tokio::time::sleep(Duration::from_mins(10)) => {}
                    }
                });
            }
        });
        Self { port, accepted, cut }
    }
}
