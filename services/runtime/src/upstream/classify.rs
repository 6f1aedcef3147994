//! Classifies failed calls.
//!
//! A call may be retried only when it was provably not processed. The status code does not show that: tonic reports a
//! request that was never written as CANCELLED, a GOAWAY as INTERNAL and a broken connection as UNKNOWN. The chain of
//! sources does.

use std::error::Error;

use tonic::{Code, Status};

use super::{pool::Unresolved, response::InvalidResponse};
use crate::failure_path::DEADLINE_PASSED;

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The upstream returned this status.
    Answered,
    /// Not processed: connecting failed, the request was never written, or the upstream refused the stream.
    NotProcessed,
    /// The connection failed after the upstream may have received the request.
    Interrupted,
    /// The response is not valid gRPC.
    InvalidResponse,
    /// The deadline passed.
    DeadlinePassed,
}

/// A failed call: the cause, and the status for the caller.
#[derive(Debug, thiserror::Error)]
#[error("{status}")]
pub struct CallError {
    /// The upstream's own status, or one for the transport.
    pub status: Status,
    /// The cause.
    pub failure: Failure,
}

impl CallError {
    /// The deadline passed.
    pub fn deadline_passed() -> Self {
        Self { status: Status::deadline_exceeded(DEADLINE_PASSED), failure: Failure::DeadlinePassed }
    }

    /// The upstream's own status, or one that describes the transport's failure.
    pub fn from_status(status: Status) -> Self {
        let failure = classify(&status);
        match failure {
            Failure::Answered => Self { status, failure },
            Failure::InvalidResponse => {
                let (code, message) = invalid_response(&status)
                    .map_or((Code::Internal, String::new()), |invalid| (invalid.code(), invalid.to_string()));
                Self { status: Status::new(code, message), failure }
            }
            Failure::DeadlinePassed => Self::deadline_passed(),
            Failure::NotProcessed | Failure::Interrupted => {
                Self { status: Status::new(Code::Unavailable, reason(&status)), failure }
            }
        }
    }
}

/// Classifies by the sources of `status`, never by its code.
pub fn classify(status: &Status) -> Failure {
    let mut cause = status.source();
    if cause.is_none() {
        return Failure::Answered;
    }
    if invalid_response(status).is_some() {
        return Failure::InvalidResponse;
    }
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return Failure::DeadlinePassed;
        }
        if is_unprocessed(error) {
            return Failure::NotProcessed;
        }
        cause = error.source();
    }
    Failure::Interrupted
}

fn invalid_response(status: &Status) -> Option<&InvalidResponse> {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(invalid) = error.downcast_ref() {
            return Some(invalid);
        }
        cause = error.source();
    }
    None
}

fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    if error.is::<tonic::ConnectError>() || error.is::<Unresolved>() {
        return true;
    }
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (refused || error.is_go_away() && !blames_the_caller(error))
    })
}

/// Whether the upstream closed the connection because of its traffic. A retry could close the next connection too, with
/// every other call on it.
fn blames_the_caller(error: &h2::Error) -> bool {
    const REASONS: [h2::Reason; 5] = [
        h2::Reason::PROTOCOL_ERROR,
        h2::Reason::FLOW_CONTROL_ERROR,
        h2::Reason::FRAME_SIZE_ERROR,
        h2::Reason::COMPRESSION_ERROR,
        h2::Reason::ENHANCE_YOUR_CALM,
    ];
    error.reason().is_some_and(|reason| REASONS.contains(&reason))
}

/// A short reason from the deepest source, without addresses.
pub(super) fn reason(status: &Status) -> String {
    let mut cause = status.source();
    let mut reason = None;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            reason = Some(error.kind().to_string());
        } else if let Some(h2) = error.downcast_ref::<h2::Error>() {
            let described = h2.reason().map(|reason| reason.description().to_owned());
            reason = h2.get_io().map(|error| error.kind().to_string()).or(described).or(reason);
        } else if error.is::<Unresolved>() {
            reason = Some(error.to_string());
            break;
        }
        cause = error.source();
    }
    match (reason, classify(status)) {
        (Some(reason), Failure::NotProcessed) => format!("cannot be reached: {reason}"),
        (Some(reason), _) => format!("connection lost: {reason}"),
        (None, Failure::NotProcessed) => "cannot be reached".to_owned(),
        (None, _) => "connection lost".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_a_source_is_the_upstreams_own() {
        let status = Status::unavailable("store unavailable");
        assert_eq!(classify(&status), Failure::Answered);
        assert_eq!(CallError::from_status(status).status.message(), "store unavailable");
    }

    #[test]
    fn a_broken_connection_is_unavailable_and_not_retried() {
        let status = Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
        assert_eq!(classify(&status), Failure::Interrupted);
        let status = CallError::from_status(status).status;
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "connection lost: connection reset")
        );
    }
}
