//! The directory of a record within its topic.

use std::{collections::HashMap, time::SystemTime};

use arrow_array::{Array, RecordBatch, cast::AsArray, types::TimestampMillisecondType};
use arrow_cast::{
    cast,
    display::{ArrayFormatter, FormatOptions},
};
use arrow_schema::{DataType, TimeUnit};

use super::{
    escape::Escape,
    time_path::{TimePath, zone},
};
use crate::{Findings, Keys, LakeError};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Partitioner {
    /// `partition=0`: a topic has one partition here.
    Default,
    Fields {
        fields: Vec<String>,
        /// `field=value` instead of `value`.
        with_names: bool,
    },
    Time {
        path: TimePath,
        clock: Clock,
        /// Milliseconds that the partitions' local time is ahead of UTC.
        zone: i64,
        /// Times are rounded down to multiples of these milliseconds.
        duration: i64,
    },
}

/// Whose time counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The commit's.
    Wall,
    /// A column's.
    Field(String),
}

/// The directories of the rows of a batch.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    pub(crate) names: Vec<String>,
    /// For each row the index of its name, or what is wrong with it. Empty: all rows have the one name.
    pub(crate) rows: Vec<Result<u32, Fault>>,
}

/// A row that has no directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) column: String,
    pub(crate) reason: &'static str,
}

impl Partitioner {
    /// Takes the keys of the partitioner.
    pub(crate) fn take(keys: &mut Keys, findings: &mut Findings) -> Self {
        const PACKAGE: &str = "io.confluent.connect.storage.partitioner.";
        let class = keys.take("partitioner.class").unwrap_or_default();
        let name = class.strip_prefix(PACKAGE).unwrap_or(&class).to_ascii_lowercase();
        let daily = "'year'=YYYY/'month'=MM/'day'=dd";
        let hourly = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH";
        match name.strip_suffix("partitioner").unwrap_or(&name) {
            "" | "default" => Self::Default,
            "field" => Self::fields(keys, findings),
            "daily" => Self::time(keys, findings, Some((daily, 86_400_000))),
            "hourly" => Self::time(keys, findings, Some((hourly, 3_600_000))),
            "timebased" => Self::time(keys, findings, None),
            _ => {
                findings.errors.push(format!(
                    "{}: partitioner.class={class}: must be DefaultPartitioner, FieldPartitioner, TimeBasedPartitioner, \
                     DailyPartitioner or HourlyPartitioner",
                    keys.connector
                ));
                Self::Default
            }
        }
    }

    fn fields(keys: &mut Keys, findings: &mut Findings) -> Self {
        let fields = keys.list("partition.field.name");
        if fields.is_empty() {
            findings.errors.push(format!(
                "{}: partition.field.name: the FieldPartitioner needs the names of columns",
                keys.connector
            ));
        }
        let switch = [("true", true), ("false", false)];
        Self::Fields {
            fields,
            with_names: keys.one_of("partition.field.format.path", true, &switch, findings),
        }
    }

    /// `fixed`: the pattern and the duration of the Daily and the `HourlyPartitioner`.
    fn time(keys: &mut Keys, findings: &mut Findings, fixed: Option<(&str, i64)>) -> Self {
        let (given, duration) =
            (keys.take("path.format"), keys.number("partition.duration.ms", -1, -1..=i64::MAX, findings));
        let (pattern, duration) = match fixed {
            Some((pattern, duration)) => (pattern.to_owned(), duration),
            None => (given.unwrap_or_default(), duration),
        };
        let mut fault = |key: &str, value: &str, reason: &str| {
            findings.errors.push(format!("{}: {key}={value}: {reason}", keys.connector));
        };
        if duration < 1 {
            fault(
                "partition.duration.ms",
                &duration.to_string(),
                "the TimeBasedPartitioner needs milliseconds",
            );
        }
        let path = TimePath::parse(&pattern).unwrap_or_else(|reason| {
            fault("path.format", &pattern, &reason);
            TimePath::default()
        });
        let name = keys.take("timezone").unwrap_or_else(|| "UTC".to_owned());
        let zone = zone(&name).unwrap_or_else(|| {
            findings.errors.push(format!(
                "{}: timezone={name}: must be UTC or an offset such as +02:00",
                keys.connector
            ));
            0
        });
        Self::Time { path, clock: Clock::take(keys, findings), zone, duration: duration.max(1) }
    }

    /// Columns that the directories hold.
    pub(crate) fn columns(&self) -> &[String] {
        match self {
            // A value without its column's name cannot be read back.
            Self::Fields { fields, with_names: true } => fields,
            _ => &[],
        }
    }

    /// The directories of the rows of `batch`, which a commit at `now` writes.
    pub(crate) fn directories(
        &self,
        batch: &RecordBatch,
        escape: Escape,
        now: SystemTime,
    ) -> Result<Directories, LakeError> {
        match self {
            Self::Default => Ok(Directories { names: vec!["partition=0".to_owned()], rows: Vec::new() }),
            Self::Fields { fields, with_names } => by_fields(batch, fields, *with_names, escape),
            Self::Time { path, clock, zone, duration } => {
                let directory = |millis: i64| path.format((millis + zone).div_euclid(*duration) * duration);
                match clock {
                    Clock::Wall => {
                        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                        let name = directory(i64::try_from(since.as_millis()).unwrap_or(0));
                        Ok(Directories { names: name.into_iter().collect(), rows: Vec::new() })
                    }
                    Clock::Field(column) => by_time(batch, column, directory),
                }
            }
        }
    }
}

impl Clock {
    fn take(keys: &mut Keys, findings: &mut Findings) -> Self {
        let extractor = keys.take("timestamp.extractor").unwrap_or_else(|| "Wallclock".to_owned());
        let field = keys.take("timestamp.field").unwrap_or_else(|| "timestamp".to_owned());
        match extractor.as_str() {
            // The JDBC source's records have the time at which they were read.
            "Wallclock" | "Record" => Self::Wall,
            "RecordField" => Self::Field(field),
            _ => {
                findings.errors.push(format!(
                    "{}: timestamp.extractor={extractor}: must be Wallclock, Record or RecordField",
                    keys.connector
                ));
                Self::Wall
            }
        }
    }
}

/// Gives equal names equal indices.
#[derive(Default)]
struct Interner {
    indices: HashMap<String, u32>,
    names: Vec<String>,
}

impl Interner {
    fn index(&mut self, name: String) -> u32 {
        if let Some(index) = self.indices.get(&name) {
            return *index;
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.clone());
        self.indices.insert(name, index);
        index
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, LakeError> {
    let column = batch.column_by_name(name).ok_or_else(|| {
        LakeError::Refused(format!("the partitioner's column {name} is not among the records' columns"))
    })?;
    if column.data_type().is_nested() || column.data_type().is_binary() {
        return Err(LakeError::Refused(format!(
            "the column {name} cannot be a partition: its type is {}",
            column.data_type()
        )));
    }
    Ok(column)
}

fn by_fields(
    batch: &RecordBatch,
    fields: &[String],
    with_names: bool,
    escape: Escape,
) -> Result<Directories, LakeError> {
    let options = FormatOptions::new();
    let mut columns = Vec::new();
    for field in fields {
        let array = column(batch, field)?;
        columns.push((field, array, ArrayFormatter::try_new(array, &options)?));
    }
    let (mut names, mut rows) = (Interner::default(), Vec::with_capacity(batch.num_rows()));
    for row in 0..batch.num_rows() {
        let mut name = String::new();
        let mut fault = None;
        for (field, array, formatter) in &columns {
            let value = (!array.is_null(row)).then(|| formatter.value(row).try_to_string()).transpose()?;
            let value = escape.value(value.as_deref());
            if !name.is_empty() {
                name.push('/');
            }
            let start = name.len();
            if with_names {
                name.push_str(field);
                name.push('=');
            }
            name.push_str(&value);
            fault = fault.or_else(|| check(field, name.get(start..).unwrap_or_default()));
        }
        rows.push(match fault {
            Some(fault) => Err(fault),
            None => Ok(names.index(name)),
        });
    }
    Ok(Directories { names: names.names, rows })
}

/// Only values that stand in names unchanged can be wrong, or very long ones.
fn check(column: &str, directory: &str) -> Option<Fault> {
    let fault = |reason| Some(Fault { column: column.to_owned(), reason });
    if directory.len() > 255 {
        return fault("the value makes a directory name of more than 255 bytes");
    }
    let is_bad = |part: &str| matches!(part, "" | "." | "..") || part.chars().any(|c| c.is_ascii_control());
    if directory.split('/').any(is_bad) {
        return fault("the value cannot be a directory name: use partition.escape=hive");
    }
    None
}

fn by_time(
    batch: &RecordBatch,
    name: &str,
    directory: impl Fn(i64) -> Option<String>,
) -> Result<Directories, LakeError> {
    let times = cast(column(batch, name)?, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
    let times = times.as_primitive::<TimestampMillisecondType>();
    let fault = |reason| Fault { column: name.to_owned(), reason };
    let mut names = Interner::default();
    let rows = times
        .iter()
        .map(|time| {
            let time = time.ok_or_else(|| fault("the partitioner's timestamp is null or not a timestamp"))?;
            let directory = directory(time).ok_or_else(|| fault("the year is out of range"))?;
            Ok(names.index(directory))
        })
        .collect();
    Ok(Directories { names: names.names, rows })
}
