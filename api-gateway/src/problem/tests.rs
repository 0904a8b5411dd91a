use proto::{Reason, Rejection};
use tonic::Status;

use super::from_status::MORE_PRECISE;
use super::*;

fn http(status: Status) -> (u16, String) {
    let problem = Problem::from(status);
    (problem.0.status.as_u16(), problem.0.code.into_owned())
}

#[test]
fn every_code_has_its_http_status() {
    for (code, wanted) in [
        (Code::InvalidArgument, (400, "invalid_argument")),
        (Code::OutOfRange, (400, "out_of_range")),
        (Code::Unauthenticated, (401, "unauthenticated")),
        (Code::PermissionDenied, (403, "permission_denied")),
        (Code::NotFound, (404, "not_found")),
        (Code::AlreadyExists, (409, "already_exists")),
        (Code::Aborted, (409, "aborted")),
        (Code::FailedPrecondition, (409, "failed_precondition")),
        (Code::ResourceExhausted, (429, "resource_exhausted")),
        (Code::Unavailable, (503, "unavailable")),
        (Code::DeadlineExceeded, (504, "deadline_exceeded")),
        (Code::Cancelled, (504, "deadline_exceeded")),
        (Code::Unimplemented, (501, "unimplemented")),
        (Code::Unknown, (500, "internal")),
        (Code::Internal, (500, "internal")),
        (Code::DataLoss, (500, "internal")),
    ] {
        assert_eq!(http(Status::new(code, "tcp 10.0.0.7")), (wanted.0, wanted.1.to_owned()));
    }
}

#[test]
fn every_reason_becomes_the_code_and_some_decide_the_status() {
    for reason in Reason::ALL {
        let status = Rejection::new(Code::FailedPrecondition, reason, "no").into_status();
        let wanted = MORE_PRECISE
            .iter()
            .find(|(known, _)| *known == reason)
            .map_or(409, |(_, status)| status.as_u16());
        assert_eq!(http(status), (wanted, reason.as_str().to_ascii_lowercase()), "{reason:?}");
    }
}

#[test]
fn what_a_library_said_goes_to_the_log_only() {
    for code in [Code::Internal, Code::Unknown, Code::Unavailable, Code::NotFound] {
        let problem = Problem::from(Status::new(code, "tcp 10.0.0.7 refused"));
        assert_eq!(problem.cause(), Some(format!("{code:?}: tcp 10.0.0.7 refused").as_str()));
        assert!(!problem.0.detail.contains("10.0.0.7"));
    }
}

#[test]
fn who_should_wait_is_told_how_long() {
    for code in [Code::Unavailable, Code::DeadlineExceeded, Code::ResourceExhausted] {
        let response = Problem::from(Status::new(code, "")).document("r-1");
        assert_eq!(response.headers()["retry-after"], "1", "{code:?}");
    }
}

#[test]
fn titles_are_for_people() {
    assert_eq!(title("insufficient_stock"), "Insufficient stock");
    assert_eq!(title(""), "");
}
