//! The shop's page and its files over real sockets: what is sent, what is not sent again, and how much of it.

use crate::process;

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use process::Server;
use process::client::{Answer, Client, plain};

fn shop() -> Server {
    Server::fresh(&["--apps", "toys", "--durability", "memory"])
}

fn ask(client: &mut Client, path: &str, fields: &str) -> Answer {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).answer()
}

fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.field(name).unwrap_or_else(|| panic!("no {name}: {}", answer.head))
}

/// The paths that the page names.
fn paths(page: &str) -> BTreeSet<String> {
    page.split(['"', ' ', '\n']).filter(|part| part.starts_with("/static/")).map(str::to_owned).collect()
}

fn picture(client: &mut Client) -> String {
    let page = ask(client, "/toys", "");
    paths(page.text()).into_iter().find(|path| path.starts_with("/static/train.")).expect("a picture")
}

#[test]
fn the_page_is_asked_for_each_time_and_its_files_once() {
    let server = shop();
    let mut client = server.connect();
    let page = ask(&mut client, "/toys", "");
    assert_eq!((page.status, field(&page, "content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(
        (field(&page, "cache-control"), field(&page, "x-content-type-options")),
        ("no-cache", "nosniff")
    );
    let policy = field(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let mut types = BTreeSet::new();
    for path in paths(page.text()) {
        let file = ask(&mut client, &path, "");
        assert_eq!((file.status, field(&file, "x-content-type-options")), (200, "nosniff"), "{path}");
        assert_eq!(field(&file, "cache-control"), "public, max-age=31536000, immutable", "{path}");
        types.insert(field(&file, "content-type").to_owned());
        for path in [path.as_str(), "/toys"] {
            let known = ask(&mut client, path, "");
            let etag = field(&known, "etag").to_owned();
            let again = ask(&mut client, path, &format!("If-None-Match: {etag}\r\n"));
            assert_eq!((again.status, field(&again, "etag"), again.body.len()), (304, &*etag, 0), "{path}");
            assert!(again.field("content-length").is_none() && again.field("cache-control").is_some());
            let changed = ask(&mut client, path, "If-None-Match: \"0\"\r\n");
            assert!(changed.status == 200 && changed.body == known.body, "{path}");
            if let Some(modified) = known.field("last-modified") {
                let since = ask(&mut client, path, &format!("If-Modified-Since: {modified}\r\n"));
                assert_eq!(since.status, 304, "{path}");
            }
        }
    }
    let expected =
        ["image/png", "image/svg+xml", "text/css; charset=utf-8", "text/javascript; charset=utf-8"];
    assert_eq!(types.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(ask(&mut client, "/static/shop.css", "").status, 404, "a name without its hash");
}

#[test]
fn the_page_is_the_root_of_a_listener_that_asks_for_it() {
    let address = format!("{}=toys", process::free_address());
    let server = Server::fresh(&["--apps", "pixel,toys", "--listen", &address, "--durability", "memory"]);
    let page = ask(&mut server.connect(), "/toys", "");
    let at = address.trim_end_matches("=toys").parse().expect("an address");
    let mut client = Client::connect(at);
    assert_eq!(ask(&mut client, "/", "").body, page.body);
    assert!(ask(&mut client, "/nowhere", "").text().starts_with("<!doctype html>"), "in the shop's style");
    let index = ask(&mut server.connect(), "/", "");
    assert!(index.body != page.body && index.text().contains("href=\"/toys\""));
    assert_eq!(ask(&mut server.connect(), "/nowhere", "").json()["detail"], "Not Found");
}

#[test]
fn texts_are_zipped_for_those_who_take_it_and_the_picture_for_nobody() {
    let server = shop();
    let mut client = server.connect();
    let page = ask(&mut client, "/toys", "");
    for path in paths(page.text()).iter().map(String::as_str).chain(["/toys"]) {
        let whole = ask(&mut client, path, "");
        assert!(whole.field("content-encoding").is_none());
        let answer = ask(&mut client, path, "Accept-Encoding: br, gzip;q=0.8\r\n");
        if path.ends_with(".png") {
            assert!(answer.field("content-encoding").is_none() && answer.field("vary").is_none());
            assert_eq!(answer.body, whole.body);
            continue;
        }
        assert_eq!((field(&answer, "content-encoding"), field(&answer, "vary")), ("gzip", "Accept-Encoding"));
        assert!(answer.body.len() < whole.body.len() && field(&answer, "etag") != field(&whole, "etag"));
        let mut unzipped = Vec::new();
        flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut unzipped).expect("gzip");
        assert_eq!(unzipped, whole.body, "{path}");
        let refused = ask(&mut client, path, "Accept-Encoding: gzip;q=0\r\n");
        assert!(refused.field("content-encoding").is_none());
    }
}

#[test]
fn the_picture_comes_whole_in_parts_or_not_at_all() {
    let server = shop();
    let mut client = server.connect();
    let path = picture(&mut client);
    let whole = ask(&mut client, &path, "");
    assert!(whole.body.len() > 2_000_000 && whole.body.starts_with(b"\x89PNG"));
    assert_eq!(field(&whole, "accept-ranges"), "bytes");
    let head = client.send(plain("HEAD", &path)).head_answer();
    assert_eq!(field(&head, "content-length"), whole.body.len().to_string());
    assert_eq!(field(&head, "etag"), field(&whole, "etag"));

    let last = whole.body.len() - 1;
    let etag = field(&whole, "etag").to_owned();
    for (range, first, end) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=1000000-".to_owned(), 1_000_000, last),
        ("bytes=-10".to_owned(), last - 9, last),
        (format!("bytes=5-{}", 3 * last), 5, last),
    ] {
        let part = ask(&mut client, &path, &format!("Range: {range}\r\nIf-Range: {etag}\r\n"));
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(field(&part, "content-range"), format!("bytes {first}-{end}/{}", last + 1));
        assert!(part.body == whole.body[first..=end], "{range}");
    }
    let beyond = ask(&mut client, &path, &format!("Range: bytes={}-\r\n", last + 1));
    assert_eq!((beyond.status, field(&beyond, "content-range")), (416, &*format!("bytes */{}", last + 1)));
    for ignored in
        ["Range: bytes=0-1,3-4\r\n", "Range: lines=1-2\r\n", "Range: bytes=0-1\r\nIf-Range: \"0\"\r\n"]
    {
        let answer = ask(&mut client, &path, ignored);
        assert!(answer.status == 200 && answer.body == whole.body, "{ignored}");
    }
    assert_eq!(ask(&mut client, &path, "If-Match: \"0\"\r\n").status, 412);
}

#[test]
fn a_picture_keeps_its_place_among_pipelined_answers() {
    let server = shop();
    let mut client = server.connect();
    let path = picture(&mut client);
    let (picture, ping) = (plain("GET", &path), plain("GET", "/api/ping"));
    client.send([&ping[..], &picture, &ping, &picture, &plain("HEAD", &path)].concat());
    assert_eq!(client.answer().text(), "ping");
    let first = client.answer();
    assert_eq!(client.answer().text(), "ping");
    let second = client.answer();
    assert!(first.body == second.body && first.body.len() > 2_000_000);
    assert_eq!(client.head_answer().status, 200);
    // A client of HTTP/1.0 gets it to the end of the connection.
    let mut old = server.connect();
    old.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
    assert!(old.answer().body == first.body);
    old.assert_end();
}

#[test]
fn clients_that_take_their_time_over_the_picture_hold_no_copy_of_it() {
    let server = shop();
    let path = picture(&mut server.connect());
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    };
    server.connect().send(plain("GET", &path)).answer();
    let before = resident();
    let mut slow: Vec<Client> = (0..64).map(|_| server.connect()).collect();
    for client in &mut slow {
        // More than the sockets hold: what is left waits here.
        client.send(plain("GET", &path).repeat(4));
    }
    assert_eq!(server.connect().send(plain("GET", "/api/ping")).answer().text(), "ping");
    std::thread::sleep(Duration::from_millis(200));
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes for 64 clients");
    let mut last = slow.pop().expect("a client");
    for _ in 0..4 {
        assert!(last.answer().body.len() > 2_000_000);
    }
}
