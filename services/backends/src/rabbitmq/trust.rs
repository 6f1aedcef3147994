//! Which certificates a TLS connection trusts.

use std::path::Path;

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::task;

use super::address::{RabbitAddress, Scheme};
use crate::open::OpenError;

/// The TLS settings for connections to `address`; `None` for `amqp://`. Read once: a renewed authority needs a restart.
pub(super) async fn connector(address: &RabbitAddress) -> Result<Option<RustlsConnector>, OpenError> {
    if address.scheme == Scheme::Plain {
        return Ok(None);
    }
    let authorities = address.authorities.clone();
    let read = task::spawn_blocking(move || match authorities {
        Some(file) => of_file(&file),
        None => RustlsConnectorConfig::new_with_native_certs()
            .and_then(RustlsConnectorConfig::connector_with_no_client_auth)
            .map_err(|error| OpenError::SystemCertificates(error.to_string())),
    });
    read.await.unwrap_or_else(|error| Err(OpenError::SystemCertificates(error.to_string()))).map(Some)
}

/// A connector that trusts only the file's certificates.
fn of_file(file: &Path) -> Result<RustlsConnector, OpenError> {
    let untrustworthy = |reason: String| OpenError::Untrustworthy { path: file.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| untrustworthy(error.to_string()))?;
    if certificates.is_empty() {
        return Err(untrustworthy("it has no PEM certificate".to_owned()));
    }
    RustlsConnectorConfig::default()
        .with_parsable_certificates(certificates)
        .connector_with_no_client_auth()
        .map_err(|error| untrustworthy(error.to_string()))
}
