//! `OTEL_SEMCONV_STABILITY_OPT_IN`: which names of OpenTelemetry's semantic conventions attributes have.

use std::convert::Infallible;

use crate::environment::Environment;

/// A part of the conventions that became stable, under new names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// `http`, of v1.23.
    Http,
    /// `database`, of v1.33.
    Database,
    /// `rpc`, of v1.45.
    Rpc,
}

/// The conventions whose earlier names are set beside the stable ones. The stable ones always are: Octet had no release
/// with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Conventions {
    http: bool,
    database: bool,
    rpc: bool,
}

impl Conventions {
    /// `http/dup`, `database/dup` and `rpc/dup` ask for both. Other values are for other instrumentations: the variable is
    /// shared by all programs of a host.
    pub(super) fn from_environment(environment: &mut Environment<'_>) -> Self {
        environment.or("OTEL_SEMCONV_STABILITY_OPT_IN", "a list", Self::default(), |text| {
            let has = |name: &str| text.split(',').any(|value| value.trim() == name);
            Ok::<_, Infallible>(Self {
                http: has("http/dup"),
                database: has("database/dup"),
                rpc: has("rpc/dup"),
            })
        })
    }

    /// Whether the earlier names are set, too.
    pub(super) fn are_duplicated(self, convention: Convention) -> bool {
        match convention {
            Convention::Http => self.http,
            Convention::Database => self.database,
            Convention::Rpc => self.rpc,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn earlier_names_are_set_only_for_conventions_that_are_duplicated() {
        for (value, expected) in [
            ("", [false; 3]),
            ("http,database,rpc,messaging,gen_ai_latest_experimental", [false; 3]),
            ("http/dup", [true, false, false]),
            ("rpc, rpc/dup ,database/dup", [false, true, true]),
        ] {
            let variables = BTreeMap::from([("OTEL_SEMCONV_STABILITY_OPT_IN".to_owned(), value.to_owned())]);
            let mut environment = Environment::new(&variables);
            let conventions = Conventions::from_environment(&mut environment);
            let duplicated = [Convention::Http, Convention::Database, Convention::Rpc]
                .map(|convention| conventions.are_duplicated(convention));
            assert_eq!(duplicated, expected, "{value}");
            assert!(environment.finish(()).is_ok());
        }
    }
}
