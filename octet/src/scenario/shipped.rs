//! Scenario files, and those that ship with the program.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use octet_topology::{Findings, MAX_BYTES, Topology};

use super::{file, model::Scenario};
use crate::failure::Failure;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../examples/scenarios/", $name, ".toml")))),+]
    };
}

/// The shipped scenarios by name.
const SCENARIOS: &[(&str, &str)] = shipped![
    "broker-away",
    "collapse",
    "collapse-cured-by-budget",
    "collector-away",
    "dead-leaf",
    "error-alert",
    "error-share-retried",
    "find-the-fault",
    "frozen-leaf",
    "no-alert",
    "overload",
    "poison-messages",
    "rolling-restart",
    "sick-replica",
    "slow-leaf",
    "slow-leaf-with-deadline",
    "store-away",
];

/// The topologies that they name.
const TOPOLOGIES: &[(&str, &str)] = shipped![
    "topologies/collapse",
    "topologies/collapse-with-budget",
    "topologies/leaf-with-deadline",
    "topologies/limited",
    "topologies/replicas",
    "topologies/retried",
];

/// Reads a file, or the shipped scenario of this name.
///
/// # Errors
/// [`Failure::Configuration`] with every finding.
pub(crate) fn read(path: &Path) -> Result<Scenario, Failure> {
    let name = path.to_str().unwrap_or_default();
    if !path.exists()
        && let Some((_, text)) = SCENARIOS.iter().find(|(shipped, _)| *shipped == name)
    {
        return Ok(parse(text, name)?);
    }
    let origin = path.display().to_string();
    let text = text(path).map_err(|error| {
        let hint = "; `octet scenario list` names the shipped scenarios";
        Failure::Configuration(format!("{origin}: {error}{hint}"))
    })?;
    let directory: PathBuf = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let topology = |file: &str| {
        let path = directory.join(file);
        let text = self::text(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        parsed(&text, &path.display().to_string())
    };
    Ok(file::parse(&text, &origin, &topology)?)
}

/// Reads the text of a scenario, whose topology is one of the shipped ones.
pub(crate) fn parse(text: &str, origin: &str) -> Result<Scenario, Findings> {
    file::parse(text, origin, &|file| {
        let found = TOPOLOGIES.iter().find(|(name, _)| file.strip_suffix(".toml") == Some(*name));
        let (_, text) = found.ok_or_else(|| format!("{file}: no such file"))?;
        parsed(text, file)
    })
}

fn parsed(text: &str, origin: &str) -> Result<(Topology, String), String> {
    let topology = Topology::parse(text, origin).map_err(|findings| findings.to_string())?;
    Ok((topology, text.to_owned()))
}

/// Reads at most one byte more than a file may have.
fn text(path: &Path) -> std::io::Result<String> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    File::open(path)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

/// The shipped scenarios, or the files in a directory, with their names.
///
/// # Errors
/// [`Failure::Configuration`] if a directory cannot be read, or a file in it is no scenario.
pub(crate) fn list(directory: Option<&Path>) -> Result<Vec<(String, Scenario)>, Failure> {
    let mut paths: Vec<PathBuf> = match directory {
        None => SCENARIOS.iter().map(|(name, _)| PathBuf::from(name)).collect(),
        Some(directory) => {
            let unreadable =
                |error: std::io::Error| Failure::Configuration(format!("{}: {error}", directory.display()));
            let entries = std::fs::read_dir(directory).map_err(unreadable)?;
            let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
            let is_toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
            paths.map_err(unreadable)?.into_iter().filter(is_toml).collect()
        }
    };
    paths.sort();
    paths.into_iter().map(|path| Ok((path.display().to_string(), read(&path)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_is_valid_and_documented() {
        const DOCUMENTATION: &str = include_str!("../../../docs/scenarios.md");
        for (name, _) in SCENARIOS {
            read(Path::new(name)).unwrap_or_else(|failure| panic!("{failure}"));
            assert!(DOCUMENTATION.contains(&format!("\n### {name}\n")), "docs/scenarios.md lacks {name}");
        }
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios");
        assert_eq!(list(Some(&directory)).unwrap().len(), SCENARIOS.len(), "all files are shipped");
    }
}
