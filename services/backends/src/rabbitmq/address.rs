//! A broker's address and credentials: `amqp://` and `amqps://` URLs.

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;

/// A broker's address, from `amqp[s]://[user[:password]@]host[:port][/vhost][?parameters]`, as in RabbitMQ's URI
/// specification.
///
/// User, password, virtual host and the file's path are percent-decoded. The defaults are user and password `guest`,
/// port 5672 or, with TLS, 5671, and virtual host `/`. A lone trailing slash means the virtual host `/`, too: a virtual
/// host with an empty name, which the specification allows, does not exist in practice. The parameters are
/// `heartbeat` (seconds, 1 to 3600), `connection_timeout` (milliseconds, 1 to 60000) and, with TLS, `cacertfile` (a PEM
/// file with the only authorities to trust; by default the system's).
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

/// What is wrong with an address. It repeats no text of it: a part that looks like a port may be a password.
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
            return Err(AddressError("must not contain spaces or #; write them as %20 and %23"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
        let (user_info, host_and_port) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let (host, port) = host_and_port_of(host_and_port, scheme)?;
        let mut address = Self {
            scheme,
            user: decoded(user)?,
            password: decoded(password)?,
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
                let seconds =
                    within(value, 1..=3_600).ok_or(AddressError("heartbeat must be 1 to 3600 (seconds)"))?;
                self.heartbeat = Some(Duration::from_secs(seconds));
            }
            "connection_timeout" => {
                let milliseconds = within(value, 1..=60_000)
                    .ok_or(AddressError("connection_timeout must be 1 to 60000 (milliseconds)"))?;
                self.connection_timeout = Some(Duration::from_millis(milliseconds));
            }
            "cacertfile" if self.scheme == Scheme::Plain => {
                return Err(AddressError("cacertfile requires amqps://"));
            }
            "cacertfile" if value.is_empty() => {
                return Err(AddressError("cacertfile must be the path of a PEM file"));
            }
            "cacertfile" => self.authorities = Some(PathBuf::from(decoded(value)?)),
            _ => {
                return Err(AddressError(
                    "unknown parameter; known are heartbeat, connection_timeout and cacertfile",
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
    const BRACKETS: AddressError = AddressError("[ ] must contain an IPv6 address");
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
        return Err(AddressError("must contain a host"));
    }
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.:".contains(character);
    if !host.chars().all(plain) {
        return Err(AddressError(
            "the host must contain only letters, digits and -_.: ; in user and password, write @ : / ? # % as %40 %3A \
             %2F %3F %23 %25",
        ));
    }
    let port = match (port, scheme) {
        (None, Scheme::Plain) => 5672,
        (None, Scheme::Tls) => 5671,
        (Some(port), _) => within(port, 1..=65_535)
            .and_then(|port| u16::try_from(port).ok())
            .ok_or(AddressError("the port must be 1 to 65535"))?,
    };
    Ok((host.to_owned(), port))
}

fn virtual_host(text: &str) -> Result<String, AddressError> {
    if text.contains('/') {
        return Err(AddressError("the virtual host must not contain a slash; write it as %2F"));
    }
    let name = decoded(text)?;
    if name.len() > 255 {
        return Err(AddressError("the virtual host must have at most 255 bytes"));
    }
    Ok(if name.is_empty() { "/".to_owned() } else { name })
}

/// A whole number without a sign.
fn within(text: &str, allowed: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && allowed.contains(number))
}

fn decoded(text: &str) -> Result<String, AddressError> {
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_escape) {
        return Err(AddressError("% must be followed by two hexadecimal digits; write % as %25"));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| AddressError("percent-encoded text must be UTF-8"))?.into_owned())
}
