//! What answers say about being kept by caches, over all applications: one rule, and no error that is kept for its content.

use crate::board;
use crate::process;
use crate::thumbs;

use process::Server;
use process::client::{Answer, Client, plain, request};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

fn ask(client: &mut Client, method: &str, path: &str, fields: &str) -> Answer {
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).answer()
}

/// A path of each kind of content that may be kept.
struct Kept {
    hashed: String,
    media: String,
    thumbnail: String,
}

fn fill(client: &mut Client) -> Kept {
    assert_eq!(board::post(client, "hi", "a.png", &board::png(1)).status, 200);
    let messages = client.send(plain("GET", "/readMessages")).answer().json();
    let media = messages[0]["image_url"].as_str().expect("an address").to_owned();
    let id = thumbs::submit(client, "image/png", &thumbs::png(1));
    assert_eq!(thumbs::end_of(client, &id).status, 200);
    let page = client.send(plain("GET", "/toys")).answer();
    let start = page.text().find("/static/shop.").expect("a style sheet");
    let hashed = page.text()[start..].split('"').next().expect("a path").to_owned();
    Kept { hashed, media, thumbnail: format!("/images/{id}/thumbnail") }
}

fn server() -> Server {
    Server::fresh(&["--thumbs-deadline", "60s", "--toys-heavy-ms", "0", "--toys-order-ms", "0"])
}

#[test]
fn an_answer_is_kept_by_nobody_unless_its_path_or_tag_names_its_version() {
    let server = server();
    let mut client = server.connect();
    let Kept { hashed, media, thumbnail } = fill(&mut client);
    for path in [&*hashed, &media, "/fib/10", "/fib/20000"] {
        for fields in ["", "Range: bytes=0-1\r\n"] {
            let answer = ask(&mut client, "GET", path, fields);
            assert_eq!(answer.field("cache-control"), Some(IMMUTABLE), "{path}: {}", answer.head);
        }
    }
    let index =
        ["/", "/index.css", "/index.js", "/figures.js", "/docs", "/docs.css", "/docs.js", "/openapi.json"];
    let of_apps = ["/static/canvas/canvas.js", "/board", "/static/board.css", "/toys", &thumbnail];
    let tagged = || index.into_iter().chain(of_apps);
    for path in tagged() {
        let answer = ask(&mut client, "GET", path, "");
        assert_eq!(answer.field("cache-control"), Some("no-cache"), "{path}: {}", answer.head);
        assert!(answer.field("etag").is_some(), "{path}");
    }
    for path in tagged().chain([&*hashed, &media]) {
        let whole = ask(&mut client, "GET", path, "");
        let tag = whole.field("etag").expect("a tag");
        let same = ask(&mut client, "GET", path, &format!("If-None-Match: \"a,*,b\", {tag}\r\n"));
        assert_eq!((same.status, same.field("etag")), (304, Some(tag)), "{path}");
        assert_eq!(same.field("cache-control"), whole.field("cache-control"), "{path}");
        assert_eq!(ask(&mut client, "GET", path, "If-None-Match: \"a,*,b\"\r\n").status, 200, "{path}");
    }
    for path in [
        "/pixels",
        "/pixels?limit=1",
        "/pixels/count",
        "/health",
        "/current",
        "/next",
        "/previous",
        "/reset",
        "/state",
        "/readMessages",
        "/messages",
        "/images",
        "/images?state=Error",
        "/api/ping",
        "/api/misc/time",
        "/api/misc/heavy",
        "/api/products",
        "/api/products?product=x",
        "/api/products/last",
        "/api/products/1",
        "/api/orders/do",
        "/api/orders/",
        "/api/orders",
        "/livez",
        "/readyz",
        "/version",
        "/metrics",
    ] {
        let answer = ask(&mut client, "GET", path, "");
        assert!(answer.status < 400, "{path}: {}", answer.head);
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{path}: {}", answer.head);
        if !path.contains("/next") {
            let head = client.send(plain("HEAD", path)).head_answer();
            assert_eq!(head.field("cache-control"), Some("no-store"), "HEAD {path}");
        }
    }
    let posted = client.send(process::client::post_pixel(1, 2, 'R', 3)).answer();
    assert_eq!((posted.status, posted.field("cache-control")), (200, None), "no cache keeps it anyway");
    let spaced = client.send(request(
        "POST",
        "/pixel",
        "application/json; a=b",
        " {\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":3}",
    ));
    let (posted, spaced) = (posted.head, spaced.answer().head);
    assert_eq!(posted.lines().nth(2), spaced.lines().nth(2), "the same, whichever way it went");
    assert!(!spaced.contains("Cache-Control"), "{spaced}");
}

#[test]
fn an_error_has_no_freshness_of_the_content() {
    let server = server();
    let mut client = server.connect();
    let Kept { hashed, media, thumbnail } = fill(&mut client);
    let mut errors = Vec::new();
    for path in [&*hashed, &media, &thumbnail, "/toys", "/static/board.css", "/openapi.json"] {
        errors.push((412, ask(&mut client, "GET", path, "If-Match: \"0\"\r\n")));
        errors.push((412, ask(&mut client, "GET", path, "If-Match: \"a,*,b\"\r\n")));
        errors.push((405, client.send(request("POST", path, "text/plain", "x")).answer()));
        errors.push((404, ask(&mut client, "GET", &format!("{path}.x"), "")));
        if path != thumbnail {
            let beyond = ask(&mut client, "GET", path, "Range: bytes=99999999-\r\n");
            assert!(beyond.field("content-range").is_some_and(|range| range.starts_with("bytes */")));
            errors.push((416, beyond));
        }
    }
    for (status, path) in [
        (409, "/fib/1000001"),
        (400, "/fib/x"),
        (404, "/nope"),
        (422, "/pixels?limit=x"),
        (404, "/messages/9"),
        (422, "/messages?limit=x"),
        (400, "/images?limit=x"),
        (404, "/images/x"),
        (404, "/api/products/9"),
    ] {
        errors.push((status, ask(&mut client, "GET", path, "")));
    }
    errors.push((415, client.send(request("POST", "/images", "text/plain", "x")).answer()));
    errors.push((422, client.send(request("POST", "/pixel", "text/plain", "x")).answer()));
    errors.push((400, client.send(request("POST", "/api/products", "application/json", "{")).answer()));
    for (status, line) in [
        (400, "GET /a b HTTP/1.1\r\nHost: x"),
        (400, "GET / HTTP/1.1"),
        (501, "BREW / HTTP/1.1\r\nHost: x"),
        (505, "GET / HTTP/2.0\r\nHost: x"),
        (413, "POST /pixel HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999"),
    ] {
        errors.push((status, server.connect().send(format!("{line}\r\n\r\n")).answer()));
    }
    for (status, error) in errors {
        assert_eq!(
            (error.status, error.field("cache-control")),
            (status, Some("no-store")),
            "{}",
            error.head
        );
        for name in ["etag", "last-modified", "expires", "age"] {
            assert_eq!(error.field(name), None, "{}", error.head);
        }
    }
}

#[test]
fn what_accept_decides_says_so() {
    let server = server();
    let mut client = server.connect();
    for path in ["/pixels", "/pixels?limit=1", "/api/products", "/api/products?product=x"] {
        for accept in
            ["", "Accept: text/csv\r\n", "Accept: application/json\r\n", "Accept: application/x-ndjson\r\n"]
        {
            let answer = ask(&mut client, "GET", path, accept);
            assert_eq!((answer.status, answer.field("vary")), (200, Some("Accept")), "{path} {accept}");
        }
    }
}

#[test]
fn redirects_keep_the_query_in_ascii() {
    let server = server();
    let mut client = server.connect();
    for (method, from, status, to) in [
        ("POST", "/upload?x=1&y=%41", 307, "/upload/?x=1&y=%41"),
        ("POST", "/upload", 307, "/upload/"),
        ("POST", "/upload?\u{e9}", 307, "/upload/?%C3%A9"),
        ("GET", "/api/orders?order_id=\u{e9}+1", 308, "/api/orders/?order_id=%C3%A9+1"),
    ] {
        let answer = ask(&mut client, method, from, "Content-Length: 0\r\n");
        assert_eq!((answer.status, answer.field("location")), (status, Some(to)), "{from}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{from}");
    }
}
