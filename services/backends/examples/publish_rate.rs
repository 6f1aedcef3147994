//! Compares the RabbitMQ publisher's rate with bare lapin: 25 callers, each waiting for its confirm, in alternating
//! rounds, with the broker at `RABBITMQ_CONN`. `publish_rate [ROUNDS]` (5) prints one JSON object. `make bench` runs it.

use std::{
    error::Error,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions, QueuePurgeOptions},
    types::ShortString,
};
use octet_backends::{
    queue::{Message, Publisher},
    rabbitmq::{RabbitPublisher, RabbitSettings},
};
use tokio::{task::JoinSet, time::sleep};

const CALLERS: usize = 25;
const MESSAGES_PER_CALLER: usize = 400;
const BODY: &[u8] =
    br#"{"id":"6a6f1e8e-8d2a-4f0e-9c1b-6f3f0a8f2b11","service":"service-d","message":"Shalom"}"#;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    #[expect(clippy::disallowed_methods, reason = "a measurement, not a service: one variable")]
    let url = std::env::var("RABBITMQ_CONN").map_err(|_| "RABBITMQ_CONN must be the broker's URL")?;
    let rounds: u32 = std::env::args().nth(1).map_or(Ok(5), |rounds| rounds.parse())?;
    let queue = format!("octet-publish-rate-{}", std::process::id());
    let adapter = Arc::new(RabbitPublisher::open(RabbitSettings::new(url.parse()?, &queue)).await?);
    while adapter.ping().await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let name = ShortString::try_new(queue.as_str())?;

    let (mut bare, mut adapted) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=rounds {
        let bare_rate = rate(|number| publish_bare(channel.clone(), name.clone(), number)).await?;
        channel.queue_purge(name.clone(), QueuePurgeOptions::default()).await?;
        let adapter_rate = rate(|number| publish_adapted(Arc::clone(&adapter), number)).await?;
        channel.queue_purge(name.clone(), QueuePurgeOptions::default()).await?;
        if round > 0 {
            bare.push(bare_rate);
            adapted.push(adapter_rate);
        }
    }
    for queue in [queue.clone(), format!("{queue}.dlq")] {
        channel.queue_delete(ShortString::try_new(queue)?, QueueDeleteOptions::default()).await?;
    }
    let (bare, adapted) = (median(bare), median(adapted));
    let report = serde_json::json!({
        "callers": CALLERS,
        "bare_lapin_per_second": bare.round(),
        "adapter_per_second": adapted.round(),
        "ratio": (adapted / bare * 1_000.0).round() / 1_000.0,
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// Confirmed messages a second, from all callers together.
async fn rate<F: Future<Output = Outcome<()>> + Send + 'static>(
    publish: impl Fn(usize) -> F,
) -> Outcome<f64> {
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(publish(caller));
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let messages = (CALLERS * MESSAGES_PER_CALLER) as f64;
    Ok(messages / started.elapsed().as_secs_f64())
}

async fn publish_bare(channel: Channel, queue: ShortString, caller: usize) -> Outcome<()> {
    for number in 0..MESSAGES_PER_CALLER {
        let properties = BasicProperties::default()
            .with_message_id(ShortString::try_new(format!("{caller}-{number}"))?)
            .with_delivery_mode(2);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publishing =
            channel.basic_publish(ShortString::default(), queue.clone(), options, BODY, properties);
        match publishing.await?.await? {
            Confirmation::Ack(None) => {}
            other => return Err(format!("not confirmed: {other:?}").into()),
        }
    }
    Ok(())
}

async fn publish_adapted(publisher: Arc<RabbitPublisher>, caller: usize) -> Outcome<()> {
    for number in 0..MESSAGES_PER_CALLER {
        let message = Message {
            id: format!("{caller}-{number}"),
            headers: vec![(
                "b3".to_owned(),
                "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1".to_owned(),
            )],
            body: BODY.to_vec(),
        };
        publisher.publish(message).await?;
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}
