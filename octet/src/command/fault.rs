//! `octet fault`: sets, lists and clears the faults of a running `octet up`, signs those of a request, and renders them for
//! other tools.

mod render;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use http::Method;
use octet_fault::{Fault, duration_text, parse};
use octet_runtime::{
    environment::{Environment, ProcessEnvironment},
    faults::{FaultKey, MAX_PROOF},
};

use super::{block_on, data_option, find_run};
use crate::{cli, failure::Failure, http_client::ask, output};

/// Runs the subcommand. The exit status is 1 where a process did not do what was asked.
///
/// # Errors
/// [`Failure::Configuration`] for invalid faults; [`Failure::Failed`] if no `octet up` runs.
pub fn run(action: &cli::Fault) -> Result<ExitCode, Failure> {
    match action {
        cli::Fault::Put { faults, lasting, run } => {
            let text = faults.faults.join("\n");
            read(&text)?;
            let path = format!("/faults?for={}", duration_text(*lasting));
            for_each(&run.data, &Method::PUT, &path, &text, |_| "set".to_owned())
        }
        cli::Fault::List(run) => for_each(&run.data, &Method::GET, "/faults", "", shown),
        cli::Fault::Clear(run) => {
            for_each(&run.data, &Method::DELETE, "/faults", "", |_| "cleared".to_owned())
        }
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
    method: &Method,
    path: &str,
    body: &str,
    done: impl Fn(&str) -> String,
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
    // The collector serves no calls.
    let processes: Vec<_> = run.processes.iter().filter(|process| process.name != "collector").collect();
    let width = processes.iter().map(|process| process.name.len()).max().unwrap_or_default();
    block_on(async {
        let mut status = ExitCode::SUCCESS;
        for process in processes {
            let line = match ask(process.admin, method, path, body, token.as_deref()).await {
                Ok(answer) => done(&answer),
                Err(error) => {
                    status = ExitCode::FAILURE;
                    format!("failed: {error}")
                }
            };
            output::line(format!("{:width$}  {line}", process.name));
        }
        Ok(status)
    })
}

/// The faults of a process, each with its source, and how often it acted.
fn shown(answer: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
    let faults = answer.get("faults").and_then(serde_json::Value::as_array);
    let faults = faults.into_iter().flatten().map(|fault| {
        let text = |key: &str| fault.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let acted = fault.get("acted").and_then(serde_json::Value::as_u64).unwrap_or_default();
        let until = text("until");
        let until = if until.is_empty() { String::new() } else { format!(", until {until}") };
        format!("{} ({}{until}, acted {acted} times)", text("fault"), text("source"))
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
