//! The environment variables of each subcommand, for its help.
//!
//! The names are those that the subcommand's own settings read, recorded while they are read; what a variable means is in
//! docs/configuration.md alone.

use std::{cell::RefCell, collections::BTreeSet, ffi::OsString, fmt::Write as _};

use octet_collector::CollectorSettings;
use octet_gateway::GatewaySettings;
use octet_greeting::{Connections, ServiceSettings};
use octet_runtime::environment::{Environment, Lookup};
use octet_topology::Topology;

use crate::{audit::Overrides, command::hydrate::HydrateSettings, runner, terminal::Terminal, topology_file};

const REFERENCE: &str = include_str!("../../docs/configuration.md");

/// The subcommands that read variables.
pub const SUBCOMMANDS: [&str; 8] =
    ["up", "service", "gateway", "collector", "logs", "audit", "hydrate", "topology"];

/// Columns of the help.
const WIDTH: usize = 100;

/// An environment that records which variables are read.
#[derive(Default)]
struct Recorder(RefCell<BTreeSet<String>>);

impl Lookup for Recorder {
    fn get(&self, name: &str) -> Option<OsString> {
        self.0.borrow_mut().insert(name.to_owned());
        // The sampler's argument is read only where the sampler takes one.
        (name == "OTEL_TRACES_SAMPLER").then(|| "traceidratio".into())
    }
}

/// The variables that a subcommand reads, with the addresses of all services of the built-in topology.
pub fn read_by(subcommand: &str) -> BTreeSet<String> {
    let recorder = Recorder::default();
    let mut environment = Environment::new(&recorder);
    // The built-in topology is valid: a test parses it.
    let topology = Topology::built_in().ok();
    let service = |environment: &mut Environment<'_>| {
        topology_file::chosen(environment, None);
        ServiceSettings::from_environment(environment, topology.clone(), None);
        for service in topology.iter().flat_map(Topology::services) {
            ServiceSettings::from_environment(environment, topology.clone(), Some(service.name.as_str()));
        }
    };
    let gateway = |environment: &mut Environment<'_>| {
        topology_file::chosen(environment, None);
        GatewaySettings::from_environment(environment, topology.clone());
    };
    match subcommand {
        "up" => {
            service(&mut environment);
            gateway(&mut environment);
            CollectorSettings::from_environment(&mut environment);
            Terminal::from_environment(&mut environment);
        }
        "service" => service(&mut environment),
        "gateway" => gateway(&mut environment),
        "collector" => {
            CollectorSettings::from_environment(&mut environment);
        }
        "logs" => {
            Terminal::from_environment(&mut environment);
        }
        "audit" => {
            topology_file::chosen(&mut environment, None);
            Connections::from_environment(&mut environment);
            Overrides::from_environment(&mut environment);
        }
        "hydrate" => {
            topology_file::chosen(&mut environment, None);
            HydrateSettings::from_environment(&mut environment);
        }
        "topology" => {
            topology_file::chosen(&mut environment, None);
        }
        _ => {}
    }
    let mut names = recorder.0.into_inner();
    if subcommand == "up" {
        names.retain(|name| !runner::SET_FOR_EACH_PROCESS.contains(&name.as_str()));
    }
    names
}

/// A row of a table in the reference.
struct Row {
    names: Vec<&'static str>,
    /// The first cell, which may say more than names.
    title: String,
    meaning: String,
    default: String,
}

/// The rows of docs/configuration.md that describe variables.
fn rows() -> impl Iterator<Item = Row> {
    REFERENCE.lines().filter(|line| line.starts_with("| `")).filter_map(|line| {
        let mut cells = line.trim_start_matches("| ").trim_end_matches('|').split(" | ");
        let (title, meaning, default) = (cells.next()?, cells.next()?, cells.next().unwrap_or_default());
        let names = title.split('`').skip(1).step_by(2).collect();
        // A value starts a sentence as it is.
        let is_value = meaning.trim_start().starts_with('`');
        let meaning = if is_value { plain(meaning) } else { capitalized(&plain(meaning)) };
        Some(Row { names, title: plain(title), meaning, default: plain(default) })
    })
}

/// The names in the reference.
pub fn documented() -> BTreeSet<String> {
    let names = rows().flat_map(|row| row.names);
    names.filter(|name| !name.contains('<')).map(str::to_owned).collect()
}

/// The section of a subcommand's help.
pub fn section(subcommand: &str) -> String {
    let read = read_by(subcommand);
    let mut text = "Environment:".to_owned();
    for row in rows().filter(|row| row.names.iter().any(|name| read.contains(*name))) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {}", row.title);
        let default = default_of(subcommand, &row.default);
        let meaning = row.meaning + &default;
        for line in wrapped(meaning.trim(), WIDTH - 10) {
            let _ = write!(text, "\n          {line}");
        }
    }
    text
}

/// ` [default: …]`, of this subcommand where defaults differ.
fn default_of(subcommand: &str, default: &str) -> String {
    let own = default.split(", ").find_map(|part| part.strip_prefix(subcommand)?.strip_prefix(' '));
    match own.unwrap_or(default) {
        "" | "none" | "unset" => String::new(),
        default => format!(" [default: {default}]"),
    }
}

/// Markdown without its marks: backticks and links. In ASCII, as manual pages want it.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown.trim();
    while let Some((before, after)) = rest.split_once('[') {
        let Some((label, after)) = after.split_once("](") else { break };
        let Some((_, after)) = after.split_once(')') else { break };
        text.push_str(before);
        text.push_str(label);
        rest = after;
    }
    text.push_str(rest);
    text.replace('`', "").replace('…', "...")
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_has_the_variables_that_its_subcommand_reads_and_no_other() {
        let gateway = section("gateway");
        assert!(gateway.contains("\n  TRACE_QUERY_URL\n"), "{gateway}");
        assert!(gateway.contains("[default: 8080]"), "{gateway}");
        assert!(gateway.contains("\n          json or pretty"), "{gateway}");
        assert!(!gateway.contains("COLLECTOR_MEMORY"), "{gateway}");
        assert_eq!(section("topology").lines().filter(|line| line.starts_with("  T")).count(), 1);
        for name in SUBCOMMANDS {
            let section = section(name);
            assert!(section.lines().count() > 1, "{name}: {section}");
            assert!(section.lines().all(|line| line.len() <= WIDTH && line.is_ascii()), "{name}: {section}");
            assert!(!section.contains(['`', '[']) || section.contains("[default"), "{name}: {section}");
        }
        let up = section("up");
        assert!(up.contains("COLLECTOR_MEMORY") && up.contains("MONGO_CONN"), "{up}");
        assert!(!up.contains("\n  PORT\n"), "{up}");
    }

    #[test]
    fn markdown_becomes_plain_text() {
        assert_eq!(plain("`a=…` or [b](c.md#d), see [e](f)"), "a=... or b, see e");
        assert_eq!(plain("a [b"), "a [b");
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    }
}
