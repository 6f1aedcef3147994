//! What each subcommand does and prints.

use std::process::ExitCode;

use octet_lake::{
    Lake, LakeError,
    inspect::{self, TopicSummary},
};

use crate::{
    cli::{self, LakeAddress, Offsets},
    failure::Failure,
    output,
};

pub(super) async fn run(action: &cli::Lake) -> Result<ExitCode, Failure> {
    match action {
        cli::Lake::Ls { lake, json } => {
            let topics = inspect::topics(&open(lake)?).await.map_err(failure)?;
            if *json {
                print_json(&topics)?;
            } else {
                table(&topics);
            }
        }
        cli::Lake::Latest { topic, key, order_by, lake } => {
            let lake = open(lake)?;
            let latest = inspect::latest(&lake, topic, key, order_by).await.map_err(failure)?;
            output::line(format!(
                "{} of {} rows in {}/{} ({} bytes)",
                latest.rows,
                latest.read,
                lake.address(),
                latest.key,
                latest.bytes
            ));
        }
        cli::Lake::Verify { topic, lake, deletes, key, config, connectors } => {
            let found = inspect::verify(&open(lake)?, topic).await.map_err(failure)?;
            for fault in &found.faults {
                output::error(format!("octet: {topic}: {fault}"));
            }
            output::line(format!(
                "{topic}: {} rows in {} objects, {} rows committed",
                found.rows, found.objects, found.expected
            ));
            if *deletes {
                let source = cli::Hydrate::of_source(config.clone(), connectors.clone(), &lake.to);
                list_deletes(lake, topic, key, &source).await?;
            }
            if !found.faults.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        cli::Lake::Offsets(Offsets::Show { topic, lake }) => {
            print_json(&inspect::summary(&open(lake)?, topic).await.map_err(failure)?)?;
        }
        cli::Lake::Offsets(Offsets::Reset { topic, lake }) => {
            inspect::reset(&open(lake)?, topic).await.map_err(failure)?;
            output::line(format!("{topic}: the next `octet hydrate` copies all rows again"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the keys whose rows are gone, one a line.
async fn list_deletes(
    lake: &LakeAddress,
    topic: &str,
    key: &[String],
    source: &cli::Hydrate,
) -> Result<(), Failure> {
    let mut jobs = super::super::hydrate::jobs(source).await?;
    let found = inspect::deletes(&open(lake)?, topic, key, &mut jobs).await.map_err(failure)?;
    for missing in &found.missing {
        let values: Vec<&str> = missing.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
        output::line(format!("deleted: {}", values.join(", ")));
    }
    output::line(format!(
        "{topic}: {} of {} keys are not in the source any more",
        found.missing.len(),
        found.keys
    ));
    Ok(())
}

fn open(address: &LakeAddress) -> Result<Lake, Failure> {
    Lake::open(&address.to).map_err(failure)
}

/// An unknown topic or column is the command line's fault.
fn failure(error: LakeError) -> Failure {
    match error {
        LakeError::Refused(_) | LakeError::Address { .. } => Failure::Configuration(error.to_string()),
        other => Failure::Failed(other.into()),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::new)?;
    output::line(text);
    Ok(())
}

fn table(topics: &[TopicSummary]) {
    let width = topics.iter().map(|topic| topic.topic.chars().count()).max().unwrap_or_default().max(5);
    output::line(format!("{:<width$} {:>9} {:>13} {:>12}  POSITION", "TOPIC", "OBJECTS", "BYTES", "ROWS"));
    for topic in topics {
        let position =
            topic.position.as_ref().map_or_else(|| "-".to_owned(), |position| position.0.to_string());
        output::line(format!(
            "{:<width$} {:>9} {:>13} {:>12}  {position}",
            topic.topic, topic.objects, topic.bytes, topic.rows
        ));
    }
}
