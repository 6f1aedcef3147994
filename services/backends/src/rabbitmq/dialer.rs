//! Making a connection, within bounds of time.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::fd::AsFd,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lapin::{
    AsyncTcpStream, Connection, ConnectionProperties,
    runtime::default_runtime,
    tcp::RustlsConnector,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use tokio::{net::lookup_host, time::timeout};

use super::{address::RabbitAddress, fault::Fault, settings::RabbitSettings, trust};
use crate::open::OpenError;

/// How long TLS and AMQP have to greet each other. A broker that is starting up accepts before it answers.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the broker has to say goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Makes connections to one broker.
pub(super) struct Dialer {
    address: RabbitAddress,
    connector: Option<RustlsConnector>,
    connect_timeout: Duration,
    heartbeat: u16,
    name: String,
}

/// A connection. Dropping it cuts it off.
///
/// lapin leaves a thread behind where the other side falls silent before the connection is made, or cannot be
/// told goodbye; a socket that is shut down ends that thread in every state.
pub(super) struct Line {
    pub(super) connection: Connection,
    /// Dropped last.
    _plug: Plug,
}

struct Plug(std::net::TcpStream);

impl Dialer {
    /// Connections named `name`, as the broker's operator sees them.
    pub(super) async fn new(settings: &RabbitSettings, name: String) -> Result<Self, OpenError> {
        Ok(Self {
            connector: trust::connector(&settings.address).await?,
            address: settings.address.clone(),
            connect_timeout: settings.connect_timeout,
            heartbeat: u16::try_from(settings.heartbeat.as_secs()).unwrap_or(u16::MAX),
            name,
        })
    }

    /// A new connection, to whatever address the host's name has now.
    pub(super) async fn dial(&self) -> Result<Line, Fault> {
        let host = (self.address.host.as_str(), self.address.port);
        let addresses: Vec<SocketAddr> = timeout(self.connect_timeout, lookup_host(host))
            .await
            .map_err(|_| Fault::passing("the host's name was not resolved in time"))?
            .map_err(|error| Fault::passing(format!("the host's name was not resolved: {error}")))?
            .collect();
        let mut fault = Fault::passing("the host's name has no address");
        for address in addresses {
            match self.dial_address(address).await {
                Ok(line) => return Ok(line),
                Err(failed) => fault = failed,
            }
        }
        Err(fault)
    }

    async fn dial_address(&self, address: SocketAddr) -> Result<Line, Fault> {
        let runtime = default_runtime().map_err(|error| Fault::from(&error))?;
        let stream = timeout(self.connect_timeout, AsyncTcpStream::connect(&runtime, address))
            .await
            .map_err(|_| Fault::passing("nobody accepted the connection in time"))?
            .map_err(|error| Fault::of_socket(&error))?;
        let AsyncTcpStream::Plain(plain) = &stream else {
            return Err(Fault::passing("the connection failed"));
        };
        let plug = Plug::into(plain.get_ref()).map_err(|error| Fault::of_socket(&error))?;
        let handshake = async {
            let stream = match &self.connector {
                None => stream,
                Some(connector) => stream
                    .into_rustls(connector, &self.address.host)
                    .await
                    .map_err(|error| Fault::of_socket(&error))?,
            };
            // lapin connects by a function that it may call again; there is only the one stream to give.
            let stream = Mutex::new(Some(stream));
            let connect = async move |_, _| {
                let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
                stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
            };
            let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
            Connection::connector(self.uri(), runtime, connect, properties)
                .await
                .map_err(|error| Fault::from(&error))
        };
        let connection = timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| Fault::passing("the broker accepted the connection and did not answer"))??;
        Ok(Line { connection, _plug: plug })
    }

    fn uri(&self) -> AMQPUri {
        let RabbitAddress { user, password, host, port, vhost, .. } = self.address.clone();
        AMQPUri {
            // TLS is done by then.
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority { userinfo: AMQPUserInfo { username: user, password }, host, port },
            vhost,
            query: AMQPQueryString { heartbeat: Some(self.heartbeat), ..AMQPQueryString::default() },
        }
    }
}

impl Line {
    /// Says goodbye, so that the broker gives back at once what it had sent.
    pub(super) async fn close(self) {
        // What fails here is a connection that is lost already.
        if let Ok(reply) = lapin::types::ShortString::try_new("OK") {
            let _ = timeout(GOODBYE_TIMEOUT, self.connection.close(200, reply)).await;
        }
    }
}

impl Plug {
    /// Another handle to the stream's socket.
    fn into(stream: &tokio::net::TcpStream) -> io::Result<Self> {
        Ok(Self(std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?)))
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        // Fails where it is shut down already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
