//! What the generator reads from servers of every kind, and what it sends them.

use crate::measured::command::{bench, read};
use crate::measured::{OK, Reply, serve, serve_by_head, serve_then_close};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

fn report(address: SocketAddr, arguments: &[&str]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let url = format!("http://{address}/x");
    let own =
        [&url, "-n", "20", "-c", "2", "--no-probe", "--timeout", "2s", "--json", json.to_str().unwrap()];
    let told = bench(&[&own[..], arguments].concat());
    assert!(json.exists(), "{}", told.err);
    (told.code, read(&json))
}

#[test]
fn unusual_answers_are_answers() {
    let cookies = |number: usize| "Set-Cookie: a=b\r\n".repeat(number);
    let whole = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok");
    for (name, answer, code) in [
        ("65 fields", whole(&cookies(63)), "200"),
        ("70 fields", whole(&cookies(70)), "200"),
        ("3,000 fields", whole(&cookies(3_000)), "200"),
        ("12,000 short fields", whole(&"a:\n".repeat(12_000)), "200"),
        ("line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok".into(), "200"),
        ("line feeds mixed", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok".into(), "200"),
        ("the other way", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\nok".into(), "200"),
        ("chunks", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n".into(), "200"),
        ("101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".into(), "101"),
        ("101 and more", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nbytes of x".into(), "101"),
        ("103 before it", format!("HTTP/1.1 103 Early Hints\n\n{}", whole("")), "200"),
    ] {
        let (exit, report) = report(serve(move |_, _| Reply::Bytes(answer.clone().into_bytes())), &[]);
        assert_eq!((exit, &report["errors"]), (0, &0.into()), "{name}: {}", report["reasons"]);
        assert_eq!(report["status"], serde_json::json!({code: 20}), "{name}");
    }
}

#[test]
fn what_is_no_http_is_reported_as_what_it_is() {
    for (bytes, said) in [
        (&[0x15, 3, 1, 0, 2, 2, 70][..], "it speaks TLS: use https://"),
        (&[0x16, 3, 3, 0, 1, 1], "it speaks TLS: use https://"),
        (&[0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100], "HTTP/2"),
        (b"SSH-2.0-OpenSSH_9\r\n", "SSH"),
        (b"-ERR unknown command 'POST'\r\n", "Redis"),
        (b"<html>hello</html>", "HTTP/0.9"),
        (b"hello", "\"hello\""),
    ] {
        let (exit, report) = report(serve_then_close(bytes.to_vec()), &[]);
        assert_eq!(exit, 1, "{said}");
        let reason = report["reasons"][0]["reason"].as_str().unwrap();
        assert!(reason.contains(said) && report["reasons"][0]["kind"] == "garbage", "{reason}");
    }
}

#[test]
fn every_request_has_one_length_at_most() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&heads);
    let address = serve_by_head(move |head, body, _| {
        notes.lock().unwrap().push((head.to_lowercase(), body.to_vec()));
        Reply::Bytes(OK.to_vec())
    });
    for (arguments, lengths, body) in [
        (&["-m", "POST"][..], &["content-length: 0"][..], &b""[..]),
        (&["-m", "PUT"], &["content-length: 0"], b""),
        (&["-m", "PATCH", "-H", "X: y"], &["content-length: 0"], b""),
        (&["-m", "GET"], &[], b""),
        (&["-m", "DELETE"], &[], b""),
        (&["-m", "DELETE", "-b", "ab"], &["content-length: 2"], b"ab"),
        (&["-m", "POST", "-b", ""], &["content-length: 0"], b""),
        (&["-b", "{{{{ v }} {{ n % 1 }}"], &["content-length: 9"], b"{{ v }} 0"),
    ] {
        heads.lock().unwrap().clear();
        let (exit, _) = report(address, arguments);
        assert_eq!(exit, 0, "{arguments:?}");
        let (head, sent) = heads.lock().unwrap()[0].clone();
        let seen: Vec<&str> =
            head.lines().filter(|line| line.contains("-length") || line.contains("-encoding")).collect();
        assert_eq!((seen, sent.as_slice()), (lengths.to_vec(), body), "{arguments:?}");
    }
    heads.lock().unwrap().clear();
    let url = format!("http://{address}/x");
    for fields in [
        &["-H", "Content-Length: 99"][..],
        &["-H", "content-length: 0", "-m", "POST"],
        &["-H", "Transfer-Encoding: chunked", "-b", "x"],
        &["-H", "Host: a", "-H", "host: b"],
    ] {
        let told = bench(&[&[&url, "-n", "1", "--no-probe"], fields].concat());
        assert_eq!(told.code, 2, "{fields:?}: {}{}", told.out, told.err);
    }
    assert!(heads.lock().unwrap().is_empty());
}
