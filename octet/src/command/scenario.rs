//! `octet scenario`: runs scenarios, checks them and lists them.

mod list;
mod score;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use http::HeaderValue;
use octet_greeting::Connections;
use octet_runtime::{
    environment::{Environment, ProcessEnvironment},
    http_url::HttpUrl,
    lifeline,
};

use super::{block_on, fault::authorization};
use crate::{
    cli::{Scenario, ScenarioFormat, ScenarioRun},
    failure::Failure,
    output,
    scenario::{
        export,
        live::Live,
        mesh::{Place, from_environment},
        report,
        round::{self, INTERRUPTED, Settings, Verdict},
        schema, shipped, target,
    },
};

/// `EX_TEMPFAIL` of sysexits(3): it could not be judged.
const UNJUDGED: u8 = 75;

/// Runs the subcommand, and returns the exit status of the verdict.
///
/// # Errors
/// [`Failure::Configuration`] with every finding in a file, or if a report cannot be written.
pub fn run(action: &Scenario) -> Result<ExitCode, Failure> {
    match action {
        Scenario::Run(arguments) => play(arguments),
        Scenario::Check { files } => {
            let mut findings = Vec::new();
            for file in files {
                match shipped::read(file) {
                    Ok(_) => output::line(format!("{}: valid", file.display())),
                    Err(failure) => findings.push(failure.to_string()),
                }
            }
            if findings.is_empty() {
                Ok(ExitCode::SUCCESS)
            } else {
                Err(Failure::Configuration(findings.join("\n")))
            }
        }
        Scenario::Export { to, file } => {
            let exported = export::export(&shipped::read(file)?, *to);
            output::line(exported.text.trim_end());
            for missing in &exported.missing {
                output::error(format!("{}: not exported: {missing}", file.display()));
            }
            Ok(if exported.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Scenario::Score(arguments) => score::run(arguments),
        Scenario::Schema => {
            output::line(serde_json::to_string_pretty(&schema::schema()).map_err(anyhow::Error::new)?);
            Ok(ExitCode::SUCCESS)
        }
        Scenario::List(arguments) => list::run(arguments),
    }
}

fn play(arguments: &ScenarioRun) -> Result<ExitCode, Failure> {
    let scenario = shipped::read(&arguments.file)?;
    let mut environment = Environment::new(&ProcessEnvironment);
    let token = environment.secret("ADMIN_TOKEN");
    let has_lifeline = environment.text(lifeline::VARIABLE).is_some();
    environment.finish(())?;
    let authorization = token.as_deref().map(authorization).transpose()?;
    let prometheus = arguments.prometheus.as_deref().map(|url| {
        let alerts = format!("{}/api/v1/alerts", url.trim_end_matches('/'));
        crate::http_client::parse(&alerts)
            .ok_or_else(|| Failure::Configuration(format!("--prometheus: {url:?} must be an http:// URL")))
    });
    let prometheus = prometheus.transpose()?;
    let running = arguments
        .target
        .as_deref()
        .map(|url| place(arguments.into(), url, authorization.clone()))
        .transpose()?;
    if let Some(place) = &running {
        let refused = target::refusals(&scenario, place.connections.is_some());
        if !refused.is_empty() {
            let file = arguments.file.display();
            let lines: Vec<_> = refused.iter().map(|refused| format!("{file}: {refused}")).collect();
            return Err(Failure::Configuration(lines.join("\n")));
        }
    }
    if let Some(directory) = &arguments.out {
        fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
    }
    let mut rounds = Vec::new();
    let live = match arguments.format {
        ScenarioFormat::Table => Live::terminal(),
        ScenarioFormat::JsonLines => Live::json(&scenario, arguments.rounds),
    };
    live.line(&scenario.title);
    for number in 1..=arguments.rounds {
        let kept = match (&arguments.data, &arguments.out) {
            (Some(data), _) if number == 1 && running.is_none() => Some(data.clone()),
            (_, Some(out)) => Some(out.join(format!("round-{number}"))),
            _ => None,
        };
        let temporary = tempfile::tempdir()
            .map_err(|error| anyhow::Error::new(error).context("cannot create a directory"))?;
        let data = kept.unwrap_or_else(|| temporary.path().to_path_buf());
        let data = std::path::absolute(&data).map_err(|error| unwritable(&data, &error))?;
        let settings = Settings {
            data: &data,
            seed: arguments.seed,
            base_port: arguments.base_port,
            running: running.clone(),
            prometheus: prometheus.clone(),
            authorization: authorization.clone(),
            live: live.clone(),
            has_lifeline,
        };
        live.round(&scenario, number);
        live.line(format!("round {number} of {}", arguments.rounds));
        let round = block_on(async { Ok(round::run(&scenario, &settings).await) })?;
        live.line(report::lines(&round));
        live.line(format!("round {number}: {}", round.verdict.word()));
        let interrupted = round.reason.as_deref() == Some(INTERRUPTED);
        live.end(&scenario, &round);
        rounds.push(round);
        if interrupted {
            break;
        }
    }
    let verdict = rounds.iter().map(|round| round.verdict).max().unwrap_or(Verdict::Unjudged);
    if let Some(directory) = &arguments.out {
        let json = report::json(&scenario.title, verdict, &rounds);
        let json = serde_json::to_string_pretty(&json).map_err(anyhow::Error::new)?;
        for (name, text) in [
            ("report.json", json),
            ("report.md", report::markdown(&scenario.title, verdict, &rounds)),
            ("junit.xml", report::junit(&scenario.title, &rounds)),
        ] {
            let path: PathBuf = directory.join(name);
            fs::write(&path, text).map_err(|error| unwritable(&path, &error))?;
        }
    }
    Ok(match verdict {
        Verdict::Held => ExitCode::SUCCESS,
        Verdict::Broken => ExitCode::FAILURE,
        Verdict::Unjudged => ExitCode::from(UNJUDGED),
    })
}

/// What is known of the mesh of `--target` beside its URL.
#[derive(Clone, Copy)]
struct Known<'a> {
    data: Option<&'a Path>,
    allow_remote: bool,
}

impl<'a> From<&'a ScenarioRun> for Known<'a> {
    fn from(arguments: &'a ScenarioRun) -> Self {
        Self { data: arguments.data.as_deref(), allow_remote: arguments.allow_remote }
    }
}

/// The mesh of `--target`.
fn place(known: Known<'_>, url: &str, authorization: Option<HeaderValue>) -> Result<Place, Failure> {
    let invalid = || {
        Failure::Configuration(format!(
            "--target: {url:?} must be an http:// URL such as http://localhost:8080"
        ))
    };
    let url = HttpUrl::parse_http(url).ok_or_else(invalid)?.to_string();
    let connections = match known.data {
        Some(data) => Some(Connections::embedded(data)),
        None => from_environment()?,
    };
    let data = known.data.map(Path::to_path_buf);
    Ok(Place { url, allow_remote: known.allow_remote, data, connections, authorization })
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Configuration(format!("cannot write {}: {error}", path.display()))
}
