//! The driver's errors, sorted by what the caller can do.

use mongodb::error::{Error as Driver, ErrorKind, WriteFailure};

use crate::store::Error;

/// For a read: nothing was changed, so all that matters is whether it may be repeated.
pub(super) fn of_read(error: Driver) -> Error {
    match error.kind.as_ref() {
        ErrorKind::Command(refusal) if !passes(refusal.code) => Error::defect(error),
        _ if is_defect(&error.kind) => Error::defect(error),
        _ => Error::unavailable(error),
    }
}

/// For a write. Certain are only a refusal by the server, and that the command was never sent; a broken
/// connection and a monitor that interrupts a command leave it open whether it was carried out.
pub(super) fn of_write(error: Driver) -> Error {
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::Authentication { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Shutdown => Error::unavailable(error),
        ErrorKind::Command(refusal) if is_not_primary(refusal.code) => Error::unavailable(error),
        ErrorKind::Command(refusal) if !passes(refusal.code) => Error::defect(error),
        ErrorKind::Write(WriteFailure::WriteError(_)) => Error::defect(error),
        _ if is_defect(&error.kind) => Error::defect(error),
        _ => Error::unknown(error),
    }
}

/// Whether a unique index refused a write: somebody else was first.
pub(super) fn is_duplicate_key(error: &Driver) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(refusal)) => refusal.code == code::DUPLICATE_KEY,
        ErrorKind::Command(refusal) => refusal.code == code::DUPLICATE_KEY,
        _ => false,
    }
}

/// Whether the server answered, and its answer will be the same next time: wrong credentials, missing rights, an
/// index that contradicts ours.
pub(super) fn is_refusal(error: &Driver) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::InvalidArgument { .. }
        | ErrorKind::IncompatibleServer { .. } => true,
        ErrorKind::Command(refusal) => !passes(refusal.code),
        _ => false,
    }
}

/// Whether the server does not know how to do this, as one that only speaks the protocol may.
pub(super) fn is_not_implemented(error: &Driver) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(refusal) if refusal.code == code::NOT_IMPLEMENTED)
}

/// What the server said, in one line, without addresses and labels around it.
pub(super) fn said(error: &Driver) -> String {
    let text = match error.kind.as_ref() {
        ErrorKind::Authentication { message, .. } => message.clone(),
        ErrorKind::Command(refusal) => format!("{} ({})", refusal.message, refusal.code_name),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}

fn is_defect(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Bson(_)
            | ErrorKind::BsonDeserialization(_)
            | ErrorKind::BsonSerialization(_)
            | ErrorKind::InvalidArgument { .. }
            | ErrorKind::InvalidResponse { .. }
            | ErrorKind::IncompatibleServer { .. }
    )
}

/// The command came to a server that takes no writes, and did nothing.
fn is_not_primary(code: i32) -> bool {
    matches!(
        code,
        code::NOT_WRITABLE_PRIMARY | code::NOT_PRIMARY_NO_SECONDARY_OK | code::NOT_PRIMARY_OR_SECONDARY
    )
}

/// Whether circumstances are to blame, which pass: another server takes over, this one stops or is overloaded. The
/// command may have been carried out.
fn passes(code: i32) -> bool {
    is_not_primary(code)
        || matches!(
            code,
            code::INTERNAL
                | code::HOST_UNREACHABLE
                | code::HOST_NOT_FOUND
                | code::MAX_TIME_EXPIRED
                | code::WRITE_CONCERN_FAILED
                | code::NETWORK_TIMEOUT
                | code::SHUTDOWN_IN_PROGRESS
                | code::WRITE_CONFLICT
                | code::PRIMARY_STEPPED_DOWN
                | code::EXCEEDED_TIME_LIMIT
                | code::SOCKET
                | code::INTERRUPTED_AT_SHUTDOWN
                | code::INTERRUPTED
                | code::INTERRUPTED_BY_STATE_CHANGE
        )
}

/// <https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml>
mod code {
    pub(super) const INTERNAL: i32 = 1;
    pub(super) const HOST_UNREACHABLE: i32 = 6;
    pub(super) const HOST_NOT_FOUND: i32 = 7;
    pub(super) const MAX_TIME_EXPIRED: i32 = 50;
    pub(super) const WRITE_CONCERN_FAILED: i32 = 64;
    pub(super) const NETWORK_TIMEOUT: i32 = 89;
    pub(super) const SHUTDOWN_IN_PROGRESS: i32 = 91;
    pub(super) const WRITE_CONFLICT: i32 = 112;
    pub(super) const PRIMARY_STEPPED_DOWN: i32 = 189;
    pub(super) const NOT_IMPLEMENTED: i32 = 238;
    pub(super) const EXCEEDED_TIME_LIMIT: i32 = 262;
    pub(super) const SOCKET: i32 = 9001;
    pub(super) const NOT_WRITABLE_PRIMARY: i32 = 10107;
    pub(super) const DUPLICATE_KEY: i32 = 11000;
    pub(super) const INTERRUPTED_AT_SHUTDOWN: i32 = 11600;
    pub(super) const INTERRUPTED: i32 = 11601;
    pub(super) const INTERRUPTED_BY_STATE_CHANGE: i32 = 11602;
    pub(super) const NOT_PRIMARY_NO_SECONDARY_OK: i32 = 13435;
    pub(super) const NOT_PRIMARY_OR_SECONDARY: i32 = 13436;
}
