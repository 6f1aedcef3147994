//! Checks the TLS files of the URL before the driver reads them.
//!
//! The driver reads a `tlsCAFile` without a certificate as an empty list of authorities, and then trusts none.

use std::path::Path;

use mongodb::options::{ConnectionString, Tls};

use super::failure::short;
use crate::OpenError;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// # Errors
/// [`OpenError::File`] if a file cannot be read, or contains no PEM of its kind.
pub(super) fn check(url: &ConnectionString) -> Result<(), OpenError> {
    let Some(Tls::Enabled(tls)) = &url.tls else { return Ok(()) };
    if let Some(path) = &tls.ca_file_path {
        let pem = read("tlsCAFile", path)?;
        holds("tlsCAFile", path, &pem, CERTIFICATE, "it contains no PEM certificate")?;
    }
    if let Some(path) = &tls.cert_key_file_path {
        let pem = read("tlsCertificateKeyFile", path)?;
        holds("tlsCertificateKeyFile", path, &pem, CERTIFICATE, "it contains no PEM certificate")?;
        holds("tlsCertificateKeyFile", path, &pem, "PRIVATE KEY-----", "it contains no PEM private key")?;
    }
    Ok(())
}

fn read(option: &'static str, path: &Path) -> Result<String, OpenError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(file_fault(option, path, &short(&error.to_string()))),
    }
}

fn holds(option: &'static str, path: &Path, pem: &str, wanted: &str, reason: &str) -> Result<(), OpenError> {
    if pem.contains(wanted) { Ok(()) } else { Err(file_fault(option, path, reason)) }
}

fn file_fault(option: &'static str, path: &Path, reason: &str) -> OpenError {
    OpenError::File { option, path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(option: &str, file: &Path) -> String {
        let url = format!("mongodb://host/?tls=true&{option}={}", file.display());
        check(&ConnectionString::parse(url).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_a_file_that_is_absent_or_not_pem() {
        let directory = tempfile::tempdir().unwrap();
        let absent = directory.path().join("absent.pem");
        let found = fault("tlsCAFile", &absent);
        assert!(found.contains("tlsCAFile") && found.contains("absent.pem: No such file"), "{found}");

        let text = directory.path().join("text.pem");
        std::fs::write(&text, "a text").unwrap();
        assert!(fault("tlsCAFile", &text).ends_with("text.pem: it contains no PEM certificate"));

        let without_key = directory.path().join("client.pem");
        std::fs::write(&without_key, CERTIFICATE).unwrap();
        assert!(fault("tlsCertificateKeyFile", &without_key).ends_with("it contains no PEM private key"));
    }
}
