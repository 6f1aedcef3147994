//! How a request ended.

use std::{error::Error, fmt, io};

use http::StatusCode;
use octet_runtime::telemetry::code_name;
use tonic::Code;

/// How a request ended, as reports count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A response of HTTP, with its status.
    Http(u16),
    /// A response of gRPC, with the number of its code.
    Grpc(i32),
    /// Nobody listens at the address.
    ConnectionRefused,
    /// The connection ended before the response did.
    ConnectionReset,
    /// No connection within the timeout.
    ConnectTimeout,
    /// No complete response within the timeout.
    Timeout,
    /// A response that is not valid, or too long.
    InvalidResponse,
    /// Another failure of the system, such as too many open files.
    Other,
}

impl Outcome {
    /// Whether it is a success: 2xx, or OK.
    pub fn is_success(self) -> bool {
        match self {
            Self::Http(status) => (200..300).contains(&status),
            Self::Grpc(code) => code == 0,
            _ => false,
        }
    }

    /// Whether the server responded, with whatever status.
    pub fn is_response(self) -> bool {
        matches!(self, Self::Http(_) | Self::Grpc(_))
    }

    pub(crate) fn of_status(status: StatusCode) -> Self {
        Self::Http(status.as_u16())
    }

    pub(crate) fn of_code(code: Code) -> Self {
        Self::Grpc(code.into())
    }

    /// From a failed connection attempt.
    pub(crate) fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::ConnectionReset,
            io::ErrorKind::TimedOut => Self::ConnectTimeout,
            _ => Self::Other,
        }
    }

    /// From a failed exchange on a connection, by the deepest known source.
    pub(crate) fn of_transport(error: &(dyn Error + 'static)) -> Self {
        let mut known = Self::Other;
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                known = match error.kind() {
                    io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
                    io::ErrorKind::TimedOut => Self::ConnectTimeout,
                    io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::NotConnected => Self::ConnectionReset,
                    _ => known,
                };
            } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
                if error.is_parse() {
                    known = Self::InvalidResponse;
                } else if error.is_closed() || error.is_canceled() || error.is_incomplete_message() {
                    known = Self::ConnectionReset;
                }
            } else if error.is::<h2::Error>() {
                // The stream or the connection was ended by the other side, or by an invalid frame of it.
                known = Self::ConnectionReset;
            }
            cause = error.source();
        }
        known
    }
}

impl fmt::Display for Outcome {
    /// The name in reports: `HTTP 504`, `gRPC UNAVAILABLE`, `timeout`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status) => write!(formatter, "HTTP {status}"),
            Self::Grpc(code) => write!(formatter, "gRPC {}", code_name(Code::from(*code))),
            Self::ConnectionRefused => formatter.write_str("connection refused"),
            Self::ConnectionReset => formatter.write_str("connection reset"),
            Self::ConnectTimeout => formatter.write_str("connect timeout"),
            Self::Timeout => formatter.write_str("timeout"),
            Self::InvalidResponse => formatter.write_str("invalid response"),
            Self::Other => formatter.write_str("other"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_the_names_of_their_protocols() {
        for (outcome, name, success) in [
            (Outcome::Http(200), "HTTP 200", true),
            (Outcome::Http(304), "HTTP 304", false),
            (Outcome::Http(504), "HTTP 504", false),
            (Outcome::Grpc(0), "gRPC OK", true),
            (Outcome::Grpc(14), "gRPC UNAVAILABLE", false),
            (Outcome::Grpc(99), "gRPC UNKNOWN", false),
            (Outcome::Timeout, "timeout", false),
        ] {
            assert_eq!((outcome.to_string().as_str(), outcome.is_success()), (name, success));
        }
    }
}
