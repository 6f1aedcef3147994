//! HTTPS: `TLS_CERT` and `TLS_KEY`, with the version of HTTP negotiated by ALPN (RFC 7301).

use std::{path::Path, sync::Arc, time::Duration};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig, crypto::ring},
    server::TlsStream,
};

use super::transport::{Protocol, Transport};
use crate::environment::Environment;

const CERTIFICATE: &str = "TLS_CERT";
const KEY: &str = "TLS_KEY";

/// The first byte of a TLS handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// The response to plain HTTP; browsers and curl show it.
const PLAIN_HTTP_RESPONSE: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 37\r\n\r\nthis port speaks HTTPS: use https://\n";

/// TLS 1.2 and 1.3 by rustls and ring. Certificate and key are read at start; new ones need a restart.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads the PEM files of `TLS_CERT` (a chain, the server's own certificate first) and `TLS_KEY`; `None` where neither is
    /// set, or after a fault.
    pub fn from_environment(environment: &mut Environment<'_>) -> Option<Self> {
        let certificate = environment.text(CERTIFICATE);
        let key = environment.text(KEY);
        match (certificate, key) {
            (None, None) => None,
            (Some(_), None) => {
                environment.fault(KEY, format!("must be set together with {CERTIFICATE}"));
                None
            }
            (None, Some(_)) => {
                environment.fault(CERTIFICATE, format!("must be set together with {KEY}"));
                None
            }
            (Some(certificate), Some(key)) => {
                let chain = chain(Path::new(&certificate));
                let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| problem(&error, "private key"));
                let chain = chain.map_err(|problem| environment.fault(CERTIFICATE, problem));
                let key = key.map_err(|problem| environment.fault(KEY, problem));
                match config(chain.ok()?, key.ok()?) {
                    Ok(config) => Some(Self(TlsAcceptor::from(Arc::new(config)))),
                    Err(error) => {
                        environment.fault(CERTIFICATE, format!("cannot be used with {KEY}: {error}"));
                        None
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tls")
    }
}

impl Transport for Tls {
    type Stream = TlsStream<TcpStream>;

    const SCHEME: &'static str = "https";

    async fn accept(&self, stream: TcpStream, limit: Duration) -> Option<(Self::Stream, Protocol)> {
        timeout(limit, self.handshake(stream)).await.ok()?
    }
}

impl Tls {
    async fn handshake(&self, mut stream: TcpStream) -> Option<(TlsStream<TcpStream>, Protocol)> {
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? > 0 && first != [HANDSHAKE] {
            // The client may have left.
            let _ = stream.write_all(PLAIN_HTTP_RESPONSE).await;
            let _ = stream.shutdown().await;
            return None;
        }
        match self.0.accept(stream).await {
            Ok(stream) => {
                let chosen = stream.get_ref().1.alpn_protocol();
                let protocol = if chosen == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
                Some((stream, protocol))
            }
            Err(error) => {
                tracing::debug!(%error, "TLS handshake failed");
                None
            }
        }
    }
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err("file contains no PEM certificate".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(problem(&error, "certificate")),
    }
}

/// Describes the problem without the file's content.
fn problem(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("file cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("file contains no PEM {wanted}"),
        _ => format!("file contains no valid PEM {wanted}"),
    }
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn faults(variables: &[(&str, &str)]) -> String {
        let variables: BTreeMap<_, _> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut environment = Environment::new(&variables);
        let tls = Tls::from_environment(&mut environment).is_some();
        environment.finish(tls).map_or_else(|faults| faults.to_string(), |tls| tls.to_string())
    }

    #[test]
    fn tls_is_off_without_both_variables_and_one_requires_the_other() {
        assert_eq!(faults(&[]), "false");
        assert_eq!(faults(&[(CERTIFICATE, "x")]), "TLS_KEY: must be set together with TLS_CERT");
        assert_eq!(faults(&[(KEY, "x")]), "TLS_CERT: must be set together with TLS_KEY");
    }

    #[test]
    fn invalid_files_are_refused_each_with_its_variable() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let faults = faults(&[(CERTIFICATE, here), (KEY, "/nowhere/key.pem")]);
        assert_eq!(
            faults,
            "TLS_CERT: file contains no PEM certificate\n\
             TLS_KEY: file cannot be read: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn the_response_to_plain_http_has_its_content_length() {
        let body = PLAIN_HTTP_RESPONSE.split(|byte| *byte == b'\n').nth_back(1).expect("a body");
        assert_eq!(body.len() + 1, 37);
    }
}
