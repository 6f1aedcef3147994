//! A private certificate authority.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// A private certificate authority, and one server certificate that it issued, for `localhost`, 127.0.0.1 and `::1`.
/// Dropping it removes its files.
pub struct Authority {
    directory: TempDir,
}

impl Authority {
    /// Creates keys and writes `ca.pem`, `cert.pem` and `key.pem`.
    ///
    /// # Panics
    /// When the files cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("octet-authority-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        issue(directory.path()).expect("a certificate can be issued");
        Self { directory }
    }

    /// The authority's own certificate, in PEM: the one that clients should trust.
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join(CA)
    }

    /// The server's certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join(CERTIFICATE)
    }

    /// The server's private key, in PEM (PKCS #8).
    pub fn key(&self) -> PathBuf {
        self.directory.path().join(KEY)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) const CA: &str = "ca.pem";
pub(crate) const CERTIFICATE: &str = "cert.pem";
pub(crate) const KEY: &str = "key.pem";

fn issue(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.distinguished_name.push(DnType::CommonName, "Octet's testbed");
    let authority_key = KeyPair::generate()?;
    let ca = authority.self_signed(&authority_key)?;

    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;

    std::fs::write(directory.join(CA), pem("CERTIFICATE", ca.der()))?;
    std::fs::write(directory.join(CERTIFICATE), pem("CERTIFICATE", certificate.der()))?;
    std::fs::write(directory.join(KEY), pem("PRIVATE KEY", key.serialized_der()))?;
    Ok(())
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    // 48 bytes make a line of 64 characters.
    let lines: Vec<String> = der.chunks(48).map(|bytes| STANDARD.encode(bytes)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
