//! The page's load: its plan, its limits, and the arguments of `octet load`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Target};

const USERS: Range = Range { min: 1, max: 1_000 };
const RATE: Range = Range { min: 1, max: 10_000 };
const SECONDS: Range = Range { min: 1, max: 600 };
const REQUESTS: Range = Range { min: 1, max: 1_000_000 };

/// How long a request may wait for its response. The gateway's own deadline is shorter.
const TIMEOUT_SECONDS: u64 = 15;

/// What a run may take beyond its timeouts, before it is killed.
const SPARE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Range {
    min: u64,
    max: u64,
}

/// The allowed values.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Limits {
    users: Range,
    rate: Range,
    seconds: Range,
    requests: Range,
    timeout_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            users: USERS,
            rate: RATE,
            seconds: SECONDS,
            requests: REQUESTS,
            timeout_seconds: TIMEOUT_SECONDS,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Http1,
    Http2,
    Grpc,
}

/// A valid plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    users: u64,
    /// Requests per second of all users together.
    #[serde(default)]
    rate: Option<u64>,
    #[serde(default)]
    seconds: Option<u64>,
    #[serde(default)]
    requests: Option<u64>,
    #[serde(default = "http1")]
    protocol: Protocol,
}

fn http1() -> Protocol {
    Protocol::Http1
}

/// `octet load` against the gateway.
pub(crate) struct Load;

/// The allowed values, for clients.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Details {
    limits: Limits,
}

impl Kind for Load {
    type Plan = Plan;
    type Details = Details;

    const PATH: &'static str = "/api/load";
    const NAME: &'static str = "load";
    const NAMES: &'static str = "load runs";
    const PROGRAM: &'static str = "octet load";

    async fn details(&self, _: &Target) -> Result<Details, String> {
        Ok(Details::default())
    }

    async fn read(&self, body: &[u8], _: &Target) -> Result<Plan, String> {
        Plan::read(body)
    }

    fn arguments(&self, plan: &Plan, target: &Target) -> Vec<String> {
        plan.arguments(target)
    }

    fn patience(&self, plan: &Plan) -> Duration {
        plan.patience()
    }
}

impl Plan {
    /// Reads and checks a plan.
    fn read(body: &[u8]) -> Result<Self, String> {
        let plan: Self = serde_json::from_slice(body).map_err(|error| format!("invalid plan: {error}"))?;
        let values = [
            ("users", Some(plan.users), USERS),
            ("rate", plan.rate, RATE),
            ("seconds", plan.seconds, SECONDS),
            ("requests", plan.requests, REQUESTS),
        ];
        for (name, value, Range { min, max }) in values {
            if value.is_some_and(|value| !(min..=max).contains(&value)) {
                return Err(format!("`{name}` must be from {min} to {max}"));
            }
        }
        if plan.seconds.is_none() && plan.requests.is_none() {
            return Err("`seconds` or `requests` is required".to_owned());
        }
        Ok(plan)
    }

    /// When the run must have ended.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.seconds() + TIMEOUT_SECONDS) + SPARE
    }

    fn arguments(&self, target: &Target) -> Vec<String> {
        let (protocol, path) = match self.protocol {
            Protocol::Http1 => ("http1", "/api/greeting"),
            Protocol::Http2 => ("http2", "/api/greeting"),
            Protocol::Grpc => ("grpc", ""),
        };
        let optional = [("--rate", self.rate), ("--requests", self.requests)];
        let given = [
            "load".to_owned(),
            target.url(path),
            "--format=json-lines".to_owned(),
            format!("--protocol={protocol}"),
            format!("--users={}", self.users),
            format!("--duration={}s", self.seconds()),
            format!("--timeout={TIMEOUT_SECONDS}s"),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        given.into_iter().chain(optional).collect()
    }

    /// A number of requests is bounded in time, too.
    fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(SECONDS.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_becomes_arguments_with_every_bound() {
        let plan = Plan::read(br#"{"users": 25, "requests": 100, "rate": 50, "protocol": "grpc"}"#).unwrap();
        let target =
            |address: &str| Target::new(Some("octet".into()), "http", address.parse().ok(), None).unwrap();
        let arguments = plan.arguments(&target("0.0.0.0:8080")).join(" ");
        assert_eq!(
            arguments,
            "load http://127.0.0.1:8080 --format=json-lines --protocol=grpc --users=25 --duration=600s --timeout=15s \
             --rate=50 --requests=100"
        );
        let plan = Plan::read(br#"{"users": 1, "seconds": 5}"#).unwrap();
        let arguments = plan.arguments(&target("[::]:80"));
        assert_eq!(arguments[1], "http://[::1]:80/api/greeting");
        assert_eq!(plan.patience(), Duration::from_secs(35));
    }

    #[test]
    fn a_plan_beyond_a_limit_is_refused_with_the_field() {
        for (body, says) in [
            (r#"{"users": 1001, "seconds": 1}"#, "`users` must be from 1 to 1000"),
            (r#"{"users": 0, "seconds": 1}"#, "`users` must be from 1 to 1000"),
            (r#"{"users": 1, "seconds": 601}"#, "`seconds` must be from 1 to 600"),
            (r#"{"users": 1, "requests": 1000001}"#, "`requests` must be from 1 to 1000000"),
            (r#"{"users": 1, "seconds": 1, "rate": 10001}"#, "`rate` must be from 1 to 10000"),
            (r#"{"users": 1}"#, "`seconds` or `requests` is required"),
            (r#"{"seconds": 1}"#, "missing field `users`"),
            (r#"{"users": 1, "seconds": 1, "url": "http://192.0.2.1"}"#, "unknown field `url`"),
            (r#"{"users": 1, "seconds": 1, "protocol": "quic"}"#, "unknown variant `quic`"),
            (r#"{"users": -1, "seconds": 1}"#, "invalid plan"),
            (r#"{"users": 1.5, "seconds": 1}"#, "invalid plan"),
            ("[", "invalid plan"),
        ] {
            let refused = Plan::read(body.as_bytes()).expect_err(body);
            assert!(refused.contains(says), "{body}: {refused}");
        }
    }
}
