//! Configuration: every variable is parsed before a port is bound, and all faults are reported together.

use std::{collections::BTreeMap, ffi::OsString, fmt, fs::File, io::Read, ops::RangeInclusive, path::Path};

/// Bytes of the largest file that a `_FILE` variable may name.
const MAX_FILE: u64 = 64 * 1024;

/// The source of variables: the process's environment, or a map in a test.
pub trait Lookup {
    /// The raw value, or `None` when the variable is not set.
    fn get(&self, name: &str) -> Option<OsString>;
}

/// The environment the process was started with.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Lookup for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

impl Lookup for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<OsString> {
        self.get(name).map(OsString::from)
    }
}

/// One invalid setting: the variable, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    variable: String,
    problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
    }
}

/// Every fault of a configuration, in the order in which the variables were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Reads variables and collects their faults.
///
/// A reading method returns the default where the value is invalid, so that parsing continues with the next variable;
/// [`Environment::finish`] then fails with all faults. An empty value counts as unset, as in OpenTelemetry's
/// specification.
pub struct Environment<'a> {
    lookup: &'a dyn Lookup,
    faults: Vec<Fault>,
}

impl<'a> Environment<'a> {
    /// Reads from `lookup`.
    pub fn new(lookup: &'a dyn Lookup) -> Self {
        Self { lookup, faults: Vec::new() }
    }

    /// The value without surrounding whitespace; `None` where it is unset or empty.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.lookup.get(name)?.into_string() {
            Ok(value) if value.trim().is_empty() => None,
            Ok(value) => Some(value.trim().to_owned()),
            Err(_) => {
                self.fault(name, "is not valid UTF-8");
                None
            }
        }
    }

    /// A value from the variable, or from the file that the variable with the suffix `_FILE` names, as orchestrators mount
    /// secrets: text of up to 64 KiB, without surrounding whitespace.
    pub fn secret(&mut self, name: &str) -> Option<String> {
        let value = self.text(name);
        let variable = format!("{name}_FILE");
        let Some(file) = self.text(&variable) else { return value };
        if value.is_some() {
            self.fault(variable, format!("must not be set together with {name}"));
            return value;
        }
        match read_secret(Path::new(&file)) {
            Ok(secret) => Some(secret),
            Err(problem) => {
                self.fault(variable, problem);
                None
            }
        }
    }

    /// The parsed value; `None` when unset or invalid.
    ///
    /// `allowed` completes the sentence "must be …". The fault repeats the value unless it may hold a password.
    pub fn optional<T, E>(
        &mut self,
        name: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.text(name)?;
        let parsed = parse(&value).ok();
        if parsed.is_none() {
            self.fault(
                name,
                match repeated(name, &value) {
                    Some(value) => format!("must be {allowed}, but is {value}"),
                    None => format!("must be {allowed}"),
                },
            );
        }
        parsed
    }

    /// As [`Environment::optional`], with a default for when the variable is unset or invalid.
    pub fn or<T, E>(
        &mut self,
        name: &str,
        allowed: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        self.optional(name, allowed, parse).unwrap_or(default)
    }

    /// A duration such as `500ms`, `3s` or `1m 30s`, up to `max`.
    pub fn duration(
        &mut self,
        name: &str,
        default: std::time::Duration,
        max: std::time::Duration,
    ) -> std::time::Duration {
        let allowed = format!("a duration such as 500ms or 3s, at most {}", humantime::format_duration(max));
        self.or(name, &allowed, default, |text| {
            humantime::parse_duration(text).ok().filter(|duration| *duration <= max).ok_or(())
        })
    }

    /// A size in bytes such as `67108864`, `64KiB`, `64MiB` or `2GiB`, within `range`, which `allowed` describes
    /// (`from 1MiB to 16GiB`).
    pub fn size(&mut self, name: &str, default: usize, range: RangeInclusive<usize>, allowed: &str) -> usize {
        let allowed = format!("a size {allowed}, such as 64MiB or 67108864");
        self.or(name, &allowed, default, |text| size(text).filter(|bytes| range.contains(bytes)).ok_or(()))
    }

    /// A whole number within `range`.
    pub fn number(&mut self, name: &str, default: usize, range: RangeInclusive<usize>) -> usize {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.or(name, &allowed, default, |text| {
            text.parse().ok().filter(|number| range.contains(number)).ok_or(())
        })
    }

    /// Adds a fault that the caller found itself; once, where several settings read one variable.
    pub fn fault(&mut self, variable: impl Into<String>, problem: impl Into<String>) {
        let fault = Fault { variable: variable.into(), problem: problem.into() };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// The configuration, if there are no faults.
    ///
    /// # Errors
    /// Every fault since [`Environment::new`].
    pub fn finish<T>(self, settings: T) -> Result<T, Faults> {
        if self.faults.is_empty() { Ok(settings) } else { Err(Faults(self.faults)) }
    }
}

/// The parts of the names of variables whose values may hold a password or a token.
const SECRET: [&str; 8] = ["ATTRIBUTES", "CONN", "HEADERS", "KEY", "PASSWORD", "SECRET", "TOKEN", "USER"];

/// Characters of the longest value that is repeated whole.
const MAX_REPEATED: usize = 80;

/// The value in quotes, for a fault; `None` if it may hold a password or a token, be it in the wrong variable.
fn repeated(name: &str, value: &str) -> Option<String> {
    if SECRET.iter().any(|part| name.contains(part)) || value.contains(['@', '=']) || !is_plain_url(value) {
        return None;
    }
    Some(match value.char_indices().nth(MAX_REPEATED) {
        None => format!("{value:?}"),
        Some((end, _)) => format!("{:?}…", value.get(..end).unwrap_or_default()),
    })
}

/// Whether a value is no URL, or one that consists of a scheme, a host, perhaps a port, and a path.
fn is_plain_url(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return true };
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    // `user:password`, cut off in front of its `@`, looks like a host with a port.
    !rest.contains(['?', '#', '%']) && port.bytes().all(|byte| byte.is_ascii_digit() || byte == b']')
}

fn size(text: &str) -> Option<usize> {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(number.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.trim_end().parse::<usize>().ok()?.checked_mul(unit)
}

fn read_secret(file: &Path) -> Result<String, String> {
    let mut secret = String::new();
    let read = File::open(file).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut secret));
    match read.map(u64::try_from) {
        Err(error) => Err(format!("file cannot be read: {error}")),
        Ok(Ok(0..=MAX_FILE)) if !secret.trim().is_empty() => Ok(secret.trim().to_owned()),
        Ok(Ok(0..=MAX_FILE)) => Err("file is empty".to_owned()),
        Ok(_) => Err("file exceeds 64 KiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn set(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_fault_is_reported_at_once_and_names_its_variable() {
        let variables = set(&[("FIRST", "x"), ("SECOND", "y"), ("THIRD", "3")]);
        let mut environment = Environment::new(&variables);
        environment.or("FIRST", "a whole number", 1, str::parse::<u8>);
        environment.duration("SECOND", Duration::ZERO, Duration::from_mins(1));
        let third = environment.or("THIRD", "a whole number", 1, str::parse::<u8>);

        let faults = environment.finish(()).expect_err("two faults");
        assert_eq!(third, 3);
        assert_eq!(
            faults.to_string(),
            "FIRST: must be a whole number, but is \"x\"\n\
             SECOND: must be a duration such as 500ms or 3s, at most 1m, but is \"y\""
        );
    }

    #[test]
    fn a_size_is_parsed_with_its_unit_and_checked_against_its_range() {
        const MIB: usize = 1024 * 1024;
        let read = |text: &str| {
            let variables = set(&[("SIZE", text)]);
            let mut environment = Environment::new(&variables);
            let size = environment.size("SIZE", 7, MIB..=16 * 1024 * MIB, "from 1MiB to 16GiB");
            environment.finish(size).map_err(|faults| faults.to_string())
        };
        for (text, bytes) in
            [("1048576", MIB), ("64MiB", 64 * MIB), ("2 GiB", 2048 * MIB), ("2048KiB", 2 * MIB), ("", 7)]
        {
            assert_eq!(read(text), Ok(bytes), "{text}");
        }
        for text in ["MiB", "64MB", "-1MiB", "1KiB", "17GiB", "99999999999999999999GiB", "1.5GiB"] {
            let fault = read(text).expect_err(text);
            assert_eq!(
                fault,
                format!(
                    "SIZE: must be a size from 1MiB to 16GiB, such as 64MiB or 67108864, but is {text:?}"
                )
            );
        }
    }

    #[test]
    fn an_empty_value_counts_as_unset() {
        let variables = set(&[("NAME", "  ")]);
        let mut environment = Environment::new(&variables);
        assert_eq!(environment.or("NAME", "a whole number", 7, str::parse::<u8>), 7);
        assert_eq!(environment.finish(()), Ok(()));
    }

    #[test]
    fn a_fault_repeats_the_value_unless_it_may_hold_a_secret() {
        let fault = |name: &str, value: &str| {
            let variables = set(&[(name, value)]);
            let mut environment = Environment::new(&variables);
            environment.optional(name, "an address", |_| Err::<(), _>(()));
            environment.finish(()).expect_err("one fault").to_string()
        };
        for (name, value) in [
            ("LOG_LEVEL", "loud"),
            ("TRACE_QUERY_URL", "zipkin:9411"),
            ("TRACE_QUERY_URL", "https://zipkin:9411/path"),
            ("TRACE_QUERY_URL", "https://[::1]:9411"),
            ("GREETING", "two\nlines"),
        ] {
            assert_eq!(fault(name, value), format!("{name}: must be an address, but is {value:?}"));
        }
        let long = fault("QUEUE_NAME", &"é".repeat(1_000));
        assert_eq!(long, format!("QUEUE_NAME: must be an address, but is \"{}\"…", "é".repeat(80)));
        for (name, value) in [
            ("CONN", "hunter2"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
            ("ADMIN_TOKEN", "hunter2"),
            ("STORE_URL", "mongodb://user:hunter2@db"),
            ("STORE_URL", "mongodb://user:hunter2"),
            ("TRACE_QUERY_URL", "http://zipkin/?token=hunter2"),
            ("TRACE_QUERY_URL", "http://zipkin/#hunter2"),
            ("SERVICE_B_URL", "user:hunter2@b"),
            ("LOG_LEVEL", "password=hunter2"),
        ] {
            assert_eq!(fault(name, value), format!("{name}: must be an address"), "{value}");
        }
    }
}
