use super::*;

/// How many of the bytes are the body's, and whether it is over then.
fn passed(bytes: &[u8]) -> Result<(usize, bool), Refusal> {
    let mut framing = Framing::chunked();
    let passed = framing.pass(bytes)?;
    Ok((passed, framing.is_over()))
}

#[test]
fn a_length_is_counted() {
    let mut framing = Framing::Length(5);
    assert_eq!((framing.pass(b"abc"), framing.is_over()), (Ok(3), false));
    assert_eq!((framing.pass(b"deGET /"), framing.is_over()), (Ok(2), true));
    assert_eq!(framing.pass(b"GET /"), Ok(0));
}

#[test]
fn chunks_end_where_they_say() {
    for (body, over) in [
        ("0\r\n\r\n", true),
        ("00000000\r\n\r\n", true),
        ("3\r\nabc\r\n0\r\n\r\n", true),
        ("3\r\n\r\n\r\r\n0A\r\n0123456789\r\n0\r\n\r\n", true),
        ("3\r\nabc\r\n0\r\n", false),
        ("3\r\nab", false),
        ("", false),
    ] {
        assert_eq!(passed(body.as_bytes()), Ok((body.len(), over)), "{body:?}");
        if over {
            assert_eq!(passed(format!("{body}GET /").as_bytes()), Ok((body.len(), true)), "{body:?}");
        }
    }
}

#[test]
fn s1_chunks_that_can_be_read_in_two_ways_are_refused() {
    for body in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\n",
        "1;a=b\r\n",
        "1\n",
        "1\r\r",
        "1\r\na\n",
        "1\r\nab\r\n",
        "1\r\na\rx",
        "000000001\r\n",
        "fffffffff\r\n",
        "0\r\nx: y\r\n\r\n",
        "0\r\n\n",
        "0\n\n",
    ] {
        assert!(passed(body.as_bytes()).is_err(), "{body:?}");
    }
}
