//! The files that the URL names for TLS, looked at before the driver does.
//!
//! The driver takes a `tlsCAFile` without a certificate for an empty list of authorities, and then trusts nobody.

use std::path::Path;

use mongodb::options::{ConnectionString, Tls};

use super::failure::{MongoOpenError, short};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// # Errors
/// [`MongoOpenError::File`]: it cannot be read, or is no PEM of the kind.
pub(super) fn check(url: &ConnectionString) -> Result<(), MongoOpenError> {
    let Some(Tls::Enabled(tls)) = &url.tls else { return Ok(()) };
    if let Some(path) = &tls.ca_file_path {
        let pem = read("tlsCAFile", path)?;
        holds("tlsCAFile", path, &pem, CERTIFICATE, "it holds no PEM certificate")?;
    }
    if let Some(path) = &tls.cert_key_file_path {
        let pem = read("tlsCertificateKeyFile", path)?;
        holds("tlsCertificateKeyFile", path, &pem, CERTIFICATE, "it holds no PEM certificate")?;
        holds("tlsCertificateKeyFile", path, &pem, "PRIVATE KEY-----", "it holds no PEM private key")?;
    }
    Ok(())
}

fn read(option: &'static str, path: &Path) -> Result<String, MongoOpenError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(file_fault(option, path, &short(&error.to_string()))),
    }
}

fn holds(
    option: &'static str,
    path: &Path,
    pem: &str,
    wanted: &str,
    reason: &str,
) -> Result<(), MongoOpenError> {
    if pem.contains(wanted) { Ok(()) } else { Err(file_fault(option, path, reason)) }
}

fn file_fault(option: &'static str, path: &Path, reason: &str) -> MongoOpenError {
    MongoOpenError::File { option, path: path.to_owned(), reason: reason.to_owned() }
}
