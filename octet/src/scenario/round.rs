//! Runs a scenario once.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use octet_greeting::Connections;
use octet_load::{Order, Plan, Protocol, Report, Target, run_watched};
use octet_runtime::{environment::Environment, faults::draw_seed, lifeline};
use tokio::{sync::watch, time::sleep};

use super::{
    faults::Faults,
    judge::{Case, Evidence, Outcome, judge},
    ledger::{ACTION, Entry, Ledger},
    live::{Live, Progress},
    measure::Measure,
    mesh::{Mesh, Place},
    model::{Check, Expectation, MAX_REQUESTS, Scenario, Verb, When},
    states::{INTERVAL, Observer, Seen},
    telemetry,
    timeline::{self, Stage},
};
use crate::{
    audit::{Answers, Audit, Overrides, Verdict as AuditVerdict},
    runner::{Recorded, end_signal},
};

/// How long the state at the end may take, and the audit.
const END: Duration = Duration::from_secs(30);

/// The reason of a round that somebody ended.
pub(crate) const INTERRUPTED: &str = "interrupted";

/// The conclusion of a round or of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    Held,
    Unjudged,
    Broken,
}

/// What came of a round.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    pub(crate) seed: u64,
    pub(crate) verdict: Verdict,
    /// Why it could not be judged.
    pub(crate) reason: Option<String>,
    pub(crate) cases: Vec<Case>,
    pub(crate) ledger: Vec<Entry>,
    pub(crate) load: Option<Report>,
}

/// Where and how to run.
pub(crate) struct Settings<'a> {
    pub(crate) data: &'a Path,
    pub(crate) seed: Option<u64>,
    pub(crate) base_port: Option<u16>,
    /// The mesh that runs already, instead of a new one.
    pub(crate) running: Option<Place>,
    /// The URL of its alerts.
    pub(crate) prometheus: Option<http::Uri>,
    /// For processes with an `ADMIN_TOKEN`.
    pub(crate) authorization: Option<http::HeaderValue>,
    /// Where the run is shown.
    pub(crate) live: Live,
    /// Whether the end of standard input ends the run, too.
    pub(crate) has_lifeline: bool,
}

/// Runs the scenario.
pub(crate) async fn run(scenario: &Scenario, settings: &Settings<'_>) -> Round {
    let seed = settings.seed.or(scenario.seed).unwrap_or_else(|| draw_seed().0);
    let unjudged = |reason: String| Round {
        seed,
        verdict: Verdict::Unjudged,
        reason: Some(reason),
        cases: Vec::new(),
        ledger: Vec::new(),
        load: None,
    };
    let mesh = async {
        match settings.running.clone() {
            Some(place) => Mesh::running(scenario, place).await,
            None => Mesh::start(scenario, settings.data, settings.base_port, seed).await,
        }
    };
    // One for the whole round, so that no signal is lost in between.
    let end = end(settings.has_lifeline);
    tokio::pin!(end);
    let mesh = tokio::select! {
        mesh = mesh => mesh,
        () = &mut end => return unjudged(INTERRUPTED.to_owned()),
    };
    let mesh = match mesh {
        Ok(mesh) => Arc::new(mesh),
        Err(error) => return unjudged(format!("{error:#}")),
    };
    let measured = tokio::select! {
        measured = measure(scenario, settings, Arc::clone(&mesh), seed) => measured,
        () = &mut end => Err(anyhow::anyhow!(INTERRUPTED)),
    };
    if let Err(error) = mesh.stop(scenario).await {
        settings.live.line(format!("octet: {error:#}"));
    }
    match measured {
        Ok((cases, ledger, load)) => {
            let (verdict, reason) = conclude(&cases, &ledger);
            Round { seed, verdict, reason, cases, ledger, load: Some(load) }
        }
        Err(error) => unjudged(format!("{error:#}")),
    }
}

/// Resolves when somebody ends the run.
async fn end(has_lifeline: bool) {
    let starter = async {
        if has_lifeline {
            let _ = lifeline::ended().await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = starter => {}
        () = end_signal() => {}
    }
}

/// The verdict of the cases, and why they cannot be judged.
fn conclude(cases: &[Case], ledger: &[Entry]) -> (Verdict, Option<String>) {
    let of = |outcome: Outcome| cases.iter().find(|case| case.outcome == outcome);
    // A process that was down when a fault was set has it since its restart.
    let has_failed = |entry: &&Entry| {
        !entry.problems.is_empty() && (entry.kind == ACTION || entry.acted.unwrap_or_default() == 0)
    };
    if let Some(Entry { kind, what, problems, .. }) = ledger.iter().find(has_failed) {
        return (Verdict::Unjudged, Some(format!("{kind} {what} failed: {}", problems.join("; "))));
    }
    let before = When::Before.name();
    if let Some(unmet) = cases
        .iter()
        .find(|case| case.when == before && matches!(case.outcome, Outcome::Broken | Outcome::Unjudged))
    {
        return (
            Verdict::Unjudged,
            Some(format!("before the faults: {} was not met: {}", unmet.expected, unmet.measured)),
        );
    }
    if of(Outcome::Broken).is_some() {
        return (Verdict::Broken, None);
    }
    if let Some(case) = of(Outcome::Unjudged) {
        return (Verdict::Unjudged, Some(format!("{}: {}", case.expected, case.measured)));
    }
    match of(Outcome::Held) {
        Some(_) => (Verdict::Held, None),
        None => (Verdict::Unjudged, Some("every expectation was skipped".to_owned())),
    }
}

type Measured = (Vec<Case>, Vec<Entry>, Report);

async fn measure(
    scenario: &Scenario,
    settings: &Settings<'_>,
    mesh: Arc<Mesh>,
    seed: u64,
) -> anyhow::Result<Measured> {
    let checks = || scenario.expectations.iter().flat_map(|expectation| &expectation.checks);
    let has_audit = checks().any(|check| matches!(check, Check::Audit));
    std::fs::create_dir_all(settings.data).context("cannot create the directory of answers")?;
    let answers = settings.data.join("answers");
    let has_telemetry = checks().any(|check| matches!(check, Check::Telemetry(..) | Check::Counters));
    let watched = (has_audit || has_telemetry).then_some(answers.as_path());
    let measure = Measure::new(watched, format!("scenario-{seed}")).context("cannot save answers")?;
    let measure = Arc::new(measure);
    let overrides = overrides(mesh.data().as_deref())?;
    let connections = mesh.connections()?;
    let audit = audit(scenario, connections.as_ref(), &overrides).await?.map(Arc::new);
    let telemetry = if has_telemetry {
        let wait = telemetry_wait(scenario);
        Some(telemetry::Plan::new(&mesh, &scenario.topology, &overrides, wait).await?)
    } else {
        None
    };
    let mut observer = Observer {
        mesh: Arc::clone(&mesh),
        processes: checks()
            .filter_map(|check| match check {
                Check::Readiness { process, .. } => Some(process.clone()),
                _ => None,
            })
            .collect(),
        queues: checks().any(|check| matches!(check, Check::Queue(_))).then(|| audit.clone()).flatten(),
        alerts: checks()
            .any(|check| matches!(check, Check::Alert { .. }))
            .then(|| settings.prometheus.clone())
            .flatten(),
        dead_before: 0,
    };
    observer.start().await;
    let publishers = publishers(scenario, connections.as_ref()).await?;
    let url = format!("{}/api/greeting", mesh.url()?);
    let plan = Plan {
        target: Target::resolve(&url, mesh.allows_remote()).await?,
        protocol: Protocol::Http1,
        users: scenario.load.users,
        rate: scenario.load.rate,
        duration: scenario.load.lasting,
        requests: Some(MAX_REQUESTS),
        timeout: scenario.load.timeout,
    };
    let start = Instant::now();
    let ledger = Ledger::new(start, settings.live.clone());
    let stage = Stage {
        mesh: Arc::clone(&mesh),
        faults: Faults::new(Arc::clone(&mesh), settings.authorization.clone()),
        ledger: ledger.clone(),
        publishers,
    };
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let (_order, orders) = watch::channel(Order::Run);
    settings.live.progress(Progress::Running);
    let each_second = |report: &Report| settings.live.second(report);
    let load = async { run_watched(&plan, start, orders, Arc::clone(&measure) as _, each_second).await };
    let both = async { tokio::join!(load, timeline::run(scenario, stage, start)) };
    let (report, ()) = tokio::select! {
        both = both => both,
        // It looks until the load is over.
        () = async { observer.clone().watch(start, Arc::clone(&seen)).await; std::future::pending().await } => (Err(std::io::ErrorKind::Other.into()), ()),
    };
    let report = report.context("cannot send load")?;
    settings.live.progress(Progress::Judging);
    measure.finish_answers().context("cannot save answers")?;
    let mut seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    states_at_the_end(scenario, &observer, start, &mut seen).await;
    let audited = match &audit {
        Some(audit) if has_audit => Some(audit_of(audit, &answers).await),
        _ => None,
    };
    let telemetry = match &telemetry {
        Some(plan) => Some(plan.run(&answers).await),
        None => None,
    };
    let entries = ledger.entries(scenario.load.lasting);
    let points = measure.points();
    let evidence = Evidence {
        points: &points,
        measure: &measure,
        ledger: &entries,
        seen: &seen,
        unsent: report.unsent,
        audit: audited,
        telemetry: telemetry.as_ref(),
        has_stores: audit.is_some(),
        has_prometheus: settings.prometheus.is_some(),
    };
    let cases = judge(scenario, &evidence);
    Ok((cases, entries, report))
}

/// How long spans may take to arrive: the longest `within` of the expectations about them.
fn telemetry_wait(scenario: &Scenario) -> Duration {
    let is_about = |expectation: &&Expectation| {
        expectation.checks.iter().any(|check| matches!(check, Check::Telemetry(..)))
    };
    let waits = scenario.expectations.iter().filter(is_about);
    waits.map(|expectation| expectation.within.unwrap_or(END)).max().unwrap_or(END)
}

/// Looks until the states of the end are reached, or their time is over.
async fn states_at_the_end(scenario: &Scenario, observer: &Observer, start: Instant, seen: &mut Vec<Seen>) {
    let ends = scenario.expectations.iter().filter(|expectation| expectation.when == When::End);
    let checks: Vec<_> = ends
        .flat_map(|expectation| expectation.checks.iter().map(move |check| (check, expectation.within)))
        .filter(|(check, _)| matches!(check, Check::Queue(_) | Check::Readiness { .. }))
        .collect();
    let begun = Instant::now();
    let limit = checks.iter().map(|(_, within)| within.unwrap_or(END)).max().unwrap_or_default();
    while !checks.is_empty() {
        let now = observer.look(start).await;
        let is_met = checks.iter().all(|(check, _)| match check {
            Check::Queue(condition) => now
                .queue
                .get(condition.name.as_str())
                .is_some_and(|value| condition.holds(f64::from(u32::try_from(*value).unwrap_or(u32::MAX)))),
            Check::Readiness { process, is_ready } => now.ready.get(process) == Some(is_ready),
            _ => true,
        });
        seen.push(now);
        if is_met || begun.elapsed() > limit {
            return;
        }
        sleep(INTERVAL).await;
    }
}

fn overrides(data: Option<&Path>) -> anyhow::Result<Overrides> {
    let recorded = data.map(Recorded::read).unwrap_or_default();
    let mut environment = Environment::new(&recorded.variables);
    let overrides = Overrides::from_environment(&mut environment);
    environment.finish(())?;
    Ok(overrides)
}

async fn audit(
    scenario: &Scenario,
    connections: Option<&Connections>,
    overrides: &Overrides,
) -> anyhow::Result<Option<Audit>> {
    let Some(connections) = connections else { return Ok(None) };
    let audit = Audit::open(&scenario.topology, overrides, connections, None).await;
    Ok(Some(audit.map_err(|failure| anyhow::anyhow!("{failure}"))?.waiting(END)))
}

async fn audit_of(audit: &Audit, answers: &Path) -> (bool, String) {
    let checked = async {
        let file = File::open(answers)?;
        let answers = Answers::new("the answers", Box::new(BufReader::new(file)));
        let report =
            audit.run(Some(answers), &mut |_| {}).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let words = report.table().lines().last().unwrap_or_default().to_owned();
        Ok::<_, anyhow::Error>((report.verdict() == AuditVerdict::Complete, words))
    };
    checked.await.unwrap_or_else(|error| (false, format!("{error:#}")))
}

/// The queues that poison goes to.
async fn publishers(
    scenario: &Scenario,
    connections: Option<&Connections>,
) -> anyhow::Result<BTreeMap<String, Arc<dyn octet_backends::queue::Publisher>>> {
    let mut publishers: BTreeMap<String, Arc<dyn octet_backends::queue::Publisher>> = BTreeMap::new();
    let names = scenario.actions.iter().filter(|action| action.verb == Verb::Poison);
    for name in names.flat_map(|action| &action.processes) {
        let service = scenario.topology.services().iter().find(|service| service.name.as_str() == name);
        if let Some(queue) = service.and_then(|service| service.publishes.as_ref()) {
            let connections = connections.context("the queues are not known")?;
            publishers.insert(name.clone(), connections.queue.publisher(queue).await?);
        }
    }
    Ok(publishers)
}
