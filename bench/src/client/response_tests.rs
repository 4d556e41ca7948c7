//! The parser against a table of responses, cut at every byte and byte by byte.

use super::*;
use proptest::prelude::*;

/// Feeds pieces as a socket would and keeps what was not used, as the driver does.
fn read(parser: &mut ResponseParser, pieces: &[&[u8]]) -> Result<(Vec<Answer>, Vec<u8>), Garbage> {
    let (mut kept, mut answers, mut body) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let (used, step) = parser.next(&kept[at..])?;
            at += used;
            match step {
                Step::NeedMore => break,
                Step::Interim => {}
                Step::Body(bytes) => body.extend_from_slice(bytes),
                Step::Done(answer) => answers.push(answer),
            }
        }
        kept.drain(..at);
    }
    answers.extend(parser.end_of_input());
    Ok((answers, body))
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nDate: x\r\n\r\n{\"status\":\"ok\"}";

/// Input; status and keep-alive of its answers; their bodies.
type Case = (&'static str, Vec<(u16, bool)>, &'static str);

fn table() -> Vec<Case> {
    vec![
        (OK, vec![(200, true)], "{\"status\":\"ok\"}"),
        ("HTTP/1.1 204 No Content\r\n\r\n", vec![(204, true)], ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", vec![(304, true)], ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", vec![(200, true)], ""),
        ("HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno", vec![(503, false)], "no"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", vec![(200, false)], "a"),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na", vec![(200, true)], "a"),
        ("HTTP/1.1 200 OK\r\n\r\nto the end", vec![(200, false)], "to the end"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nT: x\r\n\r\n",
            vec![(200, true)],
            "hello!",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb",
            vec![(200, true)],
            "b",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nb\
             HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ncHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nd",
            vec![(200, true), (404, true), (200, true), (200, true)],
            "abcd",
        ),
    ]
}

#[test]
fn responses_split_at_every_byte() {
    for (text, expected, body) in table() {
        let expected: Vec<Answer> =
            expected.iter().map(|&(status, keep_alive)| Answer { status, keep_alive }).collect();
        let bytes = text.as_bytes();
        for cut in 0..=bytes.len() {
            let pieces = [&bytes[..cut], &bytes[cut..]];
            let (answers, seen) = read(&mut ResponseParser::with_bodies(), &pieces).unwrap();
            assert_eq!(
                (answers, seen.as_slice()),
                (expected.clone(), body.as_bytes()),
                "{text:?} cut at {cut}"
            );
            let (answers, _) = read(&mut ResponseParser::new(false), &pieces).unwrap();
            assert_eq!(answers, expected, "{text:?} cut at {cut}, bodies skipped");
        }
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(
            read(&mut ResponseParser::new(false), &singles).unwrap().0,
            expected,
            "{text:?} byte by byte"
        );
    }
}

#[test]
fn any_number_of_interim_responses_is_skipped() {
    // Read by recursion they overflowed the stack and ended the generator.
    for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\nLink: </a>\n\n"] {
        let text = interim.repeat(100_000) + OK;
        for pieces in [vec![text.as_bytes()], text.as_bytes().chunks(65_536).collect()] {
            let (answers, _) = read(&mut ResponseParser::new(false), &pieces).unwrap();
            assert_eq!(answers, [Answer { status: 200, keep_alive: true }], "{interim:?}");
        }
    }
}

#[test]
fn a_number_below_100_is_no_status() {
    for status in ["000", "001", "020", "099"] {
        let text = format!("HTTP/1.1 {status} OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(read(&mut ResponseParser::new(false), &[text.as_bytes()]), Err(Garbage::Head), "{status}");
    }
}

#[test]
fn a_pipelined_run_split_at_every_byte() {
    let bytes = OK.repeat(5).into_bytes();
    for cut in 0..=bytes.len() {
        let mut parser = ResponseParser::new(false);
        let (answers, _) = read(&mut parser, &[&bytes[..cut], &bytes[cut..]]).unwrap();
        assert_eq!(answers.len(), 5, "cut at {cut}");
    }
}

#[test]
fn a_head_that_changes_is_not_taken_for_the_usual_one() {
    let other = OK.replace("Date: x", "Date: y").replace("200 OK", "500 NO");
    let mut parser = ResponseParser::new(false);
    let (answers, _) = read(&mut parser, &[OK.as_bytes(), other.as_bytes(), OK.as_bytes()]).unwrap();
    assert_eq!(answers.iter().map(|a| a.status).collect::<Vec<_>>(), [200, 500, 200]);
}

#[test]
fn head_answers_have_no_body() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    let (answers, _) = read(&mut ResponseParser::new(true), &[text.as_bytes(), text.as_bytes()]).unwrap();
    assert_eq!(answers.len(), 2);
}

#[test]
fn garbage_is_seen_at_its_first_byte() {
    for text in [
        "G",
        "HTTX",
        "HTTP/2.0 200 OK\r\n",
        "<html>",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    ] {
        assert!(read(&mut ResponseParser::new(false), &[text.as_bytes()]).is_err(), "{text:?}");
        let singles: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert!(read(&mut ResponseParser::new(false), &singles).is_err(), "{text:?} byte by byte");
    }
}

#[test]
fn nothing_is_read_without_end() {
    let endless_head = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_BYTES_MAX));
    let endless_line = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", "0".repeat(9000));
    for text in [endless_head, endless_line] {
        assert_eq!(read(&mut ResponseParser::new(false), &[text.as_bytes()]), Err(Garbage::TooLong));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_cuts_give_the_same_answers(order in prop::collection::vec(0usize..10, 1..6), cuts in prop::collection::vec(0usize..600, 0..8)) {
        let cases: Vec<_> = table().into_iter().filter(|case| case.1.iter().all(|a| a.1)).collect();
        let text: String = order.iter().map(|&k| cases[k % cases.len()].0).collect();
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        let whole = read(&mut ResponseParser::new(false), &[bytes]).unwrap();
        prop_assert_eq!(read(&mut ResponseParser::new(false), &pieces).unwrap(), whole);
    }

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut input = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        input.extend(bytes);
        let _ = read(&mut ResponseParser::new(false), &[&input]);
    }
}
