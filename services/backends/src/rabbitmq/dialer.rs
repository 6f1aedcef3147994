//! Making a connection, within bounds of time.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    ops::Deref,
    os::fd::AsFd,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lapin::{
    AsyncTcpStream, ConnectionProperties,
    runtime::default_runtime,
    tcp::RustlsConnector,
    types::ShortString,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use tokio::{net::lookup_host, time::timeout};

use super::{address::RabbitAddress, fault::Fault, settings::RabbitSettings, trust};
use crate::open::OpenError;

/// For the handshakes of TLS and AMQP. A broker that is starting accepts connections before it answers.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the broker has to confirm the close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes connections to one broker.
pub(super) struct Dialer {
    address: RabbitAddress,
    connector: Option<RustlsConnector>,
    connect_timeout: Duration,
    heartbeat: u16,
    name: String,
}

/// A connection. Dropping it shuts down its socket.
///
/// lapin leaves a thread behind where the broker falls silent before the connection is made, or does not confirm the
/// close; shutting down the socket ends that thread in every state.
pub(super) struct Connection {
    connection: lapin::Connection,
    /// Dropped last.
    _socket: Socket,
}

struct Socket(std::net::TcpStream);

impl Dialer {
    /// A dialer of connections that the broker's operator sees as `name`.
    pub(super) async fn new(settings: &RabbitSettings, name: String) -> Result<Self, OpenError> {
        Ok(Self {
            connector: trust::connector(&settings.address).await?,
            address: settings.address.clone(),
            connect_timeout: settings.connect_timeout,
            heartbeat: u16::try_from(settings.heartbeat.as_secs()).unwrap_or(u16::MAX),
            name,
        })
    }

    /// A new connection, to an address that the host's name has now.
    pub(super) async fn dial(&self) -> Result<Connection, Fault> {
        let host = (self.address.host.as_str(), self.address.port);
        let addresses: Vec<SocketAddr> = timeout(self.connect_timeout, lookup_host(host))
            .await
            .map_err(|_| Fault::transient("the host's name was not resolved in time"))?
            .map_err(|error| Fault::transient(format!("the host's name was not resolved: {error}")))?
            .collect();
        let mut fault = Fault::transient("the host's name has no address");
        for address in addresses {
            match self.dial_address(address).await {
                Ok(connection) => return Ok(connection),
                Err(failed) => fault = failed,
            }
        }
        Err(fault)
    }

    async fn dial_address(&self, address: SocketAddr) -> Result<Connection, Fault> {
        let runtime = default_runtime().map_err(Fault::from)?;
        let stream = timeout(self.connect_timeout, AsyncTcpStream::connect(&runtime, address))
            .await
            .map_err(|_| Fault::transient("the connection was not accepted in time"))?
            .map_err(|error| Fault::of_socket(&error))?;
        let AsyncTcpStream::Plain(plain) = &stream else {
            return Err(Fault::transient("the connection failed"));
        };
        let socket = Socket::of(plain.get_ref()).map_err(|error| Fault::of_socket(&error))?;
        let handshake = async {
            let stream = match &self.connector {
                None => stream,
                Some(connector) => stream
                    .into_rustls(connector, &self.address.host)
                    .await
                    .map_err(|error| Fault::of_socket(&error))?,
            };
            // lapin connects by a function that it may call again; there is only this one stream.
            let stream = Mutex::new(Some(stream));
            let connect = async move |_, _| {
                let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
                stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
            };
            let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
            let connecting = lapin::Connection::connector(self.uri(), runtime, connect, properties);
            connecting.await.map_err(Fault::from)
        };
        let connection = timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| Fault::transient("the broker accepted the connection and did not answer"))??;
        Ok(Connection { connection, _socket: socket })
    }

    fn uri(&self) -> AMQPUri {
        let RabbitAddress { user, password, host, port, vhost, .. } = self.address.clone();
        AMQPUri {
            // TLS is established by then.
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority { userinfo: AMQPUserInfo { username: user, password }, host, port },
            vhost,
            query: AMQPQueryString { heartbeat: Some(self.heartbeat), ..AMQPQueryString::default() },
        }
    }
}

impl Connection {
    /// Closes the connection, so that the broker takes back at once what it had sent.
    pub(super) async fn close(self) {
        let reply = || ShortString::try_new("OK").unwrap_or_default();
        let closing = async {
            // lapin (4.12) closes a dropped channel later, and fails if the connection is closing by then: it drops the
            // socket, which the broker logs as a fault. After a round trip on another channel it has closed them.
            self.connection.create_channel().await?.close(200, reply()).await?;
            self.connection.close(200, reply()).await
        };
        // This fails where the connection is lost already.
        let _ = timeout(CLOSE_TIMEOUT, closing).await;
    }
}

impl Deref for Connection {
    type Target = lapin::Connection;

    fn deref(&self) -> &lapin::Connection {
        &self.connection
    }
}

impl Socket {
    /// Another handle to the stream's socket.
    fn of(stream: &tokio::net::TcpStream) -> io::Result<Self> {
        Ok(Self(std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?)))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // This fails where it is shut down already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
