//! The message board over real sockets: every call, every form of an answer, every error, as a client meets them.

use crate::board;
use crate::process;

use std::time::{Duration, Instant};

use board::{blob_files, content_type, form, part, picture, png, post, post_bytes, post_form};
use image::ImageFormat;
use process::client::{Answer, Client, plain, request};
use process::{PATIENCE, Server};
use serde_json::{Value, json};

const APPS: [&str; 2] = ["--apps", "board"];

fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.field(name).unwrap_or_else(|| panic!("no {name}: {}", answer.head))
}

fn get(client: &mut Client, path: &str) -> Answer {
    client.send(plain("GET", path)).answer()
}

fn missing(fields: &[&str]) -> Value {
    let detail =
        |field| json!({"type": "missing", "loc": ["body", field], "msg": "Field required", "input": null});
    json!({ "detail": fields.iter().map(detail).collect::<Vec<_>>() })
}

/// Waits until so many blobs are left: they go a moment after what named them.
fn await_blobs(server: &Server, count: usize) {
    let started = Instant::now();
    while blob_files(server.data_dir()).len() != count {
        assert!(started.elapsed() < PATIENCE, "{:?}", blob_files(server.data_dir()));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn server() -> (Server, Client) {
    let server = Server::fresh(&APPS);
    let client = server.connect();
    (server, client)
}

#[test]
fn what_is_posted_is_read_and_its_picture_is_served() {
    let (_server, mut client) = server();
    let content = png(1);
    let answer = post(&mut client, "hi \u{1f600} <b>", "my cat.png", &content);
    assert_eq!((answer.status, field(&answer, "durability")), (200, "disk"));
    assert_eq!(field(&answer, "content-type"), "application/json");
    let filename = answer.json()["filename"].as_str().expect("a name").to_owned();
    assert_eq!(answer.text(), format!("{{\"ok\":true,\"filename\":\"{filename}\"}}"));
    let (uuid, name) = filename.split_at(36);
    let version = uuid::Uuid::parse_str(uuid).expect("a UUID").get_version_num();
    assert_eq!((version, name), (4, "_my cat.png"));

    let messages = get(&mut client, "/readMessages").json();
    let message = &messages[0];
    assert_eq!(message.as_object().expect("an object").len(), 4);
    assert_eq!((&message["id"], &message["message"]), (&json!(1), &json!("hi \u{1f600} <b>")));
    let time = message["create_time"].as_str().expect("a time");
    assert_eq!((time.len(), &time[4..5], &time[10..11]), (19, "-", "T"));
    let url = message["image_url"].as_str().expect("an address");
    assert_eq!(url, format!("/media/{uuid}_my%20cat.png"));

    let answer = get(&mut client, url);
    assert_eq!((answer.status, answer.body), (200, content.clone()), "byte for byte");
    let head = client.send(plain("HEAD", url)).head_answer();
    for (name, value) in [
        ("content-type", "image/png"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("accept-ranges", "bytes"),
        ("content-length", &content.len().to_string()),
    ] {
        assert_eq!(field(&head, name), value);
    }
    let etag = field(&head, "etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() == 66, "{etag}");
    let with = |more: &str| format!("GET {url} HTTP/1.1\r\nHost: x\r\n{more}\r\n\r\n");
    let answer = client.send(with(&format!("If-None-Match: {etag}"))).answer();
    assert_eq!((answer.status, field(&answer, "etag")), (304, &*etag));
    let answer = client.send(with("Range: bytes=3-9")).answer();
    assert_eq!((answer.status, &*answer.body), (206, &content[3..10]));
    assert_eq!(field(&answer, "content-range"), format!("bytes 3-9/{}", content.len()));
    let answer = client.send(with(&format!("Range: bytes={}-", content.len()))).answer();
    assert_eq!(
        (answer.status, field(&answer, "content-range")),
        (416, &*format!("bytes */{}", content.len()))
    );
    let answer = client.send(with("If-Match: \"other\"")).answer();
    assert_eq!(answer.status, 412);
    for path in [
        format!("{url}x"),
        "/media/x".to_owned(),
        format!("/media/{uuid}_..%2f..%2fidentity"),
        url.to_uppercase(),
    ] {
        assert_eq!(get(&mut client, &path).status, 404, "{path}");
    }
}

#[test]
fn each_kind_of_picture_is_known_by_its_first_bytes() {
    let (_server, mut client) = server();
    for (format, media_type) in [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
        (ImageFormat::Gif, "image/gif"),
        (ImageFormat::Bmp, "image/bmp"),
        (ImageFormat::WebP, "image/webp"),
    ] {
        assert_eq!(post(&mut client, "x", "no-such-kind.txt", &picture(1, format)).status, 200);
        let url = get(&mut client, "/readMessages").json()[0]["image_url"].as_str().expect("one").to_owned();
        let answer = get(&mut client, &url);
        assert_eq!((field(&answer, "content-type"), &answer.body), (media_type, &picture(1, format)));
    }
    for content in [
        &b"<html>"[..],
        b"",
        b"%PDF-1.4",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"BM",
        b"BMW is a car, and this is a text",
    ] {
        let answer = post(&mut client, "x", "a.png", content);
        assert_eq!(answer.status, 415, "{content:?}");
        assert!(answer.json()["detail"].is_string());
    }
}

#[test]
fn what_is_missing_or_wrong_is_said_as_the_original_does() {
    let (_server, mut client) = server();
    let file = || part("name=\"file\"; filename=\"a.png\"", &png(1));
    let text = |text: &str| part("name=\"message\"", text.as_bytes());
    for (parts, expected) in [
        (vec![], missing(&["file", "message"])),
        (vec![text("hi")], missing(&["file"])),
        (vec![file()], missing(&["message"])),
        (vec![file(), text("")], missing(&["message"])),
        (vec![text("hi"), part("name=\"file\"", b"a text")], missing(&["file"])),
        (vec![text("hi"), part("name=\"file\"; filename=\"\"", b"")], missing(&["file"])),
        (vec![part("name=\"message\"; filename=\"m\"", b"hi"), file()], missing(&["message"])),
    ] {
        let answer = client.send(post_bytes(form(&parts))).answer();
        assert_eq!((answer.status, answer.json()), (422, expected));
    }
    for content_type in ["application/json", "application/x-www-form-urlencoded", "text/plain"] {
        let answer = client.send(request("POST", "/upload/", content_type, "{}")).answer();
        assert_eq!((answer.status, answer.json()), (422, missing(&["file", "message"])));
    }
    let whole = post_form("hi", "a.png", &png(1));
    for (content_type, body, detail) in [
        ("multipart/form-data", &whole[..], "Missing boundary in multipart."),
        ("multipart/form-data; boundary=\"<\"", &whole, "There was an error parsing the body"),
        ("multipart/form-data; boundary=other", &whole, "There was an error parsing the body"),
        (&content_type(), &whole[..whole.len() - 6], "There was an error parsing the body"),
        (
            &content_type(),
            &form(&[file(), part("name=\"message\"", b"\xFF")]),
            "There was an error parsing the body",
        ),
    ] {
        let answer = client.send(request("POST", "/upload/", content_type, body)).answer();
        assert_eq!((answer.status, answer.json()), (400, json!({ "detail": detail })), "{content_type}");
    }
    let long = "\u{e9}".repeat(255);
    assert_eq!(
        post(&mut client, &long, "a.png", &png(1)).status,
        200,
        "255 characters are no more bytes than that"
    );
    // Forms send CRLF for a line break; it is one character, as in the page, and LF when it is read.
    for lines in ["\r\n", "\n", "\r", "\r\n\n\r"] {
        let breaks = board::with_plain_breaks(lines);
        let text = format!("{}{}", "a".repeat(250), lines.repeat(5 / breaks.len()));
        assert_eq!(post(&mut client, &text, "a.png", &png(1)).status, 200, "{lines:?}");
        let messages = get(&mut client, "/readMessages").json();
        assert_eq!(messages[0]["message"], board::with_plain_breaks(&text), "{lines:?}");
        let answer = post(&mut client, &format!("{text}{lines}xxx"), "a.png", &png(1));
        assert_eq!(answer.status, 422, "{lines:?}");
    }
    let kept = get(&mut client, "/readMessages").json().as_array().map(Vec::len);
    for long in [long + "x", "y".repeat(100_000), "\u{1f600}".repeat(256)] {
        // What is not a file's content counts as the picture's room, so it is bounded too.
        let answer = post(&mut client, &long, "a.png", &png(1));
        assert_eq!((answer.status, &answer.json()["detail"][0]["type"]), (422, &json!("string_too_long")));
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "message"]));
    }
    assert_eq!(
        get(&mut client, "/readMessages").json().as_array().map(Vec::len),
        kept,
        "nothing else was kept"
    );
}

#[test]
fn a_file_name_that_is_spelled_out_wins() {
    let (_server, mut client) = server();
    for disposition in [
        "name=\"file\"; filename*=utf-8''%E2%82%AC.png",
        "name=\"file\"; filename=\"=?utf-8?B?4oKsLnBuZw==?=\"; filename*=utf-8''%E2%82%AC.png",
    ] {
        let parts = [part("name=\"message\"", b"hi"), part(disposition, &png(1))];
        let answer = client.send(post_bytes(form(&parts))).answer();
        assert_eq!(answer.status, 200, "{disposition}: {}", answer.text());
        let filename = answer.json()["filename"].as_str().expect("a name").to_owned();
        assert_eq!(&filename[36..], "_\u{20ac}.png", "{disposition}");
    }
}

#[test]
fn large_pictures_and_other_paths() {
    let server = Server::fresh(&["--apps", "board", "--limit", "board.max_picture=64KiB"]);
    let mut client = server.connect();
    let picture = |length: usize| {
        let mut content = png(1);
        content.resize(length, 0);
        content
    };
    assert_eq!(post(&mut client, "x", "a.png", &picture(64 << 10)).status, 200, "as large as it may be");
    let answer = post(&mut client, "x", "a.png", &picture((64 << 10) + 1));
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].as_str().is_some_and(|text| text.contains("65536")));
    assert_eq!(get(&mut client, "/readMessages").status, 200, "the connection goes on");
    // One that is larger than any form may be is refused by its head.
    let answer = client
        .send(format!("POST /upload/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 1 << 20))
        .answer();
    assert_eq!(answer.status, 413);
    let mut client = server.connect();
    let moved =
        client.send(request("POST", "/upload", &content_type(), post_form("x", "a.png", &png(1)))).answer();
    assert_eq!((moved.status, field(&moved, "location")), (307, "/upload/"));
    // Whatever comes behind the head, and however it is framed: longer than any form may be, too.
    let long = post_form("x", "a.png", &vec![7; 1 << 20]);
    for body in [long.len().to_string(), (1_u64 << 40).to_string()] {
        let mut client = server.connect();
        let head = format!("POST /upload?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: {body}\r\n\r\n");
        let moved = client.send(head).send_in_vain(&long).answer();
        assert_eq!((moved.status, field(&moved, "location")), (307, "/upload/?a=b"), "{body}");
    }
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
    let mut client = server.connect();
    client.send("POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let moved = client.send_in_vain(chunk.repeat(8)).answer();
    assert_eq!((moved.status, field(&moved, "location")), (307, "/upload/"));
    let mut client = server.connect();
    for (method, path, allow) in [
        ("GET", "/upload/", "OPTIONS, POST"),
        ("POST", "/readMessages", "GET, HEAD, OPTIONS"),
        ("PUT", "/messages/1", "DELETE, GET, HEAD, OPTIONS"),
    ] {
        let answer = client.send(plain(method, path)).answer();
        assert_eq!((answer.status, answer.text()), (405, r#"{"detail":"Method Not Allowed"}"#));
        assert_eq!(field(&answer, "allow"), allow);
    }
    let answer = get(&mut client, "/nowhere");
    assert_eq!((answer.status, answer.text()), (404, r#"{"detail":"Not Found"}"#));
}

#[test]
fn lists_have_a_cursor_and_messages_can_be_deleted() {
    let (server, mut client) = server();
    for at in 1..=8 {
        assert_eq!(post(&mut client, &format!("message {at}"), "a.png", &png(at)).status, 200);
    }
    let ids = |list: &Value| {
        list.as_array().expect("a list").iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&get(&mut client, "/readMessages").json()), [8, 7, 6, 5, 4]);
    let page = get(&mut client, "/messages?limit=3").json();
    assert_eq!((ids(&page["messages"]), &page["next"]), (vec![json!(8), json!(7), json!(6)], &json!(6)));
    let page = get(&mut client, "/messages?limit=5&before=6").json();
    assert_eq!((ids(&page["messages"]).len(), &page["next"]), (5, &Value::Null));
    for query in ["limit=0", "limit=101", "limit=x", "before=-1", "before=", "before=9007199254740992"] {
        let answer = get(&mut client, &format!("/messages?{query}"));
        assert_eq!(answer.status, 422, "{query}");
    }
    let one = get(&mut client, "/messages/7").json();
    assert_eq!(get(&mut client, "/messages/%37").json(), one);
    for none in ["/messages/07", "/messages/+7", "/messages/%2B7", "/messages/7%20"] {
        assert_eq!(get(&mut client, none).status, 404, "{none}");
        assert_eq!(client.send(plain("DELETE", none)).answer().status, 404, "{none}");
    }
    assert_eq!(one["message"], "message 7");
    let url = one["image_url"].as_str().expect("an address").to_owned();
    assert_eq!(blob_files(server.data_dir()).len(), 8);
    let answer = client.send(plain("DELETE", "/messages/7")).answer();
    assert_eq!((answer.status, field(&answer, "durability")), (204, "disk"));
    for (method, path) in
        [("GET", "/messages/7"), ("DELETE", "/messages/7"), ("GET", &url), ("GET", "/messages/x")]
    {
        assert_eq!(client.send(plain(method, path)).answer().status, 404, "{method} {path}");
    }
    // The picture goes with the last message that names it.
    await_blobs(&server, 7);
}

#[test]
fn everything_survives_a_kill_and_numbers_are_not_used_again() {
    let (server, mut client) = server();
    for at in 1..=3 {
        assert_eq!(post(&mut client, &format!("message {at}"), "a.png", &png(at)).status, 200);
    }
    let copies: Vec<_> = blob_files(server.data_dir())
        .into_iter()
        .map(|path| (std::fs::read(&path).expect("read"), path))
        .collect();
    assert_eq!(client.send(plain("DELETE", "/messages/3")).answer().status, 204);
    await_blobs(&server, 2);
    let before = get(&mut client, "/messages").json();
    // What a crash leaves: a file that was never finished, and blobs that no record names, one of which is posted again.
    let blobs = server.data_dir().join("blobs");
    std::fs::write(blobs.join("new-77"), "half").expect("written");
    let stray = blobs.join("00");
    std::fs::create_dir_all(&stray).expect("made");
    std::fs::write(stray.join("0".repeat(62)), "stray").expect("written");
    for (content, path) in copies.iter().filter(|(_, path)| !path.exists()) {
        std::fs::write(path, content).expect("written");
    }
    let server = server.kill_and_restart(&APPS);
    let mut client = server.connect();
    assert_eq!(post(&mut client, "once more", "a.png", &png(3)).status, 200);
    server.wait_for("found blobs that no record names");
    await_blobs(&server, 3);
    let after = get(&mut client, "/messages").json();
    let (once_more, earlier) = after["messages"].as_array().expect("a list").split_first().expect("messages");
    assert_eq!(earlier, before["messages"].as_array().expect("a list"));
    for message in [once_more].into_iter().chain(earlier) {
        assert_eq!(get(&mut client, message["image_url"].as_str().expect("one")).status, 200);
    }
    assert_eq!(once_more["id"], 4, "3 was given already");
    assert!(!blobs.join("new-77").exists());
    assert_eq!(post(&mut client, "next", "a.png", &png(9)).status, 200);
    assert_eq!(get(&mut client, "/readMessages").json()[0]["id"], 5);
    // A start without the board keeps what it has.
    let server = server.kill_and_restart(&["--apps", "pixel"]).kill_and_restart(&APPS);
    assert_eq!(get(&mut server.connect(), "/readMessages").json().as_array().map(Vec::len), Some(4));
}

#[test]
fn metadata_is_taken_out_unless_it_is_to_stay() {
    let plain_jpeg = picture(1, ImageFormat::Jpeg);
    let secret = b"Exif\0\0II*\0\x08\0\0\0\0\0 GPS 52.5163 13.3777";
    let segment = [&[0xFF, 0xE1], &(secret.len() as u16 + 2).to_be_bytes()[..], secret].concat();
    let telling = [&plain_jpeg[..2], &segment, &plain_jpeg[2..]].concat();
    for (keep, expected) in [("false", &plain_jpeg), ("true", &telling)] {
        let server = Server::fresh(&["--apps", "board", "--board-keep-metadata", keep]);
        let mut client = server.connect();
        assert_eq!(post(&mut client, "x", "a.jpg", &telling).status, 200);
        let url = get(&mut client, "/readMessages").json()[0]["image_url"].as_str().expect("one").to_owned();
        assert_eq!(&get(&mut client, &url).body, expected, "keep {keep}");
        // What told more is gone.
        await_blobs(&server, 1);
    }
}

#[test]
fn addresses_may_lead_to_a_cdn() {
    let base = "https://cdn.example.net/board";
    let server = Server::fresh(&["--apps", "board", "--board-public-base", base]);
    let mut client = server.connect();
    assert_eq!(post(&mut client, "x", "a.png", &png(1)).status, 200);
    let url = get(&mut client, "/readMessages").json()[0]["image_url"].as_str().expect("one").to_owned();
    let path = url.strip_prefix(base).expect("the CDN's address");
    assert_eq!(get(&mut client, &format!("/media{path}")).body, png(1), "where the CDN gets it from");
    let page = get(&mut client, "/board");
    assert!(field(&page, "content-security-policy").contains(base), "the page may show it");
}

#[test]
fn a_form_may_come_in_pieces_of_any_size() {
    let (_server, mut client) = server();
    let mut content = png(7);
    content.resize(700_000, 0x0D);
    let body = post_form("in pieces", "a.png", &content);
    for size in [1000, 4096, 65_536, 300_000] {
        let head = format!(
            "POST /upload/ HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            content_type()
        );
        client.send(head);
        for piece in body.chunks(size) {
            client.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        assert_eq!(client.send("0\r\n\r\n").answer().status, 200, "pieces of {size}");
    }
    let small = post_bytes(post_form("byte by byte", "a.png", &png(1)));
    for byte in small {
        client.send([byte]);
    }
    assert_eq!(client.answer().status, 200);
    let messages = get(&mut client, "/readMessages").json();
    assert_eq!(messages.as_array().map(Vec::len), Some(5));
    let url = messages[1]["image_url"].as_str().expect("one");
    // Behind its last chunk a PNG has nothing that belongs to it.
    assert_eq!(get(&mut client, url).body, png(7));
}
