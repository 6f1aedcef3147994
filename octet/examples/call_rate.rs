//! Measures the calls per second of a Greeting service: 25 callers, each calling again after its response.
//! `call_rate HOST:PORT CALLS`; prints one JSON object. `make bench` runs it.

use std::{error::Error, io::Write, time::Instant};

use octet_proto::greeting::v3::{GreetingRequest, greeting_service_client::GreetingServiceClient};
use tokio::task::JoinSet;
use tonic::transport::Endpoint;

const CALLERS: u32 = 25;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(calls)) = (arguments.next(), arguments.next()) else {
        return Err("call_rate HOST:PORT CALLS".into());
    };
    let calls: u32 = calls.parse()?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let mut client = GreetingServiceClient::new(channel.clone());
        callers.spawn(async move {
            for _ in 0..calls / CALLERS {
                client.greeting(GreetingRequest::default()).await?;
            }
            Ok::<_, tonic::Status>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    let rate = f64::from(calls / CALLERS * CALLERS) / started.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{}", serde_json::json!({ "calls_per_second": rate.round() }))?;
    Ok(())
}
