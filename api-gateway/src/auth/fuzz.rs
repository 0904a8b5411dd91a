//! Headers that say who asks, made up by chance.

use std::sync::Arc;

use http::HeaderValue;
use testkit::fuzz;
use types::Timestamp;

use super::Refusal;
use super::claims::Expected;
use super::key::Key;
use super::key_set::KeySet;
use crate::fuzz::corpus;
use crate::guard::bearer;

/// What the tokens of the corpus are signed with, and when they are good, in microseconds.
const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const NOW: i64 = 1_763_842_530_000_000;

#[test]
fn j1_nothing_is_believed_but_what_was_signed() {
    let good = ["good-user", "good-admin"].map(|name| {
        let header = std::fs::read_to_string(corpus("tokens").join(name)).unwrap();
        header.strip_prefix("Bearer ").unwrap().to_owned()
    });
    let keys = KeySet::only(Key::of_secret(SECRET), Arc::new(Expected::default()));
    let words = [
        ".",
        "..",
        "=",
        "Bearer ",
        "bearer  ",
        "eyJ",
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJSUzI1NiJ9",
        "AAAA",
        "_",
        "-",
        "+",
        "\u{0}",
        ",",
        "\"",
    ];
    fuzz("tokens", &corpus("tokens"), &words, |bytes| {
        let header = HeaderValue::from_bytes(bytes).map_err(|_| "no header")?;
        let token = bearer(&header).ok_or("no token")?;
        match keys.verify(token, Timestamp::from_micros(NOW)) {
            Ok(identity) => {
                assert!(good.iter().any(|good| good == token), "{token} is believed");
                Ok(identity.user_id.get())
            }
            Err(Refusal::Invalid(why)) => Err(why),
            Err(Refusal::Expired) => Err("expired"),
            Err(Refusal::UnknownKey | Refusal::NoKeys) => unreachable!("there is one key for all"),
        }
    });
}
