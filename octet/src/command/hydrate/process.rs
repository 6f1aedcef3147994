//! The process of `octet hydrate`, from its arguments to its exit status.

use std::{io::IsTerminal as _, process::ExitCode, time::Duration};

use octet_greeting::Connections;
use octet_lake::{
    Findings,
    config::{self, DEFAULT_POLL},
    engine::{self, Health, Job, LakeMetrics, Progress, Run, Shared},
    source::stores::StoresSource,
};
use octet_runtime::{
    admin::{self, LogControl, Probe, Readiness},
    drain::Drain,
    environment::{Environment, Lookup as _, ProcessEnvironment},
    metrics::Metrics,
    process::StartError,
    telemetry::Telemetry,
};
use octet_topology::Topology;

use super::HydrateSettings;
use crate::{cli, command, failure::Failure, output, topology_file};

/// The process's name in logs, metrics and spans.
const NAME: &str = "hydrate";

/// Reads the environment and the configuration.
fn prepare(arguments: &cli::Hydrate) -> Result<(HydrateSettings, Jobs), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let file = topology_file::chosen(&mut environment, arguments.topology.as_deref());
    let mut settings = HydrateSettings::from_environment(&mut environment);
    environment.finish(())?;
    if let Some(data) = &arguments.data {
        settings.connections = Connections::embedded(data);
    }
    let jobs = match configured(arguments)? {
        Some(jobs) => Jobs::Configured(jobs),
        None => Jobs::Stores(Box::new(topology_file::read(file.as_deref())?)),
    };
    Ok((settings, jobs))
}

/// The sources that the arguments name, and where their topics go.
///
/// # Errors
/// [`Failure::Configuration`].
pub async fn jobs(arguments: &cli::Hydrate) -> Result<Vec<Job>, Failure> {
    let (settings, jobs) = prepare(arguments)?;
    jobs.open(arguments, &settings.connections).await
}

pub(super) fn run(arguments: &cli::Hydrate) -> Result<ExitCode, Failure> {
    let (settings, jobs) = prepare(arguments)?;
    let _logs = settings.logs.clone().install(NAME);
    command::block_on(async {
        let drain = command::drain_on_signals(settings.drain)?;
        copy(arguments, settings, jobs, drain).await
    })
}

enum Jobs {
    Configured(Vec<Job>),
    Stores(Box<Topology>),
}

impl Jobs {
    async fn open(self, arguments: &cli::Hydrate, connections: &Connections) -> Result<Vec<Job>, Failure> {
        match self {
            Self::Configured(jobs) => Ok(jobs),
            Self::Stores(topology) => Ok(vec![stores(arguments, &topology, connections).await?]),
        }
    }
}

/// The jobs of the configuration, if there is one.
fn configured(arguments: &cli::Hydrate) -> Result<Option<Vec<Job>>, Failure> {
    let mut findings = Findings::default();
    let variable = |name: &str| ProcessEnvironment.get(name)?.into_string().ok();
    let written = match &arguments.config {
        Some(path) => config::toml(path, &variable, &mut findings),
        None if arguments.connectors.is_empty() => return Ok(None),
        None => config::connectors(&arguments.connectors, &variable, &mut findings),
    };
    let jobs = config::jobs(written, arguments.to.as_deref(), &arguments.default_lake(), &mut findings);
    for warning in &findings.warnings {
        output::error(format!("octet: warning: {warning}"));
    }
    match jobs {
        Some(jobs) => Ok(Some(jobs)),
        None => Err(Failure::Configuration(findings.errors.join("\n"))),
    }
}

/// One job that copies all stores of a topology.
async fn stores(
    arguments: &cli::Hydrate,
    topology: &Topology,
    connections: &Connections,
) -> Result<Job, Failure> {
    let lake = arguments.to.clone().unwrap_or_else(|| arguments.default_lake());
    let route = config::default_route(&lake).map_err(|error| Failure::Configuration(error.to_string()))?;
    let mut stores = Vec::new();
    for store in topology.services().iter().filter_map(|service| service.store.as_ref()) {
        let scan =
            connections.store.scan(store).await.map_err(|error| {
                Failure::Configuration(format!("{}: {error}", connections.store.variable()))
            })?;
        stores.push((format!("{}.{}", store.database.as_str(), store.collection.as_str()), scan));
    }
    if stores.is_empty() {
        return Err(Failure::Configuration("no service of the topology has a store".to_owned()));
    }
    Ok(Job {
        source: Box::new(StoresSource::new("stores", stores)),
        route: Box::new(move |_| Ok(route.clone())),
        poll_interval: DEFAULT_POLL,
    })
}

async fn copy(
    arguments: &cli::Hydrate,
    settings: HydrateSettings,
    jobs: Jobs,
    drain: Drain,
) -> Result<ExitCode, Failure> {
    let jobs = jobs.open(arguments, &settings.connections).await?;
    let run = if arguments.follow { Run::Follow } else { Run::Once };
    let metrics = Metrics::new(NAME).map_err(StartError::internal)?;
    let lake_metrics = LakeMetrics::new(&metrics).map_err(StartError::internal)?;
    let (health, progress) = (Health::default(), Progress::default());
    let listener = if run == Run::Follow || settings.has_admin {
        Some(settings.admin.bind().await.map_err(StartError::from)?)
    } else {
        None
    };
    let local = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let telemetry =
        Telemetry::start(&settings.telemetry, NAME, local, &metrics).map_err(StartError::internal)?;
    let admin = listener.map(|listener| {
        let check = |health: Health| async move { health.check() };
        let probes = vec![Probe::new("lake", health.clone(), check)];
        let readiness = Readiness::new(drain.clone(), probes);
        let logs = LogControl { levels: settings.logs.levels(), access: settings.access };
        let admin = local.map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(version = cli::VERSION, admin, "following");
        tokio::spawn(admin::serve(listener, readiness, metrics, (logs, None), settings.hosts))
    });
    let shared = Shared {
        run,
        drain: drain.clone(),
        metrics: lake_metrics,
        tracer: telemetry.tracer(),
        progress: progress.clone(),
        health,
        memory: settings.memory,
    };
    let shown = std::io::stderr().is_terminal().then(|| tokio::spawn(show(progress.clone())));
    let failures = engine::run(jobs, shared).await;
    if let Some(shown) = shown {
        shown.abort();
    }
    let last_lines = telemetry.flush(settings.drain.grace, &drain).await;
    if let Some(admin) = admin {
        admin.abort();
    }
    last_lines.flush(&drain).await;
    if run == Run::Once {
        output::line(table(&progress));
    }
    for failure in &failures {
        output::error(format!("octet: {failure}"));
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows progress on a terminal, on one line.
async fn show(progress: Progress) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let counts = progress.counts();
        let sum = |count: fn(&engine::Counts) -> u64| counts.values().map(count).sum::<u64>();
        let (rows, pending) = (sum(|counts| counts.rows), sum(|counts| counts.pending));
        let (objects, topics) = (sum(|counts| counts.objects), counts.len());
        output::progress(format!("{rows} rows in {objects} objects of {topics} topics, {pending} waiting"));
    }
}

/// What was copied, by topic.
fn table(progress: &Progress) -> String {
    let counts = progress.counts();
    let width = counts.keys().map(|topic| topic.chars().count()).max().unwrap_or_default().max("topic".len());
    let mut lines = vec![format!("{:width$}  {:>10}  {:>8}  {:>12}", "topic", "rows", "objects", "bytes")];
    for (topic, counts) in &counts {
        let state = if counts.stopped.is_some() { "  stopped" } else { "" };
        lines.push(format!(
            "{topic:width$}  {:>10}  {:>8}  {:>12}{state}",
            counts.rows, counts.objects, counts.bytes
        ));
    }
    lines.join("\n")
}
