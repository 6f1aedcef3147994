//! The connection string, validated, and shown without what must stay secret.

use std::{fmt, str::FromStr};

use futures_util::FutureExt;
use mongodb::options::{Acknowledgment, ClientOptions, ConnectionString, HostInfo, ServerAddress};

/// A MongoDB connection string that the driver takes: `mongodb://…` or `mongodb+srv://…`.
///
/// The defaults of options are `w=majority`, `readConcernLevel=majority`, `appName=octet`,
/// `maxPoolSize=32`, `minPoolSize=0`, `serverSelectionTimeoutMS=2000`, `heartbeatFrequencyMS=1000` and
/// `connectTimeoutMS=3000`. All others keep the driver's default, such as `retryWrites=true`.
///
/// `w=0` is refused, because an answer claims that the greeting was stored.
///
/// `Display` and `Debug` show scheme, hosts and replica set, but no credentials and no other option.
#[derive(Clone, PartialEq)]
pub struct MongoAddress {
    parsed: ConnectionString,
}

/// Why a connection string is refused: a short line that repeats no value of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MongoAddressError(String);

impl MongoAddress {
    /// The parsed string, credentials included.
    pub(super) fn connection_string(&self) -> &ConnectionString {
        &self.parsed
    }

    /// Whether the hosts are looked up in DNS (`mongodb+srv://`).
    pub(super) fn is_srv(&self) -> bool {
        matches!(self.parsed.host_info, HostInfo::DnsRecord(_))
    }

    /// The host, if the connection string contains only one: its name or address, and its port unless DNS is to provide
    /// that.
    pub fn only_host(&self) -> Option<(&str, Option<u16>)> {
        const DEFAULT_PORT: u16 = 27017;
        match &self.parsed.host_info {
            HostInfo::DnsRecord(host) => Some((host, None)),
            HostInfo::HostIdentifiers(hosts) => match hosts.as_slice() {
                [ServerAddress::Tcp { host, port }] => Some((host, Some(port.unwrap_or(DEFAULT_PORT)))),
                _ => None,
            },
            _ => None,
        }
    }
}

impl FromStr for MongoAddress {
    type Err = MongoAddressError;

    fn from_str(url: &str) -> Result<Self, MongoAddressError> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if !matches!(scheme, "mongodb" | "mongodb+srv") {
            return Err(fault("must start with mongodb:// or mongodb+srv://"));
        }
        let (before_options, options) = rest.split_once('?').unwrap_or((rest, ""));
        // The driver would read the text before the `?` as a host, and repeat it in its error.
        if options.contains('@') {
            return Err(fault("must have its ? and @ percent-encoded (%3F, %40), in the password too"));
        }
        if let Some((user_info, _)) = before_options.rsplit_once('@') {
            check_user_info(user_info)?;
        }

        let parsed = parse(url).map_err(|_| refused(url))?;
        let acknowledgment = parsed.write_concern.as_ref().and_then(|concern| concern.w.as_ref());
        if matches!(acknowledgment, Some(Acknowledgment::Nodes(0))) {
            return Err(fault("must not contain w=0: a write without acknowledgement may be lost"));
        }
        Ok(Self { parsed })
    }
}

impl fmt::Display for MongoAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_srv() { "mongodb+srv" } else { "mongodb" };
        let credentials = if self.parsed.credential.is_some() { "***@" } else { "" };
        let hosts = match &self.parsed.host_info {
            HostInfo::HostIdentifiers(hosts) => {
                hosts.iter().map(ServerAddress::to_string).collect::<Vec<_>>().join(",")
            }
            HostInfo::DnsRecord(host) => host.clone(),
            _ => "…".to_owned(),
        };
        write!(formatter, "{scheme}://{credentials}{hosts}")?;
        match &self.parsed.replica_set {
            Some(name) => write!(formatter, "/?replicaSet={name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for MongoAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MongoAddress({self})")
    }
}

fn fault(text: &str) -> MongoAddressError {
    MongoAddressError(text.to_owned())
}

/// Before the driver, which panics (3.9) on a `%` before part of a multi-byte character.
fn check_user_info(user_info: &str) -> Result<(), MongoAddressError> {
    let encoded = user_info.split('%').skip(1).all(|part| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit())
            && bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit())
    });
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    if encoded
        && !user.contains(['/', '@', '#', '[', ']'])
        && !password.contains([':', '/', '@', '#', '[', ']'])
    {
        return Ok(());
    }
    Err(fault(
        "must have its user name and password percent-encoded (@ is %40, : is %3A, / is %2F, % is %25)",
    ))
}

/// Parses, with the checks that the driver makes only when it creates a client. Makes no DNS lookup.
fn parse(url: &str) -> mongodb::error::Result<ConnectionString> {
    let parsed = ConnectionString::parse(url)?;
    let mut offline = parsed.clone();
    if let HostInfo::DnsRecord(host) = &parsed.host_info {
        let host = ServerAddress::Tcp { host: host.clone(), port: None };
        offline.host_info = HostInfo::HostIdentifiers(vec![host]);
    }
    // With hosts this does not wait.
    match ClientOptions::parse(offline).into_future().now_or_never() {
        Some(Err(error)) => Err(error),
        _ => Ok(parsed),
    }
}

/// Names the part at fault. The driver's text often repeats a value, which may be a secret.
fn refused(url: &str) -> MongoAddressError {
    let (before_options, options) = url.split_once('?').unwrap_or((url, ""));
    if ConnectionString::parse(before_options).is_err() {
        return fault("must have hosts like host:port, separated by commas, before any /database");
    }
    let options: Vec<&str> = options.split('&').collect();
    if options.iter().any(|option| !option.contains('=')) {
        return fault("must have options like name=value, separated by &");
    }
    // An option is at fault if the string is valid without it.
    let at_fault = (0..options.len()).find(|&left_out| {
        let rest = options.iter().enumerate().filter(|(number, _)| *number != left_out);
        let rest = rest.map(|(_, option)| *option).collect::<Vec<_>>().join("&");
        parse(&format!("{before_options}?{rest}")).is_ok()
    });
    let name = at_fault.and_then(|number| options.get(number)).and_then(|option| option.split('=').next());
    match name {
        Some(name) if is_name(name) && !before_options.contains(name) => {
            MongoAddressError(format!("has an invalid option: {name} (its name, or its value)"))
        }
        _ => fault("has invalid options, or a combination that is not allowed"),
    }
}

/// Names of options look like this; the rest of a wrongly encoded password may not.
fn is_name(name: &str) -> bool {
    name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests;
