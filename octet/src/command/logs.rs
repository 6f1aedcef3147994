//! `octet logs NAME`: the log of one process.

use std::{fs, path::Path, time::Duration};

use octet_runtime::environment::{Environment, ProcessEnvironment};
use octet_topology::suggest;
use tokio::time::sleep;

use super::block_on;
use crate::{
    cli,
    failure::Failure,
    log_line, output,
    runner::{Tail, end_signal, log_of},
    terminal::Terminal,
};

/// The time between two reads.
const INTERVAL: Duration = Duration::from_millis(100);

/// Prints the last lines, and then what is written until Ctrl-C.
///
/// # Errors
/// [`Failure`] if there is no such log, or it cannot be read.
pub fn run(arguments: &cli::Logs) -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let terminal = Terminal::from_environment(&mut environment);
    environment.finish(())?;
    let path = log_of(&arguments.data, &arguments.name);
    let names = names(&arguments.data)?;
    if !names.contains(&arguments.name) {
        return Err(unknown(&arguments.name, &names, &arguments.data));
    }
    let lines = usize::try_from(arguments.lines).unwrap_or(usize::MAX);
    let unreadable =
        |error| Failure::Failed(anyhow::Error::new(error).context(format!("cannot read {}", path.display())));
    let (last, mut tail) =
        Tail::after_last(arguments.name.clone(), path.clone(), lines).map_err(unreadable)?;
    print(&last, terminal);
    if !arguments.follow {
        return Ok(());
    }
    block_on(async {
        let mut end = std::pin::pin!(end_signal());
        loop {
            // The file of a platform that starts again is another one for a moment.
            print(&tail.lines().unwrap_or_default(), terminal);
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = &mut end => return Ok(()),
            }
        }
    })
}

fn print(lines: &[String], terminal: Terminal) {
    for line in lines {
        if terminal.is_readable {
            output::line(log_line::readable(line, terminal));
        } else {
            output::line(line);
        }
    }
}

/// The processes that have a log.
fn names(data: &Path) -> Result<Vec<String>, Failure> {
    let directory = data.join("logs");
    let entries = fs::read_dir(&directory).map_err(|error| {
        Failure::Failed(anyhow::anyhow!(
            "no logs in {}: {error}; --data names another directory",
            directory.display()
        ))
    })?;
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log").map(str::to_owned));
    let mut names: Vec<_> = names.collect();
    names.sort();
    Ok(names)
}

fn unknown(name: &str, names: &[String], data: &Path) -> Failure {
    let suggestion = suggest(name, names.iter().map(String::as_str))
        .map(|name| format!("; did you mean {name:?}?"))
        .unwrap_or_default();
    Failure::Configuration(format!(
        "{name:?} has no log in {}; logs are {}{suggestion}",
        data.display(),
        names.join(", ")
    ))
}
