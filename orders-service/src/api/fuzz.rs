//! Page tokens, made up by chance.

use std::path::Path;

use testkit::fuzz;
use types::UserId;

use super::{Cursor, Status};

#[test]
fn z4_a_page_token_is_good_for_one_list_of_one_user() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/page-tokens");
    let words = [
        "eyJ1c2VyIjo3",
        "InN0YXR1cyI6bnVsbCwi",
        "IlNISVBQRUQi",
        "OTIyMzM3MjAzNjg1NDc3NTgwOA",
        "LTE",
        "W1tb",
        "fQ",
        "=",
        "+",
        "/",
        "_",
        "-",
        "AAAA",
        "\u{0}",
    ];
    let users = [1, 7, i64::MAX].map(|id| UserId::try_from(id).unwrap());
    let statuses = [None, Some(Status::Confirmed), Some(Status::Shipped), Some(Status::Cancelled)];
    fuzz("orders' page tokens", &corpus, &words, |bytes| {
        let token = String::from_utf8_lossy(bytes);
        let lists = users.iter().flat_map(|user| statuses.iter().map(move |status| (*user, *status)));
        let opened: Vec<_> = lists
            .filter_map(|(user, status)| Some((user, status, Cursor::open(&token, user, status).ok()?)))
            .collect();
        match opened.as_slice() {
            [] => assert!(!token.is_empty()),
            [(user, status, Some(position))] => assert_eq!(Cursor::seal(*position, *user, *status), token),
            all => assert!(token.is_empty() && all.iter().all(|(_, _, position)| position.is_none())),
        }
        (opened.len(), token.len() / 8)
    });
}
