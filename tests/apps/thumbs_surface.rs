//! The thumbnail service over real sockets: every call, every form of an answer, every error, as a client meets them.

use crate::board;
use crate::process;
use crate::thumbs;

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use board::blob_files;
use image::AnimationDecoder;
use image::ImageFormat;
use image::codecs::gif::GifDecoder;
use process::client::{Answer, Client, plain, request};
use process::{PATIENCE, Server};
use serde_json::Value;
use thumbs::{animation, bomb, end_of, get, picture, png, post, post_bytes, size_of, submit, thumbnail};
use uuid::Uuid;

/// A busy machine leaves little to a decoder, which is no fault of the picture.
const APPS: [&str; 4] = ["--apps", "thumbs", "--thumbs-deadline", "60s"];
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn server() -> (Server, Client) {
    let server = Server::fresh(&APPS);
    let client = server.connect();
    (server, client)
}

fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.field(name).unwrap_or_else(|| panic!("no {name}: {}", answer.head))
}

/// The five keys, letter for letter.
fn five(id: &str, media_type: &str, message: &str, service: &str, state: &str) -> String {
    format!(
        "{{\"media_id\": \"{id}\", \"media_type\": \"{media_type}\", \"message\": \"{message}\", \
         \"service\": \"{service}\", \"state\": \"{state}\"}}"
    )
}

fn message(text: &str) -> String {
    format!("{{\"message\": \"{text}\"}}")
}

/// Waits until so many blobs are left: they go a moment after what named them.
fn await_blobs(server: &Server, count: usize) {
    let started = Instant::now();
    while blob_files(server.data_dir()).len() != count {
        assert!(started.elapsed() < PATIENCE, "{:?}", blob_files(server.data_dir()));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_picture_from_post_to_delete() {
    let (server, mut client) = server();
    let answer = post(&mut client, "image/png", &picture(590, 393, 1, ImageFormat::Png));
    assert_eq!((answer.status, field(&answer, "durability")), (202, "disk"));
    assert_eq!(field(&answer, "content-type"), "application/json");
    let id = answer.json()["media_id"].as_str().expect("a name").to_owned();
    assert_eq!(Uuid::parse_str(&id).expect("a UUID").get_version_num(), 4);
    let processing = "Processing image, use `media_id` to check status";
    assert_eq!(answer.text(), five(&id, "image/png", processing, "webserver", "Processing"));
    assert_eq!(field(&answer, "location"), format!("/images/{id}"));

    let path = format!("/images/{id}");
    let answer = end_of(&mut client, &id);
    let completed = five(&id, "image/png", "Completed thumbnail creation", "worker", "Completed");
    assert_eq!((answer.status, answer.text()), (200, &*completed));
    assert_eq!(get(&mut client, &path.to_uppercase().replace("/IMAGES", "/images")).text(), completed);
    let head = client.send(plain("HEAD", &path)).head_answer();
    assert_eq!((head.status, field(&head, "content-length")), (200, &*completed.len().to_string()));

    let answer = get(&mut client, &format!("{path}/thumbnail"));
    assert_eq!((answer.status, field(&answer, "content-type")), (200, "image/png"));
    let small = STANDARD.decode(answer.text()).expect("base64");
    assert_eq!(size_of(&small), (100, 67));
    let again = get(&mut client, &format!("{path}/thumbnail"));
    assert_eq!((&again.body, field(&again, "etag")), (&answer.body, field(&answer, "etag")));
    await_blobs(&server, 1);

    let list = get(&mut client, "/images");
    assert_eq!(list.text(), format!("{{\"images\": [{completed}], \"next\": null}}"));
    let answer = client.send(plain("DELETE", &path)).answer();
    assert_eq!((answer.status, field(&answer, "durability"), &*answer.body), (204, "disk", &b""[..]));
    for (method, path) in
        [("GET", path.clone()), ("DELETE", path.clone()), ("GET", format!("{path}/thumbnail"))]
    {
        let answer = client.send(plain(method, &path)).answer();
        assert_eq!(
            (answer.status, answer.text()),
            (404, &*message(&format!("Resource with id `{id}` not found")))
        );
    }
    await_blobs(&server, 0);
}

#[test]
fn sizes_are_those_of_the_original() {
    let (_server, mut client) = server();
    for (media_type, format, (width, height), expected) in [
        ("image/jpeg", ImageFormat::Jpeg, (2560, 1600), (100, 63)),
        ("image/jpg", ImageFormat::Jpeg, (590, 393), (100, 67)),
        ("image/png", ImageFormat::Png, (386, 395), (98, 100)),
        // Recognised by its content, made as it is called.
        ("image/gif", ImageFormat::WebP, (30, 20), (100, 67)),
        ("image/png", ImageFormat::Bmp, (1, 1), (100, 100)),
    ] {
        let id = submit(&mut client, media_type, &picture(width, height, 1, format));
        let answer = end_of(&mut client, &id);
        assert_eq!((answer.status, answer.json()["media_type"].as_str()), (200, Some(media_type)));
        let answer = get(&mut client, &format!("/images/{id}/thumbnail"));
        assert_eq!(field(&answer, "content-type"), media_type);
        let small = STANDARD.decode(answer.text()).expect("base64");
        let kind = media_type.strip_prefix("image/").expect("a kind").replace("jpg", "jpeg");
        assert_eq!(
            image::guess_format(&small).expect("a kind"),
            ImageFormat::from_extension(kind).expect("one")
        );
        assert_eq!(size_of(&small), expected, "{width}x{height}");
    }
    for (size, expected) in [("64x32", (48, 32)), ("1x1", (1, 1)), ("2048x2048", (2048, 1364))] {
        let body = STANDARD.encode(picture(590, 393, 2, ImageFormat::Png));
        let answer =
            client.send(request("POST", &format!("/images?size={size}"), "image/png", body)).answer();
        let id = answer.json()["media_id"].as_str().expect("a name").to_owned();
        assert_eq!(end_of(&mut client, &id).status, 200);
        assert_eq!(size_of(&thumbnail(&mut client, &id)), expected, "{size}");
    }
}

#[test]
fn an_animation_stays_one() {
    let (_server, mut client) = server();
    let id = submit(&mut client, "image/gif", &animation(300, 225, 100));
    assert_eq!(end_of(&mut client, &id).status, 200);
    let small = thumbnail(&mut client, &id);
    assert_eq!(size_of(&small), (100, 75));
    let decoder = GifDecoder::new(std::io::Cursor::new(&small)).expect("a GIF");
    assert_eq!(decoder.into_frames().collect_frames().expect("frames").len(), 100);
}

#[test]
fn pictures_come_and_go_without_base64_too() {
    let (_server, mut client) = server();
    let content = png(3);
    let post = request("POST", "/images?encoding=binary", "Image/PNG; charset=utf-8", &content);
    let id = client.send(post).answer().json()["media_id"].as_str().expect("a name").to_owned();
    assert_eq!(end_of(&mut client, &id).status, 200);
    let path = format!("/images/{id}/thumbnail?encoding=binary");
    let answer = get(&mut client, &path);
    assert_eq!((field(&answer, "content-type"), size_of(&answer.body)), ("image/png", (100, 75)));
    assert_eq!(answer.body, thumbnail(&mut client, &id));
    let etag = field(&answer, "etag").to_owned();
    let conditional = |tag: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n");
    let answer = client.send(conditional(&etag)).answer();
    assert_eq!((answer.status, field(&answer, "etag"), answer.body.len()), (304, &*etag, 0));
    assert_eq!(client.send(conditional("\"other\"")).answer().status, 200);
    let text = get(&mut client, &format!("/images/{id}/thumbnail"));
    assert_ne!(field(&text, "etag"), etag, "the text is another representation");
}

#[test]
fn a_body_in_pieces_and_with_noise_between_them_is_the_same_picture() {
    let (_server, mut client) = server();
    let content = picture(300, 200, 4, ImageFormat::Png);
    let text = STANDARD.encode(&content);
    let noisy: String =
        text.as_bytes().chunks(76).map(|line| format!("{}\r\n ", String::from_utf8_lossy(line))).collect();
    let id = {
        let answer = client.send(request("POST", "/images", "image/png", &noisy)).answer();
        answer.json()["media_id"].as_str().expect("a name").to_owned()
    };
    let head =
        "POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut chunks = head.to_owned();
    for piece in text.as_bytes().chunks(1001) {
        chunks.push_str(&format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)));
    }
    let answer = client.send(chunks + "0\r\n\r\n").answer();
    let other = answer.json()["media_id"].as_str().expect("a name").to_owned();
    assert_ne!(id, other);
    for id in [&id, &other] {
        assert_eq!(end_of(&mut client, id).status, 200);
        assert_eq!(size_of(&thumbnail(&mut client, id)), (100, 67));
    }
}

#[test]
fn every_error_of_a_post() {
    let (server, mut client) = server();
    let bare = "POST /images HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nYWJj";
    let answer = client.send(bare).answer();
    assert_eq!((answer.status, answer.text()), (400, &*message("Missing header Content-Type")));
    assert_eq!(field(&answer, "content-type"), "application/json");
    for media_type in ["application/json", "text/plain", "imagery/png", "image"] {
        let answer = post(&mut client, media_type, b"abc");
        assert_eq!(
            (answer.status, answer.text()),
            (415, &*message("Only support Content-Type ['image']")),
            "{media_type}"
        );
    }
    for media_type in ["image/foo", "image/", "image/bmp", "image/svg+xml"] {
        let answer = post(&mut client, media_type, b"abc");
        assert_eq!(answer.status, 415, "{media_type}");
        assert!(answer.text().starts_with("{\"message\": \"Only support Content-Type ['image/png'"));
    }
    let answer = client.send(request("POST", "/images", "image/png", "abc")).answer();
    let sentence = "Unable to base64 decode. Invalid base64-encoded image body";
    assert_eq!((answer.status, answer.text()), (400, &*message(sentence)));
    for query in ["size=0x1", "size=100", "size=1x2049", "size=axb", "encoding=hex"] {
        let answer = client.send(request("POST", &format!("/images?{query}"), "image/png", "YWJj")).answer();
        let name = query.split('=').next().expect("a name");
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(&format!("Parameter `{name}` must be")), "{}", answer.text());
    }
    let large =
        "POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 10485761\r\n\r\n";
    let answer = client.send(large).answer();
    let sentence = "The body is larger than 10485760 bytes, which is what thumbs.max_body allows";
    assert_eq!((answer.status, answer.closes(), answer.text()), (413, true, &*message(sentence)));
    // The same of a length that is found out on the way.
    let head =
        "POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = server.connect();
    client.send(format!("{head}4\r\nYWJj\r\n"));
    let answer = client.send("a00000\r\n").answer();
    assert_eq!((answer.status, answer.closes(), answer.text()), (413, true, &*message(sentence)));
    assert_eq!(get(&mut server.connect(), "/images").text(), "{\"images\": [], \"next\": null}");
    await_blobs(&server, 0);
}

#[test]
fn a_body_in_another_form_than_it_says_is_answered_with_what_to_do() {
    let (server, mut client) = server();
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP]
    {
        // Long enough for more than one piece.
        let content = [picture(300, 200, 7, format), vec![0xFB; 200_000]].concat();
        let text = STANDARD.encode(&content);
        let url = format!("data:image/png;base64,{text}");
        for (query, body, told) in [
            ("", content.clone(), "send it with ?encoding=binary"),
            ("", url.clone().into_bytes(), "send only the base64 text behind its comma"),
            ("", URL_SAFE.encode(&content).into_bytes(), "is URL-safe base64"),
            ("", URL_SAFE_NO_PAD.encode(&content).into_bytes(), "is URL-safe base64"),
            ("?encoding=binary", text.into_bytes(), "send it without ?encoding=binary"),
            ("?encoding=binary", url.into_bytes(), "send the picture itself"),
        ] {
            let answer =
                client.send(request("POST", &format!("/images{query}"), "image/png", &body)).answer();
            assert_eq!(answer.status, 400, "{format:?} {told}: {}", answer.text());
            assert!(answer.text().contains(told), "{}", answer.text());
        }
    }
    assert_eq!(get(&mut client, "/images").text(), "{\"images\": [], \"next\": null}");
    await_blobs(&server, 0);
}

#[test]
fn a_thumbnail_of_another_kind_and_one_that_fills_its_frame() {
    let mut server = Server::fresh(&APPS);
    let mut client = server.connect();
    let content = picture(300, 200, 8, ImageFormat::Png);
    let mut ids = Vec::new();
    for (query, media_type, kind, size) in [
        ("", "image/png", ImageFormat::Png, (100, 67)),
        ("&format=png&fit=contain", "image/png", ImageFormat::Png, (100, 67)),
        ("&format=webp", "image/webp", ImageFormat::WebP, (100, 67)),
        ("&format=WebP&fit=cover", "image/webp", ImageFormat::WebP, (100, 100)),
        ("&fit=cover", "image/png", ImageFormat::Png, (100, 100)),
        ("&fit=cover&size=64x20", "image/png", ImageFormat::Png, (64, 20)),
        ("&format=jpeg&size=2048x1", "image/jpeg", ImageFormat::Jpeg, (2, 1)),
        ("&format=jpg", "image/jpeg", ImageFormat::Jpeg, (100, 67)),
        ("&format=gif", "image/gif", ImageFormat::Gif, (100, 67)),
    ] {
        let path = format!("/images?encoding=binary{query}");
        let answer = client.send(request("POST", &path, "image/png", &content)).answer();
        assert_eq!(answer.status, 202, "{query}: {}", answer.text());
        ids.push((answer.json()["media_id"].as_str().expect("a name").to_owned(), media_type, kind, size));
    }
    for (id, ..) in &ids {
        let answer = end_of(&mut client, id);
        assert_eq!(
            (answer.status, answer.json()["media_type"].as_str()),
            (200, Some("image/png")),
            "as it was sent"
        );
    }
    // Also of what a snapshot and the journal say after a start.
    for round in 0..2 {
        for (id, media_type, kind, size) in &ids {
            for encoding in ["base64", "binary"] {
                let answer = get(&mut client, &format!("/images/{id}/thumbnail?encoding={encoding}"));
                assert_eq!(
                    (answer.status, field(&answer, "content-type")),
                    (200, *media_type),
                    "round {round}"
                );
                let small = if encoding == "binary" {
                    answer.body
                } else {
                    STANDARD.decode(answer.text()).expect("base64")
                };
                assert_eq!((image::guess_format(&small).ok(), size_of(&small)), (Some(*kind), *size));
            }
        }
        if round == 0 {
            server = server.kill_and_restart(&APPS);
            client = server.connect();
        }
    }
    // Two of them are the same, and one content has as many thumbnails as ways to show it.
    await_blobs(&server, 8);
    for (query, told) in [
        ("format=bmp", "Parameter `format` must be png"),
        ("format=", "Parameter `format`"),
        ("fit=fill", "Parameter `fit` must be contain or cover"),
        ("fit=", "Parameter `fit`"),
    ] {
        let answer = client.send(request("POST", &format!("/images?{query}"), "image/png", "YWJj")).answer();
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(told), "{}", answer.text());
    }
}

#[test]
fn what_is_no_picture_is_taken_and_found_out() {
    let (server, mut client) = server();
    let half = {
        let whole = picture(300, 200, 5, ImageFormat::Png);
        whole[..whole.len() / 2].to_vec()
    };
    for (content, reason) in [
        (&b"abc"[..], "Corrupted raw image, please try again"),
        (b"", "Corrupted raw image, please try again"),
        (&half, "Corrupted raw image, please try again"),
        (&bomb(1), "The picture has more pixels than the 50000000 that are decoded"),
    ] {
        let id = submit(&mut client, "image/png", content);
        let answer = end_of(&mut client, &id);
        assert_eq!(
            (answer.status, answer.text()),
            (400, &*five(&id, "image/png", reason, "worker", "Error"))
        );
        let answer = get(&mut client, &format!("/images/{id}/thumbnail"));
        assert_eq!((answer.status, answer.field("retry-after")), (404, None));
        assert!(answer.text().contains(reason));
    }
    let id = submit(&mut client, "image/png", &png(6));
    assert_eq!(end_of(&mut client, &id).status, 200, "the next picture goes on");
    await_blobs(&server, 1);
}

/// A debug build's decoder does this when it is asked to: see `decoder/child.rs`.
#[test]
fn a_picture_that_ends_its_decoder_or_never_ends_is_given_up_and_the_next_one_goes_on() {
    let server = Server::fresh(&["--apps", "thumbs", "--thumbs-deadline", "5s", "--thumbs-workers", "1"]);
    let mut client = server.connect();
    let bad: Vec<(String, &str)> = [
        (&b"PIXELD-TEST panic"[..], "The picture ended its decoder twice; it is not tried again"),
        (b"PIXELD-TEST loop", "The picture took too long to decode"),
    ]
    .map(|(content, reason)| (submit(&mut client, "image/png", content), reason))
    .to_vec();
    let good = submit(&mut client, "image/png", &png(9));
    for (id, reason) in &bad {
        let answer = end_of(&mut client, id);
        assert_eq!((answer.status, answer.text()), (400, &*five(id, "image/png", reason, "worker", "Error")));
    }
    assert_eq!(end_of(&mut client, &good).status, 200);
    assert_eq!(size_of(&thumbnail(&mut client, &good)), (100, 75));
}

#[test]
fn unknown_names_paths_and_methods() {
    let (_server, mut client) = server();
    for id in [NOBODY, "x", "00000000000040008000000000000000", "%22%0a"] {
        let answer = get(&mut client, &format!("/images/{id}"));
        let shown = if id.starts_with('%') { "\\\"\\n" } else { id };
        assert_eq!(
            (answer.status, answer.text()),
            (404, &*message(&format!("Resource with id `{shown}` not found")))
        );
        assert_eq!(get(&mut client, &format!("/images/{id}/thumbnail")).status, 404);
        assert_eq!(client.send(plain("DELETE", &format!("/images/{id}"))).answer().status, 404);
    }
    let answer = client.send(plain("PUT", "/images/x")).answer();
    assert_eq!((answer.status, field(&answer, "allow")), (405, "DELETE, GET, HEAD, OPTIONS"));
    let answer = client.send(plain("OPTIONS", "/images")).answer();
    assert_eq!((answer.status, field(&answer, "allow")), (204, "GET, HEAD, OPTIONS, POST"));
}

#[test]
fn a_listener_of_its_own_answers_in_its_style() {
    let server = Server::fresh(&["--apps", "thumbs", "--listen", "127.0.0.1:0=thumbs"]);
    // The second listener's address stands behind the first one's.
    let stderr = server.stderr();
    let address = stderr.split("http://").nth(2).and_then(|rest| rest.split_whitespace().next());
    let address = address.and_then(|at| at.trim_end_matches(',').parse().ok()).expect(&stderr);
    let mut client = Client::connect(address);
    assert_eq!(get(&mut client, "/nowhere").text(), message("Not Found"));
    assert_eq!(get(&mut client, "/").json()["service"], "thumbs");
    assert_eq!(get(&mut client, "/images").status, 200);
}

#[test]
fn a_question_is_held_until_the_end_or_for_its_time() {
    let server =
        Server::fresh(&[&APPS[..], &["--thumbs-status-hold", "700ms", "--thumbs-workers", "1"]].concat());
    let mut client = server.connect();
    // A debug build's decoder never ends this one, so the only thread does not come to the next.
    submit(&mut client, "image/png", b"PIXELD-TEST loop");
    let id = submit(&mut client, "image/png", &png(7));
    let path = format!("/images/{id}");
    let processing = "Processing image, use `media_id` to check status";
    let expected = five(&id, "image/png", processing, "webserver", "Processing");
    let started = Instant::now();
    let answer = get(&mut client, &path);
    assert_eq!((answer.status, answer.text(), field(&answer, "retry-after")), (202, &*expected, "1"));
    assert!(started.elapsed() >= Duration::from_millis(700), "it was held");
    let answer = get(&mut client, &format!("{path}?wait=0"));
    assert_eq!((answer.status, answer.text(), field(&answer, "retry-after")), (202, &*expected, "1"));
    let answer = get(&mut client, &format!("{path}/thumbnail"));
    assert_eq!((answer.status, field(&answer, "retry-after")), (404, "1"));
    assert_eq!(get(&mut client, &format!("{path}?wait=x")).status, 400);
}

#[test]
fn all_who_wait_learn_of_a_delete() {
    let server =
        Server::fresh(&[&APPS[..], &["--thumbs-status-hold", "1h", "--thumbs-workers", "1"]].concat());
    let mut client = server.connect();
    submit(&mut client, "image/png", b"PIXELD-TEST loop");
    let path = format!("/images/{}", submit(&mut client, "image/png", &png(7)));
    let mut waiting: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for other in &mut waiting {
        other.send(plain("GET", &path));
    }
    waiting[0].assert_silence(Duration::from_millis(100));
    assert_eq!(client.send(plain("DELETE", &path)).answer().status, 204);
    for other in &mut waiting {
        assert_eq!(other.answer().status, 404);
    }
}

#[test]
fn the_list_has_pages_and_states() {
    let (_server, mut client) = server();
    let content = |at: u32| if at % 3 == 2 { b"no picture".to_vec() } else { png(at) };
    let ids: Vec<String> = (0..7).map(|at| submit(&mut client, "image/png", &content(at))).collect();
    ids.iter().for_each(|id| drop(end_of(&mut client, id)));
    let names = |page: &Value| -> Vec<String> {
        let images = page["images"].as_array().expect("a list").iter();
        images.map(|image| image["media_id"].as_str().expect("a name").to_owned()).collect()
    };
    let (mut found, mut path) = (Vec::new(), "/images?limit=3".to_owned());
    loop {
        let page = get(&mut client, &path).json();
        assert!(names(&page).len() <= 3);
        found.extend(names(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/images?limit=3&after={next}");
    }
    assert_eq!(found, ids, "the oldest first");
    let bad = get(&mut client, "/images?state=error").json();
    assert_eq!(names(&bad), [ids[2].clone(), ids[5].clone()]);
    let good = get(&mut client, "/images?state=Completed&limit=2").json();
    assert_eq!(names(&good), ids[..2]);
    assert!(names(&get(&mut client, "/images?state=Processing").json()).is_empty());
    for query in ["limit=0", "limit=1001", "limit=x", "after=x", "state=done"] {
        let answer = get(&mut client, &format!("/images?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains("Parameter `"), "{}", answer.text());
    }
}

#[test]
fn one_content_is_made_small_once() {
    let (server, mut client) = server();
    let content = picture(200, 100, 8, ImageFormat::Png);
    for _ in 0..3 {
        let id = submit(&mut client, "image/png", &content);
        assert_eq!(end_of(&mut client, &id).status, 200);
        assert_eq!(size_of(&thumbnail(&mut client, &id)), (100, 50));
    }
    let metrics = get(&mut client, "/metrics");
    for line in ["pixeld_thumbs_attempts_total 1", "pixeld_thumbs_done_total 1", "pixeld_thumbs_queued 0"] {
        assert!(metrics.text().lines().any(|found| found == line), "{line}");
    }
    await_blobs(&server, 1);
}

#[test]
fn many_at_once_all_come_to_their_end() {
    let (server, mut client) = server();
    let burst: Vec<u8> = (100..140).flat_map(|seed| post_bytes("image/png", &png(seed))).collect();
    client.send(burst);
    let ids: Vec<String> =
        (0..40).map(|_| client.answer().json()["media_id"].as_str().expect("a name").to_owned()).collect();
    for id in &ids {
        assert_eq!(end_of(&mut client, id).status, 200);
    }
    await_blobs(&server, 40);
    assert_eq!(thumbs::list(&server).len(), 40);
}
