//! The arguments of `octet load`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum, builder::RangedU64ValueParser};
use octet_load::{
    DEFAULT_DURATION, DEFAULT_TIMEOUT, DEFAULT_USERS, MAX_DURATION, MAX_RATE, MAX_REQUESTS, MAX_TIMEOUT,
    MAX_USERS, Protocol,
};

/// The arguments of `octet load`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = AFTER)]
pub struct Load {
    /// What to do instead of sending load.
    #[command(subcommand)]
    pub action: Option<LoadAction>,
    /// URL to load: http, without a query; for gRPC only its host and port count
    #[arg(default_value = "http://127.0.0.1:8080/api/greeting")]
    pub url: String,
    /// Users who each send one request after the other; with --rate, the limit of concurrent requests
    #[arg(short = 'c', long, value_name = "N", default_value_t = DEFAULT_USERS,
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_USERS)))]
    pub users: u32,
    /// Requests per second of all users together (an open loop); latency then counts from the time a request was due
    #[arg(short = 'q', long, value_name = "N",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_RATE)))]
    pub rate: Option<u32>,
    /// Stop sending after this time, such as 30s [default: 10s, or 1h with --requests]
    #[arg(short = 'z', long, value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Stop sending after this number of requests
    #[arg(short = 'n', long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..=MAX_REQUESTS))]
    pub requests: Option<u64>,
    /// Protocol of the requests
    #[arg(long, value_enum, default_value_t = LoadProtocol::Http1)]
    pub protocol: LoadProtocol,
    /// Count a request as failed after this time
    #[arg(long, value_name = "DURATION", value_parser = timeout, default_value = "15s")]
    pub timeout: Duration,
    /// Allow a host other than this one
    #[arg(long)]
    pub allow_remote: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = LoadFormat::Table)]
    pub format: LoadFormat,
    /// Write the JSON report to this file, too
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The subcommands of `octet load`.
#[derive(Debug, Clone, Subcommand)]
pub enum LoadAction {
    /// Compare two JSON reports: the ratio of each value
    Compare {
        /// The first report, written with --output or --format json
        before: PathBuf,
        /// The second report
        after: PathBuf,
        /// Output format
        #[arg(long, value_enum, default_value_t = super::Format::Table)]
        format: super::Format,
    },
}

/// The protocol on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LoadProtocol {
    /// HTTP/1.1, a connection for each user
    Http1,
    /// HTTP/2 with prior knowledge, a connection for up to 50 users
    Http2,
    /// Calls of greeting.v3.GreetingService/Greeting, a connection for up to 50 users
    Grpc,
}

impl From<LoadProtocol> for Protocol {
    fn from(protocol: LoadProtocol) -> Self {
        match protocol {
            LoadProtocol::Http1 => Self::Http1,
            LoadProtocol::Http2 => Self::Http2,
            LoadProtocol::Grpc => Self::Grpc,
        }
    }
}

/// The output of `octet load`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LoadFormat {
    /// A line per second, then a summary
    Table,
    /// The report as JSON
    Json,
    /// The report so far on one line, each second
    JsonLines,
}

impl Load {
    /// When to stop sending.
    pub fn duration(&self) -> Duration {
        let unbounded = if self.requests.is_some() { MAX_DURATION } else { DEFAULT_DURATION };
        self.duration.unwrap_or(unbounded)
    }
}

const AFTER: &str = "\
Only addresses of this host are loaded without --allow-remote. Ctrl-C stops sending, waits for the responses and reports; \
a second one gives them up.

Limits: 5000 users, 50000 requests per second, 1 hour, 100 million requests, 1 minute of --timeout. Percentiles have \
three significant digits. A user whose connection fails waits 100 ms before the next request, unless --rate sets the pace.

Exit status:
  0   at least one request succeeded, or two reports were compared
  1   no request succeeded, or FILE cannot be written
  64  invalid arguments or reports";

fn duration(text: &str) -> Result<Duration, String> {
    within(text, MAX_DURATION)
}

fn timeout(text: &str) -> Result<Duration, String> {
    debug_assert!(DEFAULT_TIMEOUT <= MAX_TIMEOUT);
    within(text, MAX_TIMEOUT)
}

fn within(text: &str, max: Duration) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).ok().filter(|parsed| !parsed.is_zero() && *parsed <= max);
    parsed.ok_or_else(|| {
        format!(
            "must be a duration such as 500ms, 30s or 2m, and at most {}",
            humantime::format_duration(max)
        )
    })
}
