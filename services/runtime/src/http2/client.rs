//! Requests to one peer over HTTP/2.

mod connection;

use std::{error::Error, pin::Pin, sync::Arc, task::Poll};

use bytes::Bytes;
use http::{
    Request, Response, Uri, header,
    uri::{Parts, PathAndQuery},
};
use http_body::Body;

pub(crate) use self::connection::Settings;
use self::connection::{Lazy, NotSent};
use super::{Incoming, incoming::AbortOnDrop, outgoing::Outgoing};

type BoxError = Box<dyn Error + Send + Sync>;

/// The connection to a peer. Clones share it. The first request connects; after a broken connection, or GOAWAY, the next
/// request reconnects.
#[derive(Clone)]
pub(crate) struct Client(Arc<Lazy>);

impl Client {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(Lazy::new(settings)))
    }

    /// Sends a request to the peer, with the user agent and the authority of the settings. A connection that has ended since
    /// the last request is replaced once. Dropped before the response, it cancels the request; so does
    /// the response's body, dropped before its end.
    ///
    /// # Errors
    /// [`tonic::ConnectError`] where the request was not sent; [`h2::Error`] where it may have been.
    pub(crate) async fn send<B>(&self, request: Request<B>) -> Result<Response<Incoming>, BoxError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        parts.uri = self.0.settings.absolute(parts.uri)?;
        parts.headers.insert(header::USER_AGENT, self.0.settings.user_agent.clone());
        parts.version = http::Version::HTTP_2;
        let mut request = Request::from_parts(parts, ());
        let is_whole = body.is_end_stream();
        let mut has_reconnected = false;
        let (response, stream) = loop {
            let connection = self.0.connection().await?;
            match connection.send(request, is_whole).await {
                Ok(sent) => break sent,
                Err(NotSent::Ended(given_back, error)) => {
                    // It ended since the last request, and this one was not written.
                    self.0.forget(&connection);
                    if std::mem::replace(&mut has_reconnected, true) {
                        return Err(tonic::ConnectError(error.into()).into());
                    }
                    request = *given_back;
                }
                Err(NotSent::Unopened(error)) => return Err(tonic::ConnectError(error.into()).into()),
                Err(NotSent::Invalid(error)) => return Err(error.into()),
            }
        };
        let mut rest = None;
        if !is_whole {
            // Most requests have one message, which is sent now; what remains is sent beside the response.
            let mut sending = Outgoing::request(body, stream);
            let first = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut sending).poll(context)));
            if first.await.is_pending() {
                // The response fails, or comes early, where the request cannot be sent.
                let task = tokio::spawn(async move { _ = sending.await });
                rest = Some(AbortOnDrop::from(task));
            }
        }
        let response = response.await?;
        let (parts, stream) = response.into_parts();
        let body = Incoming::new(stream, &parts.headers).with_request(rest);
        Ok(Response::from_parts(parts, body))
    }
}

impl Settings {
    /// The URI with this peer's scheme and authority.
    fn absolute(&self, uri: Uri) -> Result<Uri, http::uri::InvalidUriParts> {
        let mut parts = Parts::default();
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        let target = uri.into_parts().path_and_query;
        parts.path_and_query = Some(target.unwrap_or(PathAndQuery::from_static("/")));
        Uri::from_parts(parts)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("address", &self.0.settings.address).finish_non_exhaustive()
    }
}
