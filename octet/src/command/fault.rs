//! `octet fault`: sets, lists and clears the faults of a running `octet up`, signs those of a request, and renders them for
//! other tools.

mod render;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use octet_fault::{Fault, duration_text, parse};
use octet_runtime::{
    admin::{AdminClient, FaultChange, FaultReport},
    environment::{Environment, ProcessEnvironment},
    faults::{FaultKey, MAX_PROOF},
};

use super::{block_on, data_option, find_run};
use crate::{cli, failure::Failure, output};

/// The longest time for one process.
const LIMIT: Duration = Duration::from_secs(5);

/// Runs the subcommand. The exit status is 1 where a process did not do what was asked.
///
/// # Errors
/// [`Failure::Configuration`] for invalid faults; [`Failure::Failed`] if no `octet up` runs.
pub fn run(action: &cli::Fault) -> Result<ExitCode, Failure> {
    match action {
        cli::Fault::Put { faults, lasting, run } => {
            let text = faults.faults.join("\n");
            read(&text)?;
            let change = FaultChange::Set { text, query: format!("for={}", duration_text(*lasting)) };
            for_each(&run.data, &change, |_| "set".to_owned())
        }
        cli::Fault::List(run) => for_each(&run.data, &FaultChange::None, shown),
        cli::Fault::Clear(run) => for_each(&run.data, &FaultChange::Clear, |_| "cleared".to_owned()),
        cli::Fault::Sign { faults, lasting } => sign(&faults.faults.join(";"), *lasting),
        cli::Fault::Render { faults, to } => {
            output::line(render::render(&read(&faults.faults.join("\n"))?, *to)?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn read(text: &str) -> Result<Vec<Fault>, Failure> {
    parse(text).map_err(|problems| Failure::Configuration(problems.to_string()))
}

/// Asks every process that has faults, and prints what each did.
fn for_each(
    data: &Path,
    change: &FaultChange,
    done: impl Fn(&[FaultReport]) -> String,
) -> Result<ExitCode, Failure> {
    let run = find_run(data)?.ok_or_else(|| {
        Failure::Failed(anyhow::anyhow!(
            "no `octet up` runs in {}; start one with `octet up{}`, or name its directory with --data",
            data.display(),
            data_option(data)
        ))
    })?;
    let mut environment = Environment::new(&ProcessEnvironment);
    let token = environment.secret("ADMIN_TOKEN");
    environment.finish(())?;
    let authorization = token.as_deref().map(authorization).transpose()?;
    let client = AdminClient::new(LIMIT);
    // The collector serves no calls.
    let processes: Vec<_> = run.processes.iter().filter(|process| process.name != "collector").collect();
    let width = processes.iter().map(|process| process.name.len()).max().unwrap_or_default();
    block_on(async {
        let mut status = ExitCode::SUCCESS;
        for process in processes {
            let line = match client.faults(process.admin, change, authorization.as_ref()).await {
                Ok(faults) => done(&faults),
                Err(error) => {
                    status = ExitCode::FAILURE;
                    format!("failed: {}", error.to_string().replace('\n', "; "))
                }
            };
            output::line(format!("{:width$}  {line}", process.name));
        }
        Ok(status)
    })
}

/// The header for admin servers with an `ADMIN_TOKEN`.
///
/// # Errors
/// [`Failure::Configuration`] for a token that no header can have.
pub(crate) fn authorization(token: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Failure::Configuration("ADMIN_TOKEN: must be visible ASCII".to_owned()))
}

/// The faults of a process, each with its source, and how often it acted.
fn shown(faults: &[FaultReport]) -> String {
    let faults = faults.iter().map(|FaultReport { fault, source, until, acted }| {
        let until = until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
        format!("{fault} ({source}{until}, acted {acted} times)")
    });
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() { "no faults".to_owned() } else { faults.join("; ") }
}

/// Prints the two headers of a request.
fn sign(text: &str, lasting: Duration) -> Result<ExitCode, Failure> {
    read(text)?;
    let mut environment = Environment::new(&ProcessEnvironment);
    let key = environment.secret("FAULT_KEY");
    let key = environment.finish(key)?.and_then(|key| FaultKey::new(&key));
    let key =
        key.ok_or_else(|| Failure::Configuration("FAULT_KEY: must be set, with 16 to 512 bytes".to_owned()))?;
    let proof = key.sign(text, SystemTime::now() + lasting.min(MAX_PROOF));
    output::line(format!("octet-fault: {text}\noctet-fault-proof: {proof}"));
    Ok(ExitCode::SUCCESS)
}
