//! `octet audit`: counts documents and messages, and checks what answers claim.

mod telemetry;

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
    process::ExitCode,
};

use octet_greeting::Connections;
use octet_runtime::environment::{Environment, ProcessEnvironment};

use super::block_on;
use crate::{
    audit::{Answers, Audit, Gap, Overrides, Verdict, telemetry::TelemetryAudit},
    cli::{self, DEFAULT_DATA, Format},
    failure::Failure,
    output,
    runner::Recorded,
    topology_file,
    zipkin_api::ZipkinApi,
};

/// Gaps that are printed without `--ids`.
const EXAMPLES: usize = 3;

/// Audits, prints the report, and returns the exit status: 0 complete, 1 a gap or nothing to check.
///
/// # Errors
/// [`Failure`] when no report can be made.
pub fn run(arguments: &cli::Audit) -> Result<ExitCode, Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let file = topology_file::chosen(&mut environment, arguments.topology.as_deref());
    let connections = match &arguments.data {
        Some(directory) => Connections::embedded(directory),
        None => Connections::from_environment(&mut environment),
    };
    let overrides = Overrides::from_environment(&mut environment);
    environment.finish(())?;
    // `octet up` has recorded what the services ran with; the command line and the environment override that.
    let directory = arguments.data.as_deref().or_else(|| {
        let default = Path::new(DEFAULT_DATA);
        (connections == Connections::embedded(default)).then_some(default)
    });
    let recorded = directory.map(Recorded::read).unwrap_or_default();
    let mut environment = Environment::new(&recorded.variables);
    let overrides = overrides.or(Overrides::from_environment(&mut environment));
    environment.finish(())?;
    let topology = topology_file::read(file.or(recorded.topology).as_deref())?;
    if let (Some(traces), Some(file)) = (&arguments.traces, &arguments.answered) {
        let audit = TelemetryAudit::new(
            &topology,
            &overrides,
            ZipkinApi::at(traces)?,
            arguments.wait.unwrap_or_default(),
        );
        return telemetry::run(arguments, &audit, open(file)?);
    }
    let answers = arguments.answered.as_deref().map(open).transpose()?;
    let mut gaps = 0_usize;
    let mut examples = Vec::new();
    let mut on_gap = |gap: &Gap| {
        gaps += 1;
        match (arguments.ids, arguments.format) {
            (true, Format::Table) => output::line(gap.to_string()),
            (true, Format::Json) => output::line(gap.to_json().to_string()),
            (false, _) if examples.len() < EXAMPLES => examples.push(gap.to_string()),
            (false, _) => {}
        }
    };
    let report = block_on(async {
        let audit = Audit::open(&topology, &overrides, &connections, arguments.wait).await?;
        audit.run(answers, &mut on_gap).await
    })?;

    match arguments.format {
        Format::Table => {
            if arguments.ids && gaps > 0 {
                output::line("");
            }
            for example in &examples {
                output::line(example);
            }
            if gaps > examples.len() && !examples.is_empty() {
                output::line("… (--ids lists all gaps)");
            }
            if !examples.is_empty() {
                output::line("");
            }
            output::line(report.table());
        }
        Format::Json => {
            output::line(serde_json::to_string_pretty(&report.to_json()).map_err(anyhow::Error::new)?);
        }
    }
    Ok(match report.verdict() {
        Verdict::Complete => ExitCode::SUCCESS,
        Verdict::Gap | Verdict::Nothing => ExitCode::FAILURE,
    })
}

fn open(path: &Path) -> Result<Answers, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Answers::new("stdin", Box::new(BufReader::new(io::stdin()))));
    }
    let origin = path.display().to_string();
    let file =
        File::open(path).map_err(|error| Failure::Configuration(format!("--answered: {origin}: {error}")))?;
    Ok(Answers::new(origin, Box::new(BufReader::with_capacity(256 * 1024, file))))
}
