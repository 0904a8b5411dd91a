use super::*;

/// What follows this head, found whole.
fn framing(head: &str) -> Result<Framing, Refusal> {
    let length = length(head.as_bytes(), 0)?.unwrap();
    assert_eq!(length, head.len(), "{head:?}");
    check(head.as_bytes())
}

fn refusal(head: &str) -> Refusal {
    match framing(head) {
        Err(refusal) => refusal,
        Ok(framing) => panic!("{head:?} is followed by {framing:?}"),
    }
}

#[test]
fn a_good_head_says_what_follows() {
    let nothing = Framing::Length(0);
    for (head, follows) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", nothing),
        ("GET / HTTP/1.1\r\nhOsT:\t localhost:8080 \t\r\n\r\n", nothing),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\nx:\r\ny: \u{e4}\r\n\r\n", nothing),
        ("GET / HTTP/1.0\r\n\r\n", nothing),
        ("GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", nothing),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", nothing),
        ("POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:  007 \r\n\r\n", Framing::Length(7)),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::chunked()),
    ] {
        assert_eq!(framing(head), Ok(follows), "{head:?}");
    }
}

#[test]
fn s1_what_can_be_read_in_two_ways_is_refused() {
    let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 18446744073709551615",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
        "Transfer-Encoding : chunked",
        "Content-Length\t: 5",
        " Content-Length: 5",
        "x: y\r\n z",
        "x: y\r\n\tContent-Length: 5",
        "Host: a",
        "host: b",
        "no colon",
        ": no name",
        "b\u{e4}d: name",
        "x: \u{0}",
        "x: \u{1b}[2J",
        "x: \u{7f}",
    ] {
        assert!(matches!(refusal(&with(fields)), Malformed(_)), "{fields:?}");
    }
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n",
        " / HTTP/1.1\r\nHost: a\r\n\r\n",
        "- / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert!(matches!(refusal(head), Malformed(_)), "{head:?}");
    }
}

#[test]
fn s1_a_line_ends_in_cr_lf() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n",
        "GET / HTTP/1.1\rHost: a",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\n",
    ] {
        assert_eq!(length(head.as_bytes(), 0), Err(Malformed("lines must end in CR LF")), "{head:?}");
    }
}

#[test]
fn an_end_is_found_however_the_head_arrives() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
    for first in 0..head.len() {
        let found = length(&head[..first], 0).unwrap();
        assert_eq!(found, (first >= 27).then_some(27), "{first}");
        assert_eq!(length(head, first.min(26)), Ok(Some(27)), "{first}");
    }
}

#[test]
fn b4_heads_have_a_size_and_a_number_of_fields() {
    let head = |padding: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "x".repeat(padding));
    let around = head(0).len();
    assert_eq!(framing(&head(MAX_BYTES - around)), Ok(Framing::Length(0)));
    assert_eq!(refusal(&head(MAX_BYTES - around + 1)), TooLarge);
    assert_eq!(length(&[b'x'; MAX_BYTES], 0), Err(TooLarge), "without an end");
    assert_eq!(length(&[b'x'; MAX_BYTES - 1], 0), Ok(None));

    let fields = |number| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(number - 1));
    assert_eq!(framing(&fields(MAX_FIELDS)), Ok(Framing::Length(0)));
    assert_eq!(refusal(&fields(MAX_FIELDS + 1)), TooLarge);
}
