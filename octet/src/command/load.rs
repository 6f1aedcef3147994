//! `octet load`: sends load and reports what was answered; compares two reports.

use std::{fs, io::Write, path::Path, process::ExitCode};

use octet_load::{Comparison, Order, Plan, Report, Target, heading, row, run as run_load, summary};
use octet_runtime::{environment::Environment, environment::ProcessEnvironment, lifeline};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::block_on;
use crate::{
    cli::{Format, Load, LoadAction, LoadFormat},
    failure::Failure,
    output,
};

/// What the page's load gives way by.
const NICENESS: i32 = 10;

/// Sends load, or compares. Returns the exit status: 1 if no request succeeded.
///
/// # Errors
/// [`Failure`] if the target or a file is invalid.
pub fn run(arguments: &Load) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Some(LoadAction::Compare { before, after, format }) => compare(before, after, *format),
        None => load(arguments),
    }
}

fn load(arguments: &Load) -> Result<ExitCode, Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let has_lifeline = environment.text(lifeline::VARIABLE).is_some();
    environment.finish(())?;
    if has_lifeline {
        // The page's load shares the processors with the platform that it measures: where they are busy, requests wait here
        // and not at the gateway, which must serve the page meanwhile. A refusal only leaves the priority as it is.
        let _ = rustix::process::nice(NICENESS);
    }
    // Created before the load, so that an hour of it is not lost to a mistyped path.
    let file = arguments.output.as_deref().map(create).transpose()?;
    let report = block_on(async {
        let target = Target::resolve(&arguments.url, arguments.allow_remote)
            .await
            .map_err(|error| Failure::Configuration(error.to_string()))?;
        let plan = Plan {
            target,
            protocol: arguments.protocol.into(),
            users: arguments.users,
            rate: arguments.rate,
            duration: arguments.duration(),
            requests: arguments.requests,
            timeout: arguments.timeout,
        };
        let orders = orders(has_lifeline)?;
        if arguments.format == LoadFormat::Table {
            output::line(heading());
        }
        let mut shown = 0;
        let report = run_load(&plan, orders, |report| shown = show(report, arguments.format, shown)).await;
        let report = report.map_err(|error| anyhow::Error::new(error).context("cannot send load"))?;
        show(&report, arguments.format, shown);
        Ok(report)
    })?;

    let json = serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?;
    match arguments.format {
        LoadFormat::Table => output::line(format!("\n{}", summary(&report))),
        LoadFormat::Json => output::line(&json),
        LoadFormat::JsonLines => {}
    }
    if let (Some(mut file), Some(path)) = (file, &arguments.output) {
        writeln!(file, "{json}")
            .map_err(|error| anyhow::Error::new(error).context(format!("cannot write {}", path.display())))?;
    }
    Ok(if report.succeeded > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what is new since the last second, and returns how many seconds were printed.
fn show(report: &Report, format: LoadFormat, shown: usize) -> usize {
    match format {
        LoadFormat::Table => report.seconds.iter().skip(shown).for_each(|second| output::line(row(second))),
        LoadFormat::Json => {}
        LoadFormat::JsonLines => {
            // Numbers and text always have a JSON form.
            output::line(serde_json::to_string(report).unwrap_or_default());
        }
    }
    report.seconds.len()
}

/// The first SIGTERM or Ctrl-C stops the load, the second ends it at once, as does the end of the process that started it.
fn orders(has_lifeline: bool) -> Result<watch::Receiver<Order>, Failure> {
    let install =
        |kind| signal(kind).map_err(|error| anyhow::Error::new(error).context("cannot watch for signals"));
    let (mut terminate, mut interrupt) =
        (install(SignalKind::terminate())?, install(SignalKind::interrupt())?);
    let (order, orders) = watch::channel(Order::Run);
    tokio::spawn(async move {
        let ended = async {
            if has_lifeline {
                let _ = lifeline::ended().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(ended);
        for next in [Order::Stop, Order::Abort] {
            tokio::select! {
                _ = terminate.recv() => order.send_replace(next),
                _ = interrupt.recv() => order.send_replace(next),
                () = &mut ended => order.send_replace(Order::Abort),
            };
            if *order.borrow() == Order::Abort {
                break;
            }
        }
        order.closed().await;
    });
    Ok(orders)
}

fn compare(before: &Path, after: &Path, format: Format) -> Result<ExitCode, Failure> {
    let comparison = Comparison::new(&read(before)?, &read(after)?);
    output::line(match format {
        Format::Table => comparison.to_string(),
        Format::Json => serde_json::to_string_pretty(&comparison).map_err(anyhow::Error::new)?,
    });
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path) -> Result<fs::File, Failure> {
    fs::File::create(path)
        .map_err(|error| Failure::Configuration(format!("--output: {}: {error}", path.display())))
}

fn read(path: &Path) -> Result<Report, Failure> {
    let invalid = |error: String| Failure::Configuration(format!("{}: {error}", path.display()));
    let text = fs::read(path).map_err(|error| invalid(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| invalid(format!("not a report of `octet load`: {error}")))
}
