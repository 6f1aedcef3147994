//! What can go wrong with a file, sorted by what a caller can do about it.

use std::io;

use rusqlite::{Error, ErrorCode};

/// The file cannot be used now, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unavailable(pub(super) String);

/// What every call is told whose thread is gone. Only a defect in this crate can end it.
pub(super) fn thread_has_ended() -> Unavailable {
    Unavailable("the thread that owns the file has ended".to_owned())
}

/// Whether only this row is at fault: its neighbours in the transaction can be committed.
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

/// Whether this process may not write the file, which is for the operator to change.
pub(super) fn is_not_writable(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied)
    )
}

/// Whether making a directory may succeed later although it failed now. Everything else (no permission, a file
/// in the way, a path that cannot be) stays as it is until the operator changes it.
pub(super) fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        Interrupted, OutOfMemory, QuotaExceeded, StaleNetworkFileHandle, StorageFull, TimedOut,
    };
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | Interrupted | TimedOut | OutOfMemory | StaleNetworkFileHandle
    )
}

/// The reason in plain words. `SQLite`'s own text for the usual failures says less, or names the path again.
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
