//! Why an adapter was not opened.

use std::{io, path::PathBuf};

/// A fault in the configuration, which no waiting repairs.
///
/// What may pass by itself (a broker that is away, a file that is damaged, locked or on a full disk) is none:
/// the adapter opens, answers `Unavailable` with the reason, and recovers when the cause is gone.
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
    /// The directory cannot be made, or the file in it cannot be written.
    #[error("{} cannot be written: {reason}", .path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// The reason, short.
        reason: String,
    },
    /// The certificates to trust cannot be read.
    #[error("{} holds no certificates to trust: {reason}", .path.display())]
    Untrustworthy {
        /// The file.
        path: PathBuf,
        /// The reason, short.
        reason: String,
    },
    /// The system's own certificates, which a TLS address without a file of its own needs, cannot be used.
    #[error("the system's certificates cannot be used: {0}")]
    SystemCertificates(String),
    /// A file that an address names cannot be used.
    #[error("{option} {}: {reason}", .path.display())]
    File {
        /// The address's option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason, short.
        reason: String,
    },
    /// The database's driver does not take the options.
    #[error("the driver refuses the options: {0}")]
    Driver(String),
    /// The adapter's thread did not start.
    #[error("the thread for a SQLite file did not start: {0}")]
    Thread(io::Error),
}
