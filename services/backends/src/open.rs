//! Errors of opening an adapter.

use std::{io, path::PathBuf};

/// A fault in the configuration: waiting does not repair it.
///
/// A fault that may pass by itself (a broker that is unavailable, a file that is damaged, locked or on a full disk) is
/// not an error: the adapter opens, returns `Unavailable` with the reason, and recovers when the cause is gone.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting is not allowed.
    #[error("{setting} {rule}")]
    Invalid {
        /// The setting's name.
        setting: &'static str,
        /// What is allowed.
        rule: &'static str,
    },
    /// The directory cannot be created, or the file in it cannot be written.
    #[error("{} cannot be written: {reason}", .path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// The reason, short.
        reason: String,
    },
    /// The certificates to trust cannot be read.
    #[error("{} contains no certificates to trust: {reason}", .path.display())]
    Untrustworthy {
        /// The file.
        path: PathBuf,
        /// The reason, short.
        reason: String,
    },
    /// The system's certificates, which a TLS address without its own file needs, cannot be used.
    #[error("the system's certificates cannot be used: {0}")]
    SystemCertificates(String),
    /// A file that is named in an address cannot be used.
    #[error("{option} {}: {reason}", .path.display())]
    File {
        /// The address's option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason, short.
        reason: String,
    },
    /// The database's driver refuses the options.
    #[error("the driver refuses the options: {0}")]
    Driver(String),
    /// The adapter's thread did not start.
    #[error("the thread for a SQLite file did not start: {0}")]
    Thread(io::Error),
}

/// Checks the rules of settings. A rule is whether it holds, the setting's name and what is allowed.
pub(crate) fn check(rules: &[(bool, &'static str, &'static str)]) -> Result<(), OpenError> {
    match rules.iter().find(|(holds, ..)| !holds) {
        Some(&(_, setting, rule)) => Err(OpenError::Invalid { setting, rule }),
        None => Ok(()),
    }
}
