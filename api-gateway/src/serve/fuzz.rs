//! Heads and bodies of HTTP/1, made up by chance.

use testkit::fuzz;

use super::framing::{Chunks, Framing};
use super::head::{self, MAX_FIELDS};
use super::refusal::Refusal;
use crate::fuzz::corpus;

/// Where the head ends, as these bytes arrive piece by piece.
fn piecemeal(bytes: &[u8], piece: usize) -> Result<Option<usize>, Refusal> {
    let mut seen = 0;
    while seen < bytes.len() {
        let there = bytes.len().min(seen + piece);
        if let Some(end) = head::length(&bytes[..there], seen)? {
            return Ok(Some(end));
        }
        seen = there;
    }
    Ok(None)
}

#[test]
fn s1_heads_that_pass_are_read_in_one_way() {
    let words = [
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        ": ",
        " ",
        "\t",
        "\u{0}",
        "GET ",
        "HTTP/1.1",
        "HTTP/1.0",
        "Host: a\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "content-length",
        "transfer-encoding",
        "5, 5",
        "+5",
        "0x5",
        "gzip, ",
        "identity",
        "99999999999999999999",
        "_",
        "é",
    ];
    fuzz("heads", &corpus("heads"), &words, |bytes| {
        let length = head::length(bytes, 0);
        let piece = if bytes.len() < 512 { 1 } else { 97 };
        assert_eq!(piecemeal(bytes, piece).map_err(drop), length.map_err(drop));
        let end = match length {
            Ok(Some(end)) => end,
            Ok(None) => return Err(None),
            Err(refusal) => return Err(Some(format!("{refusal:?}"))),
        };
        let head = &bytes[..end];
        let framing = head::check(head).map_err(|refusal| Some(format!("{refusal:?}")))?;
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        // What hyper then refuses is answered by its own 400, and the connection ends.
        let Ok(read) = request.parse(bytes) else { return Err(None) };
        assert_eq!(read, httparse::Status::Complete(end), "the next request begins where we say");
        let values = |wanted: &str| {
            let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(wanted));
            named.map(|field| std::str::from_utf8(field.value).unwrap().to_owned()).collect::<Vec<_>>()
        };
        let hosts = values("host").len();
        assert!(hosts == 1 || (hosts == 0 && request.version == Some(0)), "{hosts} hosts");
        let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
        match framing {
            Framing::Chunks(_) => assert_eq!((lengths.len(), codings.len()), (0, 1)),
            Framing::Length(length) => {
                assert_eq!(codings.len(), 0);
                assert_eq!(lengths.first().map_or(0, |text| text.parse().unwrap()), length);
                assert!(lengths.len() <= 1);
            }
        }
        Ok((matches!(framing, Framing::Chunks(_)), request.headers.len()))
    });
}

/// The end of a body in chunks, and its data, by hand.
fn by_hand(mut bytes: &[u8]) -> Option<usize> {
    let all = bytes.len();
    loop {
        let line = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let (size, rest) = (std::str::from_utf8(&bytes[..line]).ok()?, &bytes[line + 2..]);
        let plain = (1..=8).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| plain)?;
        bytes = rest.get(size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some(all - bytes.len());
        }
    }
}

#[test]
fn s1_chunks_end_where_they_end_by_hand() {
    let words = [
        "\r\n",
        "\n",
        "\r",
        "0\r\n\r\n",
        "1\r\na\r\n",
        "a",
        "F",
        "00000001",
        "ffffffff",
        ";x=y",
        " ",
        "-",
        "+",
    ];
    fuzz("chunks", &corpus("chunks"), &words, |bytes| {
        let mut whole = Framing::chunked();
        let passed = whole.pass(bytes);
        let mut pieces = Framing::chunked();
        let piecemeal =
            bytes.chunks(3).try_fold(0, |sum, piece| pieces.pass(piece).map(|passed| sum + passed));
        assert_eq!(piecemeal.map_err(drop), passed.map_err(drop));
        let over = passed.ok().filter(|_| whole.is_over());
        assert_eq!(over, by_hand(bytes));
        passed
            .map(|passed| {
                assert_eq!((pieces, pieces.is_over()), (whole, whole.is_over()));
                assert!(passed <= bytes.len() && (whole.is_over() || passed == bytes.len()));
                let state = match whole {
                    Framing::Length(_) => unreachable!("chunks stay chunks"),
                    Framing::Chunks(Chunks::Size { digits, .. }) => u64::from(digits),
                    Framing::Chunks(Chunks::SizeEnds(_)) => 10,
                    Framing::Chunks(Chunks::Data(left)) => 20 + u64::from(left.ilog2()),
                    Framing::Chunks(Chunks::Cr { last }) => 100 + u64::from(last),
                    Framing::Chunks(Chunks::Lf { last }) => 102 + u64::from(last),
                    Framing::Chunks(Chunks::Ended) => 104,
                };
                (state, passed.checked_ilog2())
            })
            .map_err(|refusal| format!("{refusal:?}"))
    });
}
