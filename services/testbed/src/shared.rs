//! The servers that tests share: those of the environment's URLs, or this process's own.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::{Broker, Database};

/// For a connection to the server of an environment variable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

static BROKER: OnceCell<Broker> = OnceCell::const_new();
static DATABASE: OnceCell<Database> = OnceCell::const_new();

/// The URL of a RabbitMQ: `RABBITMQ_CONN` if it is set, otherwise a node that the tests of this process share. The first
/// call starts it, and it ends with the process.
///
/// A test must use unique names there.
///
/// # Panics
/// When the server of `RABBITMQ_CONN` accepts no connection within 5 s, and as [`Broker::start`] does.
pub async fn shared_broker() -> String {
    match from_environment("RABBITMQ_CONN").await {
        Some(url) => url,
        None => BROKER.get_or_init(Broker::start).await.url(),
    }
}

/// The URL of a MongoDB or a server that speaks its protocol: `MONGO_CONN` if it is set, otherwise a server that the
/// tests of this process share.
///
/// # Panics
/// When the server of `MONGO_CONN` accepts no connection within 5 s, and as [`Database::start`] does.
pub async fn shared_database() -> String {
    match from_environment("MONGO_CONN").await {
        Some(url) => url,
        None => DATABASE.get_or_init(Database::start).await.url(),
    }
}

/// The URL of an environment variable, once its server accepts connections.
async fn from_environment(variable: &str) -> Option<String> {
    let url = std::env::var_os(variable).filter(|url| !url.is_empty())?;
    let url = url.into_string().unwrap_or_else(|_| panic!("{variable} is not UTF-8"));
    if let Err(refusal) = reach(&url).await {
        panic!("{variable}: {refusal}; start that server, or unset {variable} and run `make tools`");
    }
    Some(url)
}

/// # Errors
/// Why the server cannot be reached, without the URL's user or password.
async fn reach(url: &str) -> Result<(), String> {
    // The driver looks up the servers in DNS.
    if url.starts_with("mongodb+srv:") {
        return Ok(());
    }
    let server = server(url).ok_or("must be a URL like scheme://host:port/")?;
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&server)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{server} cannot be reached ({error})")),
        Err(_) => Err(format!("{server} does not answer within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}

/// `host:port` of a URL's first server.
fn server(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let default_port = match scheme {
        "amqp" => 5672,
        "amqps" => 5671,
        "mongodb" => 27_017,
        _ => return None,
    };
    let authority = rest.split(['/', '?']).next()?;
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let host = hosts.split(',').next().filter(|host| !host.is_empty())?;
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port { host.to_owned() } else { format!("{host}:{default_port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_server_of_a_url_is_found() {
        for (url, expected) in [
            ("amqp://octet:p@ss@localhost:5673/%2f", Some("localhost:5673")),
            ("amqps://rabbit.example/vhost?heartbeat=10", Some("rabbit.example:5671")),
            ("amqp://[::1]", Some("[::1]:5672")),
            ("mongodb://user:secret@one:27018,two:27019/?tls=true", Some("one:27018")),
            ("mongodb://one,two", Some("one:27017")),
            ("http://localhost", None),
            ("mongodb:///", None),
            ("secret", None),
        ] {
            assert_eq!(server(url).as_deref(), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn the_error_of_an_unreachable_server_omits_its_password() {
        let refusal = reach("amqp://octet:secret@127.0.0.1:1/").await.expect_err("no server on port 1");
        assert!(refusal.starts_with("127.0.0.1:1 cannot be reached ("), "{refusal}");
        assert!(!refusal.contains("secret"), "{refusal}");
    }
}
