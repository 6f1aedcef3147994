//! Errors of a file, by what a caller can do about them.

use std::io;

use rusqlite::{Error, ErrorCode};

/// The file cannot be used now, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unavailable(pub(super) String);

/// The error of every call after the adapter's thread has ended, which only a defect in this crate can cause.
pub(super) fn thread_has_ended() -> Unavailable {
    Unavailable("the thread that owns the file has ended".to_owned())
}

/// Whether only this row is at fault: the others in the transaction can be committed.
pub(super) fn is_of_the_row(error: &Error) -> bool {
    match error {
        Error::ToSqlConversionFailure(_) => true,
        _ => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
        ),
    }
}

/// Whether another connection holds the lock.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether this process may not write the file: an operator has to change that.
pub(super) fn is_not_writable(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied)
    )
}

/// Whether creating a directory may succeed later. Other errors (no permission, a file at the path, an invalid path)
/// last until an operator acts.
pub(super) fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{
        Interrupted, OutOfMemory, QuotaExceeded, StaleNetworkFileHandle, StorageFull, TimedOut,
    };
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | Interrupted | TimedOut | OutOfMemory | StaleNetworkFileHandle
    )
}

/// The reason in plain words. `SQLite`'s own text for the usual failures is less clear, or repeats the path.
pub(super) fn reason(error: &Error) -> String {
    let text = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::NotADatabase) => "the file is not a SQLite database",
        Some(ErrorCode::DatabaseCorrupt) => "the file is damaged",
        Some(ErrorCode::ReadOnly) => "the file is read-only",
        Some(ErrorCode::CannotOpen) => "the file cannot be opened",
        Some(ErrorCode::PermissionDenied) => "access to the file is denied",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "the file is locked by another process",
        Some(ErrorCode::SystemIoFailure) => "reading or writing the file failed",
        _ => return error.to_string(),
    };
    text.to_owned()
}
