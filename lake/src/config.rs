//! The configuration: sources and sinks, from `lake.toml` or from the connector files of Kafka Connect.

mod connectors;
mod file;
mod join;
mod secrets;

use std::time::Duration;

pub use connectors::connectors;
pub use file::toml;

use crate::{
    Findings, Keys, Lake, LakeError, SinkOptions, Transforms,
    engine::{Job, Route},
    source::{
        Source,
        postgres::{PostgresOptions, PostgresSource},
        stores::{StoresOptions, StoresSource},
    },
};

/// Sources and sinks as they are written, before they are checked.
#[derive(Debug, Default)]
pub struct Written {
    /// The keys of each source.
    pub sources: Vec<Keys>,
    /// The keys of each sink.
    pub sinks: Vec<Keys>,
    /// The lake of sinks that name none.
    pub to: Option<String>,
}

/// A source whose keys are valid.
struct CheckedSource {
    options: Options,
    transforms: Transforms,
}

enum Options {
    Postgres(Box<PostgresOptions>),
    Stores(StoresOptions),
}

impl Options {
    fn take(keys: &mut Keys, findings: &mut Findings) -> Option<Self> {
        if StoresOptions::is_meant(keys) {
            return StoresOptions::take(keys, findings).map(Self::Stores);
        }
        PostgresOptions::take(keys, findings).map(|options| Self::Postgres(Box::new(options)))
    }

    fn name(&self) -> &str {
        match self {
            Self::Postgres(options) => &options.name,
            Self::Stores(options) => &options.name,
        }
    }

    /// The topics, where they are known without the database.
    fn topics(&self) -> Option<Vec<String>> {
        match self {
            Self::Postgres(options) => options.topics(),
            Self::Stores(options) => Some(options.topics()),
        }
    }

    fn source(self) -> (Box<dyn Source>, Duration) {
        match self {
            Self::Postgres(options) => {
                let interval = options.poll_interval;
                (Box::new(PostgresSource::new(*options)), interval)
            }
            Self::Stores(options) => {
                (Box::new(StoresSource::unopened(&options.name, options.stores)), options.poll_interval)
            }
        }
    }
}

/// Checks everything that is written, and makes the engine's jobs of it. `to` overrides the lake of every sink, and
/// `default_to` is the lake where neither names one.
///
/// # Errors
/// The findings, with all errors. Warnings are in `findings` in any case.
pub fn jobs(
    written: Written,
    to: Option<&str>,
    default_to: &str,
    findings: &mut Findings,
) -> Option<Vec<Job>> {
    let lake = to.or(written.to.as_deref());
    let mut sources = Vec::new();
    for mut keys in written.sources {
        ignore(&mut keys);
        let transforms = Transforms::take(&mut keys, findings);
        let options = Options::take(&mut keys, findings);
        unknown(&keys, findings);
        if let Some(options) = options {
            sources.push(CheckedSource { options, transforms });
        }
    }
    let sinks = join::sinks(written.sinks, lake, findings);
    let plan = join::Plan::new(sinks, lake.unwrap_or(default_to), findings);
    for source in &sources {
        if let Some(topics) = source.options.topics() {
            plan.check(source.options.name(), &topics, findings);
        }
    }
    let owned =
        sources.iter().map(|source| (source.options.name(), source.options.topics().unwrap_or_default()));
    join::check_topics(owned, findings);
    if sources.is_empty() && findings.errors.is_empty() {
        findings.errors.push("the configuration has no source".to_owned());
    }
    if !findings.errors.is_empty() {
        return None;
    }
    let plan = std::sync::Arc::new(plan);
    let job = |source: CheckedSource| {
        let (plan, transforms) = (plan.clone(), source.transforms);
        let (source, poll_interval) = source.options.source();
        Job { poll_interval, route: Box::new(move |topic| plan.route(topic, &transforms)), source }
    };
    Some(sources.into_iter().map(job).collect())
}

/// A route for topics that need no configuration: JSON lines.
///
/// # Errors
/// [`LakeError::Address`].
pub fn default_route(to: &str) -> Result<Route, LakeError> {
    let (lake, options) = (Lake::open(to)?, SinkOptions::default());
    Ok(Route { lake, options, transforms: Transforms::default() })
}

/// How often sources without a configuration are polled.
pub const DEFAULT_POLL: Duration = Duration::from_secs(1);

/// Keys of every connector that say nothing about rows or objects.
fn ignore(keys: &mut Keys) {
    for key in ["name", "connector.class", "tasks.max", "topic.creation.default.partitions"] {
        keys.take(key);
    }
    for prefix in ["key.converter", "value.converter", "header.converter", "topic.creation"] {
        keys.take(prefix);
        for key in keys.below(prefix) {
            keys.take(&key);
        }
    }
    for key in [
        "errors.log.enable",
        "errors.log.include.messages",
        "errors.retry.timeout",
        "errors.retry.delay.max.ms",
    ] {
        keys.take(key);
    }
}

fn unknown(keys: &Keys, findings: &mut Findings) {
    for key in keys.unknown() {
        findings.warnings.push(format!("{}: {key} is unknown and has no effect", keys.connector));
    }
}
