//! `jdbc:postgresql://…` and `postgresql://…`: the same address, with the JDBC driver's parameters.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use percent_encoding::percent_decode_str;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// How much of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing: `require` and `prefer`.
    Anything,
    /// Its chain: `verify-ca`.
    Chain,
    /// Its chain and its name: `verify-full`.
    Name,
}

/// Where a database is, and how it is reached. `Display` and `Debug` contain no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    config: Config,
    trust: Trust,
    root_certificate: Option<PathBuf>,
}

/// Parameters of the JDBC driver that change nothing here.
const WITHOUT_EFFECT: [&str; 14] = [
    "ApplicationName",
    "application_name",
    "assumeMinServerVersion",
    "binaryTransfer",
    "defaultRowFetchSize",
    "gssEncMode",
    "loggerLevel",
    "preferQueryMode",
    "prepareThreshold",
    "readOnly",
    "reWriteBatchedInserts",
    "socketTimeout",
    "stringtype",
    "tcpKeepAlive",
];

impl PostgresAddress {
    /// Parses an address. The second value lists parameters without effect.
    ///
    /// # Errors
    /// What is wrong, without the address itself, which may contain a password.
    pub fn parse(url: &str) -> Result<(Self, Vec<String>), String> {
        let rest = url.strip_prefix("jdbc:").unwrap_or(url);
        let rest = rest.strip_prefix("postgresql://").or_else(|| rest.strip_prefix("postgres://"));
        let rest = rest.ok_or("must begin with jdbc:postgresql://HOST or postgresql://HOST")?;
        let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
        let base = format!("postgresql://{base}");
        let config =
            Config::from_str(&base).map_err(|_| "must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE")?;
        let mut address = Self { config, trust: Trust::Anything, root_certificate: None };
        let mut without_effect = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let decoded = percent_decode_str(value).decode_utf8();
            let value = decoded.map_err(|_| format!("{name} is not UTF-8"))?;
            if !address.set(name, &value)? {
                without_effect.push(name.to_owned());
            }
        }
        if address.config.get_hosts().is_empty() {
            return Err("must name a host".to_owned());
        }
        Ok((address, without_effect))
    }

    /// Sets the user and the password, where they are not in the address.
    pub fn set_login(&mut self, user: Option<&str>, password: Option<&str>) {
        if let Some(user) = user {
            self.config.user(user);
        }
        if let Some(password) = password {
            self.config.password(password);
        }
        if self.config.get_dbname().is_none() {
            let name = self.config.get_user().unwrap_or("postgres").to_owned();
            self.config.dbname(name);
        }
    }

    /// Whether the address, or a call of [`set_login`](Self::set_login), names a user.
    pub fn has_user(&self) -> bool {
        self.config.get_user().is_some()
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn trust(&self) -> Trust {
        self.trust
    }

    pub(super) fn root_certificate(&self) -> Option<&Path> {
        self.root_certificate.as_deref()
    }

    fn set(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "user" => drop(self.config.user(value)),
            "password" => drop(self.config.password(value)),
            "sslrootcert" => self.root_certificate = Some(value.into()),
            "sslmode" => self.ssl_mode(value)?,
            // The older name. The files of 2021 have `ssl=require`, which the driver reads as true.
            "ssl" => match value {
                "false" => self.ssl_mode("disable")?,
                "" | "true" => self.ssl_mode("verify-full")?,
                mode => self.ssl_mode(mode)?,
            },
            "currentSchema" => drop(self.config.options(format!("-c search_path={value}"))),
            "options" => drop(self.config.options(value)),
            "connectTimeout" | "connect_timeout" | "loginTimeout" => {
                let seconds = value.parse().map_err(|_| format!("{name} must be a number of seconds"))?;
                self.config.connect_timeout(Duration::from_secs(seconds));
            }
            "targetServerType" | "target_session_attrs" => match value {
                "any" => {}
                "primary" | "master" | "read-write" => {
                    self.config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
                }
                _ => return Err(format!("{name} must be any, primary or read-write")),
            },
            name if WITHOUT_EFFECT.contains(&name) => return Ok(false),
            _ => return Err(format!("the parameter {name} is not supported")),
        }
        Ok(true)
    }

    fn ssl_mode(&mut self, mode: &str) -> Result<(), String> {
        let (mode, trust) = match mode {
            "disable" => (SslMode::Disable, Trust::Anything),
            "allow" | "prefer" => (SslMode::Prefer, Trust::Anything),
            "require" => (SslMode::Require, Trust::Anything),
            "verify-ca" => (SslMode::Require, Trust::Chain),
            "verify-full" => (SslMode::Require, Trust::Name),
            _ => {
                return Err(
                    "sslmode must be disable, allow, prefer, require, verify-ca or verify-full".to_owned()
                );
            }
        };
        self.config.ssl_mode(mode);
        self.trust = trust;
        Ok(())
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgresql://")?;
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{separator}{name}")?,
                Host::Unix(path) => write!(f, "{separator}{}", path.display())?,
            }
            if let Some(port) = ports.get(index).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_jdbc_driver_is_read_and_shown_without_its_password() {
        let url = "jdbc:postgresql://db.example:5433/pagila?user=reader&password=s%26ecret&ssl=require&prepareThreshold=0";
        let (address, without_effect) = PostgresAddress::parse(url).expect("an address");
        assert_eq!(without_effect, ["prepareThreshold"]);
        assert_eq!(address.config.get_password(), Some(&b"s&ecret"[..]));
        assert_eq!((address.config.get_ssl_mode(), address.trust), (SslMode::Require, Trust::Anything));
        assert_eq!(format!("{address} {address:?}"), ["postgresql://db.example:5433/pagila"; 2].join(" "));
    }

    #[test]
    fn modes_of_tls_differ_in_what_they_check() {
        for (query, mode, trust) in [
            ("", SslMode::Prefer, Trust::Anything),
            ("?sslmode=disable", SslMode::Disable, Trust::Anything),
            ("?sslmode=verify-ca", SslMode::Require, Trust::Chain),
            ("?sslmode=verify-full", SslMode::Require, Trust::Name),
            ("?ssl=true", SslMode::Require, Trust::Name),
        ] {
            let (address, _) =
                PostgresAddress::parse(&format!("postgresql://h/d{query}")).expect("an address");
            assert_eq!((address.config.get_ssl_mode(), address.trust), (mode, trust), "{query}");
        }
    }

    #[test]
    fn errors_name_the_parameter_and_never_the_password() {
        for url in [
            "mysql://u:s3cret@h/d",
            "postgresql://u:s3cret@h:port/d",
            "postgresql://u:s3cret@h/d?sslmode=often",
            "postgresql://u:s3cret@h/d?sslcert=x",
            "postgresql:///d",
        ] {
            let error = PostgresAddress::parse(url).expect_err(url);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
