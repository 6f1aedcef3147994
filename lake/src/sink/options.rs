//! A sink's configuration: the keys of Kafka Connect's S3 sink, and a few of Octet's.

use std::time::Duration;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};

use super::{escape::Escape, partition::Partitioner};
use crate::{Findings, Keys, store::StoreOptions};

/// Octet's own keys, and the values they have for the files of Kafka Connect where these do not name them.
pub const CONNECT_DEFAULTS: [(&str, &str); 4] = [
    ("partition.field.keep", "true"),
    ("json.timestamps", "epoch"),
    ("partition.escape", "hive"),
    ("run.directory", "false"),
];

/// How a topic becomes objects.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkOptions {
    /// `s3://` and `s3.bucket.name`, if it is there.
    pub lake: Option<String>,
    /// How S3 is reached.
    pub store: StoreOptions,
    /// Records of a commit (`flush.size`). [`TopicWriter::commit`](super::TopicWriter::commit) cuts more than these.
    pub flush_size: usize,
    /// The longest time that rows wait for their commit (`rotate.schedule.interval.ms`).
    pub rotate: Duration,
    /// Instead of `topics` (`topics.dir`).
    pub(crate) directory: String,
    pub(crate) format: Format,
    pub(crate) partitioner: Partitioner,
    pub(crate) escape: Escape,
    /// Fields of the partitioner stay in the records.
    pub(crate) keep_fields: bool,
    /// Of the mode `bulk`.
    pub(crate) runs: Runs,
    /// Between topic, partition and offset.
    pub(crate) file_delimiter: String,
    /// Digits of the offset.
    pub(crate) offset_digits: usize,
    /// An interrupted commit's objects stay (`on.crash=keep`).
    pub(crate) keep_interrupted: bool,
    /// Rows without a place in the lake go to a file instead of stopping the topic (`errors.tolerance=all`).
    pub(crate) tolerate_errors: bool,
}

/// Where the runs of the mode `bulk` go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// Each into a directory of its own.
    Apart,
    /// One after the other, as the S3 sink has them.
    Together,
}

/// How an object is encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Format {
    Json { epoch_times: bool, gzip: bool },
    Parquet(Compression),
}

impl Format {
    /// As the S3 sink's.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Json { gzip: false, .. } => ".json",
            Self::Json { gzip: true, .. } => ".json.gz",
            Self::Parquet(Compression::GZIP(_)) => ".gz.parquet",
            Self::Parquet(Compression::SNAPPY) => ".snappy.parquet",
            Self::Parquet(Compression::ZSTD(_)) => ".zstd.parquet",
            Self::Parquet(_) => ".parquet",
        }
    }
}

impl Default for SinkOptions {
    /// JSON lines of 100 records, in `partition=0`.
    fn default() -> Self {
        Self {
            lake: None,
            store: StoreOptions::default(),
            flush_size: 100,
            rotate: Duration::from_mins(1),
            directory: "topics".to_owned(),
            format: Format::Json { epoch_times: false, gzip: false },
            partitioner: Partitioner::Default,
            escape: Escape::Hive,
            keep_fields: false,
            runs: Runs::Apart,
            file_delimiter: "+".to_owned(),
            offset_digits: 10,
            keep_interrupted: false,
            tolerate_errors: false,
        }
    }
}

impl SinkOptions {
    /// Takes the keys of a sink. What cannot be done as the keys say is an error.
    pub fn take(keys: &mut Keys, findings: &mut Findings) -> Self {
        let default = Self::default();
        let switch = [("true", true), ("false", false)];
        let options = Self {
            lake: keys.take("s3.bucket.name").map(|bucket| format!("s3://{bucket}")),
            store: store(keys, findings),
            flush_size: keys.number("flush.size", default.flush_size, 1..=100_000_000, findings),
            rotate: Duration::from_millis(keys.number(
                "rotate.schedule.interval.ms",
                60_000,
                100..=86_400_000,
                findings,
            )),
            directory: directory(keys, findings),
            format: format(keys, findings),
            partitioner: Partitioner::take(keys, findings),
            escape: keys.one_of(
                "partition.escape",
                default.escape,
                &[("hive", Escape::Hive), ("kafka", Escape::Kafka)],
                findings,
            ),
            keep_fields: keys.one_of("partition.field.keep", default.keep_fields, &switch, findings),
            runs: keys.one_of(
                "run.directory",
                default.runs,
                &[("true", Runs::Apart), ("false", Runs::Together)],
                findings,
            ),
            file_delimiter: delimiter(keys, findings),
            offset_digits: keys.number(
                "filename.offset.zero.pad.width",
                default.offset_digits,
                0..=20,
                findings,
            ),
            keep_interrupted: keys.one_of(
                "on.crash",
                default.keep_interrupted,
                &[("delete", false), ("keep", true)],
                findings,
            ),
            tolerate_errors: keys.one_of(
                "errors.tolerance",
                default.tolerate_errors,
                &[("none", false), ("all", true)],
                findings,
            ),
        };
        refuse(keys, findings);
        options
    }
}

/// Keys that say nothing that changes objects here, and keys whose other values would change data.
fn refuse(keys: &mut Keys, findings: &mut Findings) {
    for key in [
        // Octet writes objects in one piece and repeats commits by itself.
        "s3.part.size",
        "s3.part.retries",
        "s3.retry.backoff.ms",
        "s3.http.send.expect.continue",
        "s3.elastic.buffer.enable",
        "s3.elastic.buffer.init.capacity",
        "format.bytearray.extension",
        "enhanced.avro.schema.support",
        "schema.cache.size",
        "schemas.cache.config",
        "locale",
        "storage.class",
        // Every mode of compatibility is met: columns are added, and only wider types are accepted.
        "schema.compatibility",
        "schema.generator.class",
        // A database's rows have neither keys apart nor null records.
        "behavior.on.null.values",
    ] {
        keys.take(key);
    }
    let refused = [
        ("store.kafka.keys", "false", "rows of a database have no Kafka keys"),
        ("store.kafka.headers", "false", "rows of a database have no Kafka headers"),
        ("directory.delim", "/", "another delimiter of directories is not supported"),
        ("s3.object.tagging", "false", "objects are not tagged"),
    ];
    for (key, allowed, reason) in refused {
        if let Some(value) = keys.take(key).filter(|value| value != allowed) {
            findings.errors.push(format!("{}: {key}={value}: {reason}", keys.connector));
        }
    }
    if let Some(value) = keys.take("rotate.interval.ms").filter(|value| value != "-1") {
        findings.warnings.push(format!(
            "{}: rotate.interval.ms={value} is ignored: objects are cut by flush.size and rotate.schedule.interval.ms",
            keys.connector
        ));
    }
}

fn store(keys: &mut Keys, findings: &mut Findings) -> StoreOptions {
    if keys.take("s3.credentials.provider.class").is_some() {
        findings.warnings.push(format!(
            "{}: s3.credentials.provider.class is ignored: credentials come from AWS's variables and files",
            keys.connector
        ));
    }
    let credentials = keys.take("aws.access.key.id").zip(keys.take("aws.secret.access.key"));
    let key = keys.take("s3.sse.kms.key.id");
    let switch = [("true", Some(true)), ("false", Some(false))];
    StoreOptions {
        region: keys.take("s3.region"),
        endpoint: keys.take("store.url"),
        path_style: keys.one_of("s3.path.style.access.enabled", None, &switch, findings),
        credentials,
        encryption: keys.take("s3.ssea.name").filter(|name| !name.is_empty()).map(|name| (name, key)),
        storage_class: keys.take("s3.storage.class"),
    }
}

fn directory(keys: &mut Keys, findings: &mut Findings) -> String {
    let directory = keys.take("topics.dir").unwrap_or_else(|| "topics".to_owned());
    if directory.split('/').any(|part| matches!(part, "" | "." | "..") || part.starts_with('_')) {
        findings.errors.push(format!(
            "{}: topics.dir={directory}: its parts must not be empty, `.`, `..`, or begin with `_`",
            keys.connector
        ));
    }
    directory
}

fn delimiter(keys: &mut Keys, findings: &mut Findings) -> String {
    let delimiter = keys.take("file.delim").unwrap_or_else(|| "+".to_owned());
    let is_allowed =
        |byte: u8| matches!(byte, b'+' | b'-' | b'_' | b'.' | b'=' | b'~') || byte.is_ascii_alphanumeric();
    if delimiter.is_empty() || !delimiter.bytes().all(is_allowed) {
        findings
            .errors
            .push(format!("{}: file.delim={delimiter}: must be a character such as +", keys.connector));
    }
    delimiter
}

fn format(keys: &mut Keys, findings: &mut Findings) -> Format {
    let parquet = keys.one_of(
        "format.class",
        false,
        &[
            ("io.confluent.connect.s3.format.json.JsonFormat", false),
            ("io.confluent.connect.s3.format.parquet.ParquetFormat", true),
            ("json", false),
            ("parquet", true),
        ],
        findings,
    );
    let epoch_times = keys.one_of("json.timestamps", false, &[("rfc3339", false), ("epoch", true)], findings);
    let gzip = keys.one_of("s3.compression.type", false, &[("none", false), ("gzip", true)], findings);
    // The sink's level for gzip.
    keys.take("s3.compression.level");
    let codecs = [
        ("none", Compression::UNCOMPRESSED),
        ("gzip", Compression::GZIP(GzipLevel::default())),
        ("snappy", Compression::SNAPPY),
        ("zstd", Compression::ZSTD(ZstdLevel::default())),
    ];
    let codec = keys.one_of("parquet.codec", Compression::SNAPPY, &codecs, findings);
    match (parquet, gzip) {
        (false, gzip) => Format::Json { epoch_times, gzip },
        (true, false) => Format::Parquet(codec),
        (true, true) => {
            let message = "Parquet is compressed by parquet.codec, not by s3.compression.type";
            findings.errors.push(format!("{}: s3.compression.type=gzip: {message}", keys.connector));
            Format::Parquet(codec)
        }
    }
}
