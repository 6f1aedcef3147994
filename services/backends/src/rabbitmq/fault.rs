//! What can go wrong between us and the broker, in plain words.

use std::io;

use lapin::{Error, ErrorKind};

/// Why there is no connection, or none that works. One short line, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) cure: Cure,
}

/// What helps against a fault. It is tried again in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cure {
    /// It may pass by itself, soon.
    Waiting,
    /// Somebody has to change something.
    Operator,
}

impl Fault {
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), cure: Cure::Waiting }
    }

    pub(super) fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), cure: Cure::Operator }
    }

    /// Of a socket, before AMQP is spoken on it.
    pub(super) fn of_socket(error: &io::Error) -> Self {
        match error.kind() {
            // What rustls reports, a certificate that is not trusted above all.
            io::ErrorKind::InvalidData => Self::lasting(format!("TLS failed: {error}")),
            io::ErrorKind::ConnectionRefused => Self::passing("the connection was refused"),
            _ => Self::passing(format!("the connection failed: {error}")),
        }
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        let reason = match error.kind() {
            ErrorKind::ProtocolError(error) => {
                let words = one_line(error.get_message().as_str());
                return match error.get_id() {
                    // ACCESS_REFUSED, PRECONDITION_FAILED, NOT_ALLOWED, NOT_IMPLEMENTED.
                    403 | 406 | 530 | 540 => Self::lasting(words),
                    _ => Self::passing(words),
                };
            }
            ErrorKind::IOError(error) => return Self::of_socket(error),
            ErrorKind::MissingHeartbeatError => {
                "the broker has given no sign of life for too long".to_owned()
            }
            ErrorKind::InvalidConnectionState(_)
            | ErrorKind::InvalidChannelState(..)
            | ErrorKind::InvalidChannel(_) => "the connection was lost".to_owned(),
            _ => one_line(&error.to_string()),
        };
        Self::passing(reason)
    }
}

/// Whether the broker ended only the channel: the connection and its other channels go on.
pub(super) fn is_of_the_channel(error: &Error) -> bool {
    error.is_amqp_soft_error()
        || matches!(error.kind(), ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidChannel(_))
}

/// Whether the broker answered with this code.
pub(super) fn has_code(error: &Error, code: u16) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == code)
}

/// The broker's words may hold line breaks, and parts of what it was sent.
fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
