//! `octet scenario`: runs scenarios, checks them and lists them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use octet_runtime::environment::{Environment, ProcessEnvironment};

use super::{block_on, fault::authorization};
use crate::{
    cli::{Scenario, ScenarioRun},
    failure::Failure,
    output,
    scenario::{
        report,
        round::{self, Settings, Verdict},
        shipped,
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
        Scenario::List { directory } => {
            for (name, title) in shipped::list(directory.as_deref())? {
                output::line(format!("{name:<28} {title}"));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn play(arguments: &ScenarioRun) -> Result<ExitCode, Failure> {
    let scenario = shipped::read(&arguments.file)?;
    let mut environment = Environment::new(&ProcessEnvironment);
    let token = environment.secret("ADMIN_TOKEN");
    environment.finish(())?;
    let authorization = token.as_deref().map(authorization).transpose()?;
    let prometheus = arguments.prometheus.as_deref().map(|url| {
        let alerts = format!("{}/api/v1/alerts", url.trim_end_matches('/'));
        crate::http_client::parse(&alerts)
            .ok_or_else(|| Failure::Configuration(format!("--prometheus: {url:?} must be an http:// URL")))
    });
    let prometheus = prometheus.transpose()?;
    if let Some(directory) = &arguments.out {
        fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
    }
    let mut rounds = Vec::new();
    output::line(&scenario.title);
    for number in 1..=arguments.rounds {
        let kept = match (&arguments.data, &arguments.out) {
            (Some(data), _) if number == 1 => Some(data.clone()),
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
            prometheus: prometheus.clone(),
            authorization: authorization.clone(),
        };
        output::line(format!("round {number} of {}", arguments.rounds));
        let round = block_on(async { Ok(round::run(&scenario, &settings).await) })?;
        output::line(report::lines(&round));
        output::line(format!("round {number}: {}", round.verdict.word()));
        let interrupted = round.reason.as_deref() == Some("interrupted");
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

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Configuration(format!("cannot write {}: {error}", path.display()))
}
