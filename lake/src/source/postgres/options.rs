//! The keys of a `PostgreSQL` source, as the JDBC source has them.

use std::time::Duration;

use super::address::PostgresAddress;
use crate::{Findings, Keys};

/// How new rows are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// All rows, at each run.
    Bulk,
    /// By timestamps: the first of these columns that is not NULL.
    Timestamp(Vec<String>),
    /// By a growing key.
    Incrementing(String),
    /// By timestamps, and by a key among equal ones.
    TimestampIncrementing(Vec<String>, String),
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// One query, and so one topic, which is named by the prefix alone.
    Query(String),
    /// Tables by name, as `table` or `schema.table`.
    Tables(Vec<String>),
    /// All tables of a schema but these.
    AllBut {
        /// The schema.
        schema: String,
        /// The tables that are left out.
        excluded: Vec<String>,
    },
}

/// A `PostgreSQL` source.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Its name in logs and errors.
    pub name: String,
    /// Where it is.
    pub address: PostgresAddress,
    /// How new rows are found.
    pub mode: Mode,
    /// What is read.
    pub selection: Selection,
    /// What the names of topics begin with.
    pub topic_prefix: String,
    /// How far the watermark stays behind the database's clock.
    pub delay: Duration,
    /// Whether the delay was configured, which a replica needs.
    pub has_delay: bool,
    /// The zone of timestamps without zone.
    pub zone: Option<String>,
    /// Whether rows without a timestamp or key stop the topic.
    pub refuses_null: bool,
    /// Rows before this moment, in microseconds since 1970, are left out.
    pub initial: Option<i64>,
    /// Sessions with these `application_name`s do not hold the watermark.
    pub ignored: Vec<String>,
    /// Between the ends and starts of polls.
    pub poll_interval: Duration,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Keys of the JDBC source that would change rows or names here if they were ignored.
const REFUSED: [&str; 4] = ["query.masked", "query.suffix", "table.exclude.list", "table.include.list"];

/// Keys that change nothing here.
const WITHOUT_EFFECT: [&str; 12] = [
    "batch.max.rows",
    "catalog.pattern",
    "connection.attempts",
    "connection.backoff.ms",
    "db.fetch.size",
    "db.name",
    "dialect.name",
    "numeric.mapping",
    "numeric.precision.mapping",
    "query.retry.attempts",
    "quote.sql.identifiers",
    "table.poll.interval.ms",
];

impl PostgresOptions {
    /// Takes the source's keys; `None` after an error without which the rest means nothing.
    pub fn take(keys: &mut Keys, findings: &mut Findings) -> Option<Self> {
        let name = keys.connector.clone();
        let mut error = |text: String| findings.errors.push(format!("{name}: {text}"));
        for key in REFUSED {
            if keys.take(key).is_some() {
                error(format!("{key} is not supported"));
            }
        }
        for (key, allowed) in [("timestamp.granularity", "connect_logical"), ("table.types", "TABLE")] {
            if keys.take(key).is_some_and(|value| value != allowed) {
                error(format!("{key} must be {allowed}: other values would change the rows"));
            }
        }
        for key in WITHOUT_EFFECT {
            keys.take(key);
        }
        let address = address(keys, findings);
        let mode = mode(keys, findings);
        let selection = selection(keys, findings);
        let has_delay = keys.contains("timestamp.delay.interval.ms");
        let delay = keys.number("timestamp.delay.interval.ms", 1_000, 0..=30 * DAY_MS, findings);
        let poll = keys.number("poll.interval.ms", 5_000, 10..=DAY_MS, findings);
        let initial = keys.take("timestamp.initial").and_then(|text| match text.parse::<i64>() {
            // The JDBC source's word for now: everything before the first poll is left out.
            Ok(-1) => Some(now_micros()),
            Ok(ms) if ms >= 0 => ms.checked_mul(1_000),
            _ => {
                findings.errors.push(format!(
                    "{name}: timestamp.initial={text}: must be milliseconds since 1970, or -1 for now"
                ));
                None
            }
        });
        let flag = [("true", true), ("false", false)];
        let refuses_null = keys.one_of("validate.non.null", true, &flag, findings);
        let topic_prefix = keys.take("topic.prefix").unwrap_or_default();
        if topic_prefix.is_empty() && matches!(selection, Selection::Query(_)) {
            findings.errors.push(format!("{name}: topic.prefix must be set: it names the topic of a query"));
        }
        Some(Self {
            address: address?,
            mode: mode?,
            selection,
            topic_prefix,
            delay: Duration::from_millis(delay),
            has_delay,
            zone: keys.take("db.timezone"),
            refuses_null,
            initial,
            ignored: keys.list("watermark.ignore"),
            poll_interval: Duration::from_millis(poll),
            name,
        })
    }

    /// The topics, where they are known without the database.
    pub fn topics(&self) -> Option<Vec<String>> {
        match &self.selection {
            Selection::Query(_) => Some(vec![self.topic_prefix.clone()]),
            Selection::Tables(tables) => Some(tables.iter().map(|table| self.topic(table)).collect()),
            Selection::AllBut { .. } => None,
        }
    }

    /// The topic of a table, which is named without its schema.
    pub(super) fn topic(&self, table: &str) -> String {
        let name = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
        format!("{}{name}", self.topic_prefix)
    }
}

fn now_micros() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

fn address(keys: &mut Keys, findings: &mut Findings) -> Option<PostgresAddress> {
    let url = keys.take("connection.url").unwrap_or_default();
    let (user, password) = (keys.take("connection.user"), keys.take("connection.password"));
    match PostgresAddress::parse(&url) {
        Ok((mut address, without_effect)) => {
            for parameter in without_effect {
                let text = format!("{}: connection.url: {parameter} has no effect", keys.connector);
                findings.warnings.push(text);
            }
            address.set_login(user.as_deref(), password.as_deref());
            if !address.has_user() {
                findings.errors.push(format!("{}: connection.user must be set", keys.connector));
            }
            Some(address)
        }
        Err(problem) => {
            findings.errors.push(format!("{}: connection.url: {problem}", keys.connector));
            None
        }
    }
}

fn mode(keys: &mut Keys, findings: &mut Findings) -> Option<Mode> {
    let mode = keys.take("mode").unwrap_or_default();
    let timestamps = keys.list("timestamp.column.name");
    let key = keys.take("incrementing.column.name").filter(|column| !column.is_empty());
    let mut needs = |is_set: bool, column: &str| {
        if !is_set {
            findings.errors.push(format!("{}: {column} must be set with mode={mode}", keys.connector));
        }
        is_set
    };
    match mode.as_str() {
        "bulk" => Some(Mode::Bulk),
        "timestamp" => {
            needs(!timestamps.is_empty(), "timestamp.column.name").then_some(Mode::Timestamp(timestamps))
        }
        "incrementing" => {
            needs(key.is_some(), "incrementing.column.name");
            key.map(Mode::Incrementing)
        }
        "timestamp+incrementing" => {
            let has_both = needs(!timestamps.is_empty(), "timestamp.column.name")
                & needs(key.is_some(), "incrementing.column.name");
            key.filter(|_| has_both).map(|key| Mode::TimestampIncrementing(timestamps, key))
        }
        _ => {
            let allowed = "bulk, timestamp, incrementing or timestamp+incrementing";
            findings.errors.push(format!("{}: mode={mode}: must be {allowed}", keys.connector));
            None
        }
    }
}

fn selection(keys: &mut Keys, findings: &mut Findings) -> Selection {
    let query = keys.take("query").unwrap_or_default();
    let query = query.trim_end_matches([';', ' ', '\n', '\t', '\r']).to_owned();
    let (tables, excluded) = (keys.list("table.whitelist"), keys.list("table.blacklist"));
    let schema = keys.take("schema.pattern").filter(|schema| !schema.is_empty());
    let set = [!query.is_empty(), !tables.is_empty(), !excluded.is_empty()];
    if set.iter().filter(|is_set| **is_set).count() > 1 {
        let names = "query, table.whitelist and table.blacklist";
        findings.errors.push(format!("{}: only one of {names} can be set", keys.connector));
    }
    if !query.is_empty() {
        Selection::Query(query)
    } else if !tables.is_empty() {
        let qualified = |table: String| match &schema {
            Some(schema) if !table.contains('.') => format!("{schema}.{table}"),
            _ => table,
        };
        Selection::Tables(tables.into_iter().map(qualified).collect())
    } else {
        Selection::AllBut { schema: schema.unwrap_or_else(|| "public".to_owned()), excluded }
    }
}
