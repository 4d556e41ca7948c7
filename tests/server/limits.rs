//! Sizes and framing: what is just within a bound is taken, what is just beyond gets its exact answer and the
//! connection closes.

use crate::process;

use process::Server;
use process::client::{Answer, pixel, plain, request};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

/// Sends `bytes` on a connection of their own; gives the first answer, after which the connection must have ended if
/// the answer says so.
fn alone(server: &Server, bytes: impl AsRef<[u8]>) -> Answer {
    let mut client = server.connect();
    let answer = client.send_in_vain(bytes).answer();
    if answer.closes() {
        client.assert_end();
    }
    answer
}

/// Asserts the status of a refusal: it closes the connection.
fn assert_refused(server: &Server, bytes: impl AsRef<[u8]>, status: u16) {
    let bytes = bytes.as_ref();
    let answer = alone(server, bytes);
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
    assert_eq!((answer.status, answer.closes()), (status, true), "{start:?}");
    assert!(answer.field("date").is_some() && answer.field("content-type").is_some(), "{}", answer.head);
}

/// GET with a target of so many bytes in its request line.
fn with_line(bytes: usize) -> String {
    let around = "GET / HTTP/1.1".len();
    format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(bytes - around))
}

/// GET with these fields behind Host.
fn with_fields(fields: &[String]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("GET /livez HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

#[test]
fn the_request_line_and_the_header() {
    let server = Server::fresh(&[]);
    assert_eq!(alone(&server, with_line(8 * 1024)).status, 404);
    assert_refused(&server, with_line(8 * 1024 + 1), 414);
    // It is refused as soon as it is too long, whole or not.
    assert_refused(&server, format!("GET /{}", "a".repeat(9_000)), 414);

    let field = |bytes: usize| format!("X: {}", "v".repeat(bytes - 3));
    assert_eq!(alone(&server, with_fields(&[field(8 * 1024)])).status, 200);
    assert_refused(&server, with_fields(&[field(8 * 1024 + 1)]), 431);
    let host = "Host: x\r\n".len();
    let half = field(8 * 1024 - 2);
    let rest = |bytes: usize| field(16 * 1024 - host - (8 * 1024) - 2 + bytes);
    assert_eq!(alone(&server, with_fields(&[half.clone(), rest(0)])).status, 200);
    assert_refused(&server, with_fields(&[half, rest(3)]), 431);
    assert_eq!(alone(&server, with_fields(&vec![field(4); 63])).status, 200);
    assert_refused(&server, with_fields(&vec![field(4); 64]), 431);
}

#[test]
fn bodies_are_refused_before_they_are_read() {
    let server = Server::fresh(&[]);
    let padded = |bytes: usize| {
        let pixel = pixel(1, 2, 'R', 3);
        let around = pixel.len() + r#""note":"","#.len();
        format!("{{\"note\":\"{}\",{}", "n".repeat(bytes - around), &pixel[1..])
    };
    assert_eq!(alone(&server, request("POST", "/pixel", JSON, padded(4096))).status, 200);
    assert_refused(&server, request("POST", "/pixel", JSON, padded(4097)), 413);
    let head = |path: &str, bytes: u64| {
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {bytes}\r\n\r\n")
    };
    assert_refused(&server, head("/pixel", 4097), 413);
    assert_refused(&server, head("/pixels", 16 * 1024 * 1024 + 1), 413);
    assert_refused(&server, head("/pixels", u64::MAX), 413);
    assert_refused(&server, head("/nowhere", 4097), 404);
    let chunk = "POST /pixel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_refused(&server, format!("{chunk}1001\r\n"), 413);
    assert_refused(&server, format!("{chunk}ffffffffffffffff\r\n"), 413);
    assert_eq!(alone(&server, plain("GET", "/pixels/count")).text(), r#"{"total":1}"#);
}

/// Answers that do not depend on a body come all the same when it is too long to be read, and end the connection.
#[test]
fn what_does_not_depend_on_the_body_is_answered_by_the_head() {
    let server = Server::fresh(&[]);
    let requests = [
        ("POST", "/nowhere", 404, None),
        ("GET", "/nowhere", 404, None),
        ("PUT", "/upload/", 405, Some("OPTIONS, POST")),
        ("PATCH", "/pixel", 405, Some("OPTIONS, POST")),
        ("POST", "/fib/7", 405, Some("GET, HEAD, OPTIONS")),
        ("PUT", "/api/products", 405, Some("GET, HEAD, OPTIONS, POST")),
        ("OPTIONS", "/health", 204, Some("GET, HEAD, OPTIONS")),
        ("DELETE", "/pixels", 200, None),
        ("GET", "/pixels", 200, None),
        ("GET", "/pixels/count", 200, None),
        ("POST", "/next", 200, None),
        ("GET", "/livez", 200, None),
    ];
    for (method, path, status, allow) in requests {
        let small = alone(&server, request(method, path, JSON, "x".repeat(4096)));
        assert_eq!((small.status, small.field("allow")), (status, allow), "{method} {path}");
        assert!(!small.closes(), "what is short is read, and the connection goes on");
        let head = |framing: &str| {
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\n{framing}\r\n\r\n")
        };
        let sent = "x".repeat(100_000);
        for long in [
            head("Content-Length: 4097"),
            head("Content-Length: 100000") + &sent,
            head("Content-Length: 100000\r\nExpect: 100-continue"),
            head("Transfer-Encoding: chunked") + "3e8\r\n" + &sent[..1000] + "\r\nffff\r\n",
        ] {
            let answer = alone(&server, long);
            assert_eq!((answer.status, answer.field("allow")), (status, allow), "{method} {path}");
            assert!(answer.closes(), "{}", answer.head);
            // Each step of the Fibonacci service is another number.
            if path != "/next" {
                assert_eq!(answer.body, small.body, "in the same style: {method} {path}");
            }
        }
    }
}

/// Too large a body is refused in the style of the service it was sent to.
#[test]
fn too_large_a_body_is_refused_in_its_routes_style() {
    let server = Server::fresh(&[]);
    for (path, most, start) in [
        ("/pixel", 4 << 10, "{\"detail\":\"The body is larger than 4096 bytes; nothing was stored\"}"),
        (
            "/pixels",
            16 << 20,
            "{\"detail\":\"The body is larger than 16777216 bytes; nothing was stored\",\"accepted\":0}",
        ),
        ("/upload/", (10 << 20) + (64 << 10), "{\"detail\":\"The body is larger than"),
        ("/images", 10 << 20, "{\"message\": \"The body is larger than 10485760 bytes"),
        (
            "/api/products",
            6 * (16 << 10) + (4 << 10),
            "<!doctype html>\n<html lang=en>\n<title>413 Content Too Large</title>",
        ),
        (
            "/api/orders",
            6 * (16 << 10) + (4 << 10),
            "<!doctype html>\n<html lang=en>\n<title>413 Content Too Large</title>",
        ),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n");
        for framing in [
            format!("Content-Length: {}\r\n\r\n", most + 1),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", most + 1),
        ] {
            // A batch and a form are refused by this type, and not by their length.
            if framing.starts_with('T') && matches!(path, "/pixels" | "/upload/") {
                continue;
            }
            let answer = alone(&server, head.clone() + &framing);
            assert_eq!((answer.status, answer.closes()), (413, true), "{path}");
            assert!(answer.text().starts_with(start), "{path}: {}", answer.text());
            let is_page = answer.field("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            assert_eq!(is_page, path.starts_with("/api"), "{}", answer.head);
        }
    }
}

#[test]
fn no_answer_to_head_has_content_whatever_was_wrong() {
    let server = Server::fresh(&["--limit", "header_ms=300ms", "--limit", "body_grace_ms=300ms"]);
    let echo = Server::fresh(&["--apps", "echo"]);
    let many: String = (0..70).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("HEAD /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9_000));
    let head = |fields: &str| format!("HEAD /livez HTTP/1.1\r\n{fields}\r\n");
    for (server, bytes, status) in [
        (&server, head(""), 400),
        (&server, head("Host: x\r\nHost: x\r\n"), 400),
        (&server, head("Host: x\nA: b\r\n"), 400),
        (&server, head("Host: x\r\nContent-Length: 5000\r\n"), 200),
        (&server, head("Host: x\r\nTransfer-Encoding: gzip, chunked\r\n"), 501),
        (&server, head("Host: x\r\nTransfer-Encoding: chunked\r\n") + "x\r\n", 400),
        (&server, head(&format!("Host: x\r\n{many}")), 431),
        (&server, head(&format!("Host: x\r\nX: {}\r\n", "y".repeat(9_000))), 431),
        (&server, long, 414),
        (&server, head("Host: x\r\n").replace("1.1", "2.0"), 505),
        (&server, "HEAD /livez HTTP/1.1\r\nHos".to_owned(), 408),
        (&server, head("Host: x\r\nContent-Length: 3\r\n"), 408),
        (&server, head("Host: x\r\nContent-Length: 5000\r\n").replace("/livez", "/nowhere"), 404),
        (&server, head("Host: x\r\nContent-Length: 5000\r\n").replace("/livez", "/pixel"), 405),
        (&echo, head("Host: x\r\nContent-Length: 99999999\r\n").replace("/livez", "/any"), 413),
    ] {
        for size in [1, 5, bytes.len()] {
            let mut client = server.connect();
            for piece in bytes.as_bytes().chunks(size) {
                client.send_in_vain(piece);
                if size == 5 && bytes.len() < 100 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
            let answer = client.head_answer();
            assert_eq!((answer.status, answer.closes()), (status, true), "{bytes:.60}");
            client.half_close().assert_end();
        }
    }
}

#[test]
fn a_batch_over_its_limit_is_refused_while_it_arrives() {
    let server = Server::fresh(&["--limit", "batch_body_bytes=1000"]);
    let line = pixel(1, 2, 'R', 3) + "\n";
    let head = format!(
        "POST /pixels HTTP/1.1\r\nHost: x\r\nContent-Type: {LINES}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
    assert_eq!(alone(&server, format!("{head}{}0\r\n\r\n", chunk.repeat(1000 / line.len()))).status, 200);
    assert_refused(&server, format!("{head}{}", chunk.repeat(1000 / line.len() + 1)), 413);
}

#[test]
fn parts_of_a_batch_are_bounded_each_by_itself() {
    let server = Server::fresh(&[]);
    let good = pixel(1, 2, 'R', 3);
    let long = format!("{{\"note\":\"{}\",{}", "n".repeat(5_000), &good[1..]);
    let answer = alone(&server, request("POST", "/pixels", LINES, format!("{good}\n{long}\n{good}\n")));
    let told = answer.json();
    assert_eq!(
        (answer.status, told["accepted"].as_u64(), told["rejected"][0]["index"].as_u64()),
        (207, Some(2), Some(1))
    );
    assert_eq!(alone(&server, request("POST", "/pixels", JSON, format!("[{good},{long}]"))).status, 413);
    let answer = alone(&server, request("POST", "/pixels", LINES, "{}\n".repeat(1_500) + &good));
    let told = answer.json();
    assert_eq!(
        (answer.status, told["accepted"].as_u64(), told["rejected_total"].as_u64()),
        (207, Some(1), Some(1_500))
    );
    assert_eq!(told["rejected"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(alone(&server, plain("GET", "/pixels/count")).text(), r#"{"total":3}"#);
}

#[test]
fn a_known_head_does_not_let_a_longer_body_in() {
    let server = Server::fresh(&["--limit", "pixel_body_bytes=64"]);
    let mut client = server.connect();
    let padded = |bytes: usize| {
        let pixel = pixel(1, 2, 'R', 3);
        request("POST", "/pixel", JSON, format!("{}{pixel}", " ".repeat(bytes - pixel.len())))
    };
    for bytes in [50, 60, 64] {
        assert_eq!(client.send(padded(bytes)).answer().status, 200, "{bytes} bytes");
    }
    assert_eq!(client.send(padded(65)).answer().status, 413);
    assert_eq!(alone(&server, plain("GET", "/pixels/count")).text(), r#"{"total":3}"#);
}

#[test]
fn chunk_lines_and_trailers() {
    let server = Server::fresh(&["--apps", "echo"]);
    let head = "POST /any HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extension = |bytes: usize| format!("{head}3;{}\r\nabc\r\n0\r\n\r\n", "e".repeat(bytes - 2));
    assert_eq!(alone(&server, extension(256)).text(), "abc");
    assert_refused(&server, extension(257), 400);
    let trailer = |bytes: usize| format!("{head}3\r\nabc\r\n0\r\nT: {}\r\n\r\n", "t".repeat(bytes - 3));
    assert_eq!(alone(&server, trailer(4_000)).text(), "abc");
    assert_refused(&server, trailer(4_200), 431);
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let server = Server::fresh(&["--apps", "echo"]);
    let refused = |line: &str, fields: &str, status: u16| {
        // Something follows that must never be answered.
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_refused(&server, format!("{line}\r\n{fields}\r\n{smuggled}"), status);
    };
    let post = "POST / HTTP/1.1";
    for fields in [
        "Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Host: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
        "Host: x\r\nContent-Length: 3, 3\r\n",
        "Host: x\r\nContent-Length: +3\r\n",
        "Host: x\r\nContent-Length: -3\r\n",
        "Host: x\r\nContent-Length: 0x3\r\n",
        "Host: x\r\nContent-Length: \r\n",
        "Host: x\r\nContent-Length: 3 3\r\n",
        "Host: x\nA: b\r\n",
        "Host: x\rA: b\r\n",
        "Host: x\r\n folded\r\n",
        "Host : x\r\n",
        " Host: x\r\n",
        "Host: x\r\nA: b\0c\r\n",
        "Host: x\r\nA\x01: b\r\n",
        "Host: x\r\nHost: x\r\n",
        "Host: a b\r\n",
        "A: b\r\n",
        "",
    ] {
        refused(post, fields, 400);
    }
    refused("GET /a\x01b HTTP/1.1", "Host: x\r\n", 400);
    refused("GET  / HTTP/1.1", "Host: x\r\n", 400);
    refused("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n", 400);
    refused("GET / HTTP/1.0", "Host: a\r\nHost: b\r\n", 400);
    refused(post, "Host: x\r\nTransfer-Encoding: gzip\r\n", 400);
    refused(post, "Host: x\r\nTransfer-Encoding: chunked, gzip\r\n", 400);
    refused(post, "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n", 501);
    refused("BREW / HTTP/1.1", "Host: x\r\n", 501);
    refused("GET / HTTP/2.0", "Host: x\r\n", 505);
    refused("GET / HTTP/1.10", "Host: x\r\n", 400);
    refused(post, "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"\r\nX\r\n0\r\n", 400);
    let absolute = alone(&server, "POST http://x:80/path HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!((absolute.status, absolute.text()), (200, "hi"));
}

#[test]
fn requests_before_a_refused_one_are_answered_first() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let bad = "GET / HTTP/1.1\r\n\r\n";
    client.send(
        [&request("POST", "/pixel", JSON, pixel(1, 1, 'R', 1))[..], &plain("GET", "/pixels"), bad.as_bytes()]
            .concat(),
    );
    assert_eq!((client.answer().status, client.answer().json()["total"].as_u64()), (200, Some(1)));
    let refusal = client.answer();
    assert!(refusal.status == 400 && refusal.closes(), "{}", refusal.head);
    client.assert_end();
}

#[test]
fn echo_answers_any_method_and_path_with_the_body() {
    let server = Server::fresh(&["--apps", "echo"]);
    let mut client = server.connect();
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        let answer = client.send(request(method, "/a/b?c", "text/plain", "hello")).answer();
        assert_eq!(
            (answer.status, answer.text(), answer.field("content-type")),
            (200, "hello", Some("text/plain"))
        );
    }
    assert_eq!(client.send(plain("HEAD", "/")).head_answer().status, 200);
    assert_eq!(client.send(plain("GET", "/pixels")).answer().text(), "");
}
