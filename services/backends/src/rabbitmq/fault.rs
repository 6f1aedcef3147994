//! What can go wrong between us and the broker, in plain words.

use std::{io, time::Duration};

use lapin::{Error, ErrorKind};
use tokio::time::timeout;

/// Why there is no connection, or none that works. One short line, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) kind: FaultKind,
}

/// Who can end a fault. Either way the work is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// It may pass by itself, soon.
    Transient,
    /// An operator has to change something.
    Permanent,
}

impl Fault {
    pub(super) fn transient(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: FaultKind::Transient }
    }

    pub(super) fn permanent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: FaultKind::Permanent }
    }

    /// The fault of a socket.
    pub(super) fn of_socket(error: &io::Error) -> Self {
        match error.kind() {
            // What rustls reports, above all a certificate that is not trusted.
            io::ErrorKind::InvalidData => Self::permanent(format!("TLS failed: {error}")),
            io::ErrorKind::ConnectionRefused => Self::transient("the connection was refused"),
            _ => Self::transient(format!("the connection failed: {error}")),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let reason = match error.kind() {
            ErrorKind::ProtocolError(error) => {
                let text = one_line(error.get_message().as_str());
                return match error.get_id() {
                    // ACCESS_REFUSED, PRECONDITION_FAILED, NOT_ALLOWED, NOT_IMPLEMENTED.
                    403 | 406 | 530 | 540 => Self::permanent(text),
                    _ => Self::transient(text),
                };
            }
            ErrorKind::IOError(error) => return Self::of_socket(error),
            ErrorKind::MissingHeartbeatError => "no heartbeat from the broker".to_owned(),
            ErrorKind::InvalidConnectionState(_)
            | ErrorKind::InvalidChannelState(..)
            | ErrorKind::InvalidChannel(_) => "the connection was lost".to_owned(),
            _ => one_line(&error.to_string()),
        };
        Self::transient(reason)
    }
}

/// The result of `future`, or after `limit` a fault: "the broker did not `what` in time".
pub(super) async fn within<T, E: Into<Fault>>(
    limit: Duration,
    what: &str,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match timeout(limit, future).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Fault::transient(format!("the broker did not {what} in time"))),
    }
}

/// Whether the broker closed only the channel: the connection and its other channels stay open.
pub(super) fn is_of_the_channel(error: &Error) -> bool {
    error.is_amqp_soft_error()
        || matches!(error.kind(), ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidChannel(_))
}

/// Whether the broker replied with this code.
pub(super) fn has_code(error: &Error, code: u16) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == code)
}

/// The broker's text may contain line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
