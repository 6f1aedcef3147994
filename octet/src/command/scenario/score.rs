//! `octet scenario score`: grades a diagnosis.

use std::{fmt::Write as _, fs::File, io::Read, path::Path, process::ExitCode};

use crate::{
    cli::{Format, ScenarioScore},
    failure::Failure,
    output,
    scenario::score::{MAX_BYTES, Mark, Score, score},
};

/// Prints the grade, and returns the exit status: 0 if it is enough.
///
/// # Errors
/// [`Failure::Configuration`] if a file cannot be read or is wrong.
pub(super) fn run(arguments: &ScenarioScore) -> Result<ExitCode, Failure> {
    let (answer, report) = (text(&arguments.answer)?, text(&arguments.report)?);
    let score = score(&answer, &report, arguments.round).map_err(|problem| {
        let (file, problem) = match (problem.strip_prefix("answer: "), problem.strip_prefix("report: ")) {
            (Some(rest), _) => (&arguments.answer, rest),
            (_, Some(rest)) => (&arguments.report, rest),
            _ => (&arguments.answer, problem.as_str()),
        };
        Failure::Configuration(format!("{}: {problem}", file.display()))
    })?;
    match arguments.format {
        Format::Table => output::line(table(&score).trim_end()),
        Format::Json => output::line(serde_json::to_string_pretty(&score).map_err(anyhow::Error::new)?),
    }
    let is_enough = score.total * 100.0 + 1e-9 >= f64::from(arguments.pass);
    Ok(if is_enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads at most one byte more than a file may have.
fn text(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| Failure::Configuration(format!("{}: {error}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Failure::Configuration(format!(
            "{}: longer than {} MiB",
            path.display(),
            MAX_BYTES >> 20
        )));
    }
    Ok(text)
}

fn table(score: &Score) -> String {
    let mut text = String::new();
    for Mark { truth, points, claimed } in &score.marks {
        let claimed = claimed.as_ref().map_or_else(|| "not found".to_owned(), |at| format!("found at {at}"));
        let _ = writeln!(
            text,
            "{:>5.0} %  {} at {} from {:.1} s to {:.1} s: {claimed}",
            points * 100.0,
            truth.what,
            truth.at,
            truth.from,
            truth.until
        );
    }
    for wrong in &score.wrong {
        let _ = writeln!(text, "    0 %  did not take place: {wrong}");
    }
    let _ = writeln!(text, "score: {:.0} %", score.total * 100.0);
    text
}
