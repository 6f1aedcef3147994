//! HTTP/1.1: a connection of one user.

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::{Exchange, Wish, connect, failed, read, unconnected};
use crate::{outcome::Outcome, target::Target};

pub(crate) struct Client {
    target: Target,
    host: Option<HeaderValue>,
    connection: Option<SendRequest<Empty<Bytes>>>,
}

impl Client {
    pub(super) fn new(target: Target) -> Self {
        let host = HeaderValue::from_str(target.authority.as_str()).ok();
        Self { target, host, connection: None }
    }

    pub(super) async fn send(&mut self, wish: &Wish) -> Exchange {
        let deadline = wish.deadline;
        loop {
            let is_new = self.connection.is_none();
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => match self.connect(deadline).await {
                    Ok(connection) => connection,
                    Err(outcome) => return Exchange::failed(outcome),
                },
            };
            let sent = async {
                // The server may have closed the connection since the last response.
                connection.ready().await?;
                connection.send_request(self.request(wish)).await
            };
            let response = match timeout_at(deadline, sent).await {
                Ok(Ok(response)) => response,
                // It was not written: the server had closed the idle connection.
                Ok(Err(error)) if !is_new && (error.is_canceled() || error.is_closed()) => continue,
                Ok(Err(error)) => return failed(&error),
                Err(_) => return Exchange::failed(Outcome::Timeout),
            };
            return match timeout_at(deadline, read(response, wish.keeps_body)).await {
                Ok(Ok(exchange)) => {
                    self.connection = Some(connection);
                    exchange
                }
                Ok(Err(error)) => failed(error.as_ref()),
                Err(_) => Exchange::failed(Outcome::Timeout),
            };
        }
    }

    fn request(&self, wish: &Wish) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.headers_mut() = wish.headers.clone();
        *request.uri_mut() = self.target.path.clone().into();
        let headers = request.headers_mut();
        if let Some(host) = &self.host {
            headers.insert(header::HOST, host.clone());
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        request
    }

    async fn connect(&self, deadline: Instant) -> Result<SendRequest<Empty<Bytes>>, Outcome> {
        let stream = connect(&self.target, deadline).await?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| unconnected(&error))?;
        // It ends with its sender, and reports its errors there.
        tokio::spawn(connection);
        Ok(sender)
    }
}
