//! The arguments of `octet hydrate`.

use std::path::PathBuf;

use clap::Args;

use super::DEFAULT_DATA;

pub(super) const AFTER: &str = "\
Without --config and --connectors, every store of the topology is copied: to topics such as service-f.messages, as JSON \
lines.

Exit status:
  0   all rows that are final now are in the lake, or a signal ended --follow
  1   a source or a topic failed; the others are copied
  64  invalid arguments or configuration";

/// The arguments of `octet hydrate`.
#[derive(Debug, Clone, Args)]
pub struct Hydrate {
    /// Sources and sinks: a TOML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sources and sinks: JSON files of Kafka Connect's connectors
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "config")]
    pub connectors: Vec<PathBuf>,
    /// Copy the rows that are final now, then end; the default
    #[arg(long, conflicts_with = "follow")]
    pub once: bool,
    /// Copy new rows until a signal
    #[arg(long)]
    pub follow: bool,
    /// The lake, instead of that of the configuration
    #[arg(
        long,
        value_name = "URL",
        help = "The lake, instead of that of the configuration: file://DIRECTORY or s3://BUCKET/PREFIX"
    )]
    pub to: Option<String>,
    /// Data directory of the `octet up` whose stores are copied
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "connectors"])]
    pub data: Option<PathBuf>,
    /// A topology file to use instead of the built-in topology
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["config", "connectors"],
        help = "Topology file to use instead of the built-in topology [env: TOPOLOGY]"
    )]
    pub topology: Option<PathBuf>,
}

impl Hydrate {
    /// The arguments that name these sources.
    #[cfg(feature = "lake")]
    pub fn of_source(config: Option<PathBuf>, connectors: Vec<PathBuf>, to: &str) -> Self {
        let to = Some(to.to_owned());
        Self { config, connectors, once: true, follow: false, to, data: None, topology: None }
    }

    /// The lake where neither the command line nor the configuration names one.
    pub fn default_lake(&self) -> String {
        let data = self.data.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DATA));
        format!("file://{}", data.join("lake").display())
    }
}
