//! TLS for a server without it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::Authority;

/// A proxy on 127.0.0.1 that terminates TLS and forwards the decrypted stream.
///
/// It runs in the runtime that started it. Dropping it closes its port and its connections.
pub struct TlsFront {
    address: SocketAddr,
    proxy: JoinHandle<()>,
}

impl TlsFront {
    /// Listens on a free port, with the authority's certificate, for clients of `upstream`.
    ///
    /// # Panics
    /// When no port can be bound, or the authority's files cannot be read.
    pub async fn start(authority: &Authority, upstream: SocketAddr) -> Self {
        let acceptor = acceptor(authority).expect("the authority's files hold a certificate and its key");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port can be bound");
        let address = listener.local_addr().expect("a bound port has an address");
        Self { address, proxy: tokio::spawn(serve(listener, acceptor, upstream)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `mongodb://localhost:PORT/` with TLS, trusting the certificates in `ca`.
    pub fn mongodb_url(&self, ca: &Path) -> String {
        format!("mongodb://localhost:{}/?tls=true&tlsCAFile={}", self.address.port(), ca.display())
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

fn acceptor(authority: &Authority) -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
    let certificates = CertificateDer::pem_file_iter(authority.certificate())?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(authority.key())?;
    let settings = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    Ok(TlsAcceptor::from(Arc::new(settings)))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, upstream: SocketAddr) {
    // Dropped with this task, it aborts all connections.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(forward(client, acceptor.clone(), upstream));
    }
}

/// Forwards one connection; a failure closes it.
async fn forward(client: TcpStream, acceptor: TlsAcceptor, upstream: SocketAddr) -> std::io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
