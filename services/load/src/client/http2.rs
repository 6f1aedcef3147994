//! HTTP/2 with prior knowledge: a connection of several users.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{Exchange, Wish, connect, failed, read, unconnected};
use crate::{outcome::Outcome, target::Target};

/// Clones share the connection.
#[derive(Clone)]
pub(crate) struct Client {
    target: Target,
    uri: Option<Uri>,
    connection: Arc<Mutex<Option<SendRequest<Empty<Bytes>>>>>,
}

impl Client {
    pub(super) fn new(target: Target) -> Self {
        let uri = Uri::builder()
            .scheme("http")
            .authority(target.authority.clone())
            .path_and_query(target.path.clone());
        Self { uri: uri.build().ok(), target, connection: Arc::default() }
    }

    pub(super) async fn send(&mut self, wish: &Wish) -> Exchange {
        let deadline = wish.deadline;
        let Some(uri) = self.uri.clone() else { return Exchange::failed(Outcome::Other) };
        // A connection that the server has just closed sends nothing: the second is new.
        for is_last in [false, true] {
            let mut connection = match timeout_at(deadline, self.connected(deadline)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(outcome)) => return Exchange::failed(outcome),
                Err(_) => return Exchange::failed(Outcome::ConnectTimeout),
            };
            let mut request = Request::new(Empty::new());
            *request.headers_mut() = wish.headers.clone();
            *request.uri_mut() = uri.clone();
            request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            let response = match timeout_at(deadline, connection.send_request(request)).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) if !is_last && (error.is_canceled() || error.is_closed()) => continue,
                Ok(Err(error)) => return failed(&error),
                Err(_) => return Exchange::failed(Outcome::Timeout),
            };
            return match timeout_at(deadline, read(response, wish.keeps_body)).await {
                Ok(Ok(exchange)) => exchange,
                Ok(Err(error)) => failed(error.as_ref()),
                Err(_) => Exchange::failed(Outcome::Timeout),
            };
        }
        Exchange::failed(Outcome::ConnectionReset)
    }

    /// The shared connection; one user connects while the others wait.
    async fn connected(&self, deadline: Instant) -> Result<SendRequest<Empty<Bytes>>, Outcome> {
        let mut shared = self.connection.lock().await;
        if let Some(connection) = shared.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let stream = connect(&self.target, deadline).await?;
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|error| unconnected(&error))?;
        tokio::spawn(connection);
        *shared = Some(sender.clone());
        Ok(sender)
    }
}
