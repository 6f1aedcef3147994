//! `octet health URL`: whether a server is healthy, for the health checks of containers.

use http::Uri;
use octet_proto::grpc::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use octet_runtime::http_url::HttpUrl;

use super::block_on;
use crate::{
    cli,
    failure::Failure,
    http_client::{self, deepest_cause},
    output,
};

/// What is asked.
enum Target {
    Http(Uri),
    Grpc { endpoint: String, service: String },
}

/// Asks, and prints what was reported.
///
/// # Errors
/// [`Failure::Failed`] if the server is not healthy, [`Failure::Configuration`] if the URL is invalid.
pub fn run(arguments: &cli::Health) -> Result<(), Failure> {
    let target = parse(&arguments.url).ok_or_else(|| {
        Failure::Configuration(format!(
            "{:?} is not a URL to ask: it must be http://HOST:PORT/PATH, or grpc://HOST:PORT with or without /SERVICE",
            arguments.url
        ))
    })?;
    let limit = arguments.timeout;
    block_on(async {
        let asked = async {
            match target {
                Target::Http(url) => http(url).await,
                Target::Grpc { endpoint, service } => grpc(endpoint, service).await,
            }
        };
        let healthy = tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
            Err(anyhow::anyhow!("no response within {}", humantime::format_duration(limit)))
        });
        let report = healthy.map_err(|error| error.context(arguments.url.clone()))?;
        output::line(format!("{}: {report}", arguments.url));
        Ok(())
    })
}

fn parse(url: &str) -> Option<Target> {
    if let Some(rest) = url.strip_prefix("grpc://") {
        let url = HttpUrl::parse_http(&format!("http://{rest}"))?;
        let endpoint = format!("http://{}", url.authority());
        return Some(Target::Grpc { endpoint, service: url.path().trim_start_matches('/').to_owned() });
    }
    http_client::parse(url).map(Target::Http)
}

async fn http(url: Uri) -> anyhow::Result<String> {
    let (status, _) = http_client::get(url).await?;
    anyhow::ensure!(status.is_success(), "HTTP {status}");
    Ok(format!("HTTP {status}"))
}

async fn grpc(endpoint: String, service: String) -> anyhow::Result<String> {
    let channel = tonic::transport::Endpoint::new(endpoint)?.connect().await.map_err(deepest_cause)?;
    let request = HealthCheckRequest { service };
    let response = HealthClient::new(channel).check(request).await;
    let status = response.map_err(|status| anyhow::anyhow!("{:?}: {}", status.code(), status.message()))?;
    let status = status.into_inner().status();
    anyhow::ensure!(status == ServingStatus::Serving, "{}", status.as_str_name());
    Ok(status.as_str_name().to_owned())
}
