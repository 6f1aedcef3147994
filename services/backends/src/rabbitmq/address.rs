//! Where the broker is and who we are to it: `amqp://` and `amqps://` URLs.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, path::PathBuf, str::FromStr, time::Duration};

/// A broker's address, from `amqp[s]://[user[:password]@]host[:port][/vhost][?parameters]`, as in RabbitMQ's URI
/// specification.
///
/// User, password, virtual host and the file's path are percent-decoded. Without them: user and password
/// `guest`, port 5672 or, with TLS, 5671, virtual host `/`. A lone trailing slash means the virtual host `/` too
/// (the specification's virtual host with an empty name is not one that anybody has). The parameters are
/// `heartbeat` (seconds, 1 to 3600), `connection_timeout` (milliseconds, 1 to 60000) and, with TLS,
/// `cacertfile` (a PEM file with the only authorities to trust; else the system's).
///
/// `Debug` and `Display` show the password as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct RabbitAddress {
    pub(super) scheme: Scheme,
    pub(super) user: String,
    pub(super) password: String,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) vhost: String,
    pub(super) heartbeat: Option<Duration>,
    pub(super) connection_timeout: Option<Duration>,
    pub(super) authorities: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Plain,
    Tls,
}

/// What is wrong with an address, without any of its text: a part that looks like a port may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(&'static str);

impl RabbitAddress {
    /// The host's name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for RabbitAddress {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = scheme(url)?;
        if url.contains(|character: char| character.is_whitespace() || character == '#') {
            return Err(AddressError("must not hold spaces or #; write them %20 and %23"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
        let (user_info, host_and_port) = match authority.rsplit_once('@') {
            Some((user_info, host_and_port)) => (Some(user_info), host_and_port),
            None => (None, authority),
        };
        let (user, password) = match user_info {
            None => (Cow::Borrowed("guest"), Cow::Borrowed("guest")),
            Some(user_info) => {
                let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
                (decoded(user)?, decoded(password)?)
            }
        };
        let (host, port) = host_and_port_of(host_and_port, scheme)?;
        let mut address = Self {
            scheme,
            user: user.into_owned(),
            password: password.into_owned(),
            host,
            port,
            vhost: virtual_host(vhost)?,
            heartbeat: None,
            connection_timeout: None,
            authorities: None,
        };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            address.set(parameter)?;
        }
        Ok(address)
    }
}

impl RabbitAddress {
    fn set(&mut self, parameter: &str) -> Result<(), AddressError> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "heartbeat" => {
                let seconds = within(value, 1..=3_600)
                    .ok_or(AddressError("has a heartbeat that is not 1 to 3600 (seconds)"))?;
                self.heartbeat = Some(Duration::from_secs(seconds));
            }
            "connection_timeout" => {
                let milliseconds = within(value, 1..=60_000)
                    .ok_or(AddressError("has a connection_timeout that is not 1 to 60000 (milliseconds)"))?;
                self.connection_timeout = Some(Duration::from_millis(milliseconds));
            }
            "cacertfile" if self.scheme == Scheme::Plain => {
                return Err(AddressError("has a cacertfile, which only amqps:// uses"));
            }
            "cacertfile" if value.is_empty() => {
                return Err(AddressError("has an empty cacertfile; it must be the path of a PEM file"));
            }
            "cacertfile" => self.authorities = Some(PathBuf::from(decoded(value)?.into_owned())),
            _ => {
                return Err(AddressError(
                    "has an unknown parameter; known are heartbeat, connection_timeout and cacertfile",
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for RabbitAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Plain => "amqp",
            Scheme::Tls => "amqps",
        };
        let Self { user, host, port, vhost, .. } = self;
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(formatter, "{scheme}://{user}:***@{open}{host}{close}:{port}/{}", vhost.replace('/', "%2F"))
    }
}

impl fmt::Debug for RabbitAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RabbitAddress({self})")
    }
}

fn scheme(url: &str) -> Result<(Scheme, &str), AddressError> {
    let known = [("amqp://", Scheme::Plain), ("amqps://", Scheme::Tls)];
    known
        .into_iter()
        .find_map(|(prefix, scheme)| {
            let (start, rest) = url.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some((scheme, rest))
        })
        .ok_or(AddressError("must start with amqp:// or amqps://"))
}

fn host_and_port_of(text: &str, scheme: Scheme) -> Result<(String, u16), AddressError> {
    const BRACKETS: AddressError = AddressError("has a host that is no IPv6 address in its brackets");
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or(BRACKETS)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| BRACKETS)?;
            if !port.is_empty() && !port.starts_with(':') {
                return Err(BRACKETS);
            }
            (host, port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(AddressError("names no host"));
    }
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.:".contains(character);
    if !host.chars().all(plain) {
        return Err(AddressError(
            "has a host with characters that no host has; in user and password, write @ : / ? # % as %40 %3A %2F \
             %3F %23 %25",
        ));
    }
    let port = match (port, scheme) {
        (None, Scheme::Plain) => 5672,
        (None, Scheme::Tls) => 5671,
        (Some(port), _) => within(port, 1..=65_535)
            .and_then(|port| u16::try_from(port).ok())
            .ok_or(AddressError("has a port that is not 1 to 65535"))?,
    };
    Ok((host.to_owned(), port))
}

fn virtual_host(text: &str) -> Result<String, AddressError> {
    if text.contains('/') {
        return Err(AddressError("has a virtual host with a slash; write it %2F"));
    }
    let name = decoded(text)?;
    if name.len() > 255 {
        return Err(AddressError("has a virtual host of more than 255 bytes"));
    }
    Ok(if name.is_empty() { "/".to_owned() } else { name.into_owned() })
}

/// A whole number without a sign.
fn within(text: &str, allowed: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && allowed.contains(number))
}

fn decoded(text: &str) -> Result<Cow<'_, str>, AddressError> {
    const ESCAPES: AddressError =
        AddressError("has a % that no two hexadecimal digits follow; write % as %25");
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or(ESCAPES)?;
        let digits = std::str::from_utf8(digits).map_err(|_| ESCAPES)?;
        if digits.starts_with('+') {
            return Err(ESCAPES);
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| ESCAPES)?);
        rest = after;
    }
    let text = String::from_utf8(bytes).map_err(|_| AddressError("has %-escapes that are no UTF-8"))?;
    Ok(Cow::Owned(text))
}
