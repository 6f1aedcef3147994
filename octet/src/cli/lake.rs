//! The arguments of `octet lake`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) const AFTER: &str = "\
Credentials, region and endpoint of S3 come from AWS's variables and files.

Exit status:
  0   done
  1   `verify` found a fault, or the lake cannot be read
  64  invalid arguments, or there is no such topic or column";

/// The subcommands of `octet lake`.
#[derive(Debug, Subcommand)]
pub enum Lake {
    /// List the topics: objects, bytes, rows and where each source continues
    Ls {
        /// The lake
        #[command(flatten)]
        lake: LakeAddress,
        /// Print JSON for programs instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Write the newest row of each key to processed/TOPIC/TOPIC.snappy.parquet
    Latest {
        /// The topic
        topic: String,
        /// Columns of the key
        #[arg(long, required = true, value_name = "COLUMNS", value_delimiter = ',')]
        key: Vec<String>,
        /// Column whose largest value is the newest row
        #[arg(long, value_name = "COLUMN")]
        order_by: String,
        /// The lake
        #[command(flatten)]
        lake: LakeAddress,
    },
    /// Read all objects of a topic, and compare them with the rows that were committed
    Verify {
        /// The topic
        topic: String,
        /// List the keys of rows that are not in the source any more
        #[arg(long, requires = "key")]
        deletes: bool,
        /// Columns of the key
        #[arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "deletes")]
        key: Vec<String>,
        /// The source, as for `octet hydrate`; the stores of the topology without it
        #[arg(long, value_name = "FILE", requires = "deletes")]
        config: Option<PathBuf>,
        /// The source, as for `octet hydrate`: JSON files of Kafka Connect's connectors
        #[arg(long, value_name = "FILE", num_args = 1.., requires = "deletes", conflicts_with = "config")]
        connectors: Vec<PathBuf>,
        /// The lake
        #[command(flatten)]
        lake: LakeAddress,
    },
    /// Show or reset where the source of a topic continues
    #[command(subcommand)]
    Offsets(Offsets),
}

/// The subcommands of `octet lake offsets`.
#[derive(Debug, Subcommand)]
pub enum Offsets {
    /// Print the state of a topic as JSON
    Show {
        /// The topic
        topic: String,
        /// The lake
        #[command(flatten)]
        lake: LakeAddress,
    },
    /// Copy all rows again, behind those that are there; no `octet hydrate` may write the topic
    Reset {
        /// The topic
        topic: String,
        /// The lake
        #[command(flatten)]
        lake: LakeAddress,
    },
}

/// Which lake.
#[derive(Debug, Clone, Args)]
pub struct LakeAddress {
    /// The lake
    #[arg(
        long,
        value_name = "URL",
        default_value = "file://.octet/lake",
        help = "The lake: file://DIRECTORY or s3://BUCKET/PREFIX"
    )]
    pub to: String,
}
