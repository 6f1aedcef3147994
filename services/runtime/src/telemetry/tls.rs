//! TLS of exporters: with the system's certificates of authorities, or those of a file.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, crypto::ring};

use super::sender::Version;
use crate::environment::Environment;

/// The configuration of a client; `None` after a fault of `variable`, which names the PEM file.
pub(super) fn client(
    environment: &mut Environment<'_>,
    variable: &str,
    file: Option<&str>,
    version: Version,
) -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        let certificates =
            CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = match certificates {
            Ok(certificates) => certificates,
            Err(error) => {
                environment.fault(variable, format!("cannot be read as a PEM file: {error:?}"));
                return None;
            }
        };
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            environment.fault(variable, "has no usable certificate");
            return None;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            environment
                .fault(variable, "must name a PEM file: the system has no certificates of authorities");
            return None;
        }
    }
    match config(roots, version) {
        Ok(config) => Some(config),
        Err(error) => {
            environment.fault(variable, format!("cannot be used: {error}"));
            None
        }
    }
}

/// TLS 1.2 and 1.3 by rustls and ring.
pub(super) fn config(roots: RootCertStore, version: Version) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = match version {
        Version::Http1 => vec![b"http/1.1".to_vec()],
        Version::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}
