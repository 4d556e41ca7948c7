//! Pictures of the board where hosts and disks fail: fetched from the peer, kept through its death, refused by a
//! full disk; and how the oldest clients fetch them.

use crate::board;
use crate::process;

use std::io::{Read, Write};
use std::net::TcpStream;

use board::{blob_files, large, post, post_bytes, post_form};
use process::client::{Answer, Client, plain};
use process::pair::{Pair, await_connected, await_that};
use process::small_disk::SmallDisk;
use process::{ANY_PORT, PATIENCE, Server};

const APPS: [&str; 2] = ["--apps", "board,pixel"];

/// Addresses of the newest pictures.
fn newest(client: &mut Client) -> Vec<String> {
    let messages = client.send(plain("GET", "/readMessages")).answer().json();
    let messages = messages.as_array().expect("a list").iter();
    messages.map(|message| message["image_url"].as_str().expect("an address").to_owned()).collect()
}

fn fetched(client: &mut Client, url: &str) -> Answer {
    client.send(plain("GET", url)).answer()
}

fn url_of(answer: &Answer) -> String {
    format!("/media/{}", answer.json()["filename"].as_str().expect("a name"))
}

#[test]
fn a_picture_that_is_posted_here_is_fetched_there() {
    let pair = Pair::found();
    let (a, b) = pair.start(&APPS);
    let (mut at_a, mut at_b) = (a.connect(), b.connect());
    let mut urls = Vec::new();
    for seed in 0..6_u32 {
        let content = large(seed, 200_000 * seed as usize + 10);
        let poster = if seed % 2 == 0 { &mut at_a } else { &mut at_b };
        let answer = post(poster, "x", "a.png", &content);
        assert_eq!(answer.status, 200, "{}", answer.head);
        urls.push((url_of(&answer), content));
    }
    for host in [&mut at_a, &mut at_b] {
        await_that("all posts", || newest(host).len(), |count| *count == 5);
        for (url, content) in &urls {
            let answer = await_that("the picture", || fetched(host, url), |answer| answer.status == 200);
            assert!(answer.body == *content, "{url}: byte for byte");
        }
    }
    assert_eq!(newest(&mut at_a), newest(&mut at_b), "the same order on both");
    // What one host removes goes on both.
    let id = at_b.send(plain("GET", "/readMessages")).answer().json()[0]["id"].to_string();
    assert_eq!(at_b.send(plain("DELETE", &format!("/messages/{id}"))).answer().status, 204);
    for host in [&pair.a, &pair.b] {
        await_that("five pictures", || blob_files(&host.data_dir).len(), |count| *count == 5);
    }
}

/// A post is answered at `both`; at once its host dies. The other one has the picture, and still has it when it died too.
#[test]
fn a_picture_acknowledged_by_both_outlives_the_host_that_took_it() {
    let pair = Pair::found();
    let (mut a, mut b) = pair.start(&APPS);
    let mut kept = Vec::new();
    for round in 0..4_u32 {
        let content = large(round + 100, 1_500_000);
        let mut request = post_bytes(post_form("x", "a.png", &content));
        let line_end = request.iter().position(|&byte| byte == b'\n').expect("a request line") + 1;
        request.splice(line_end..line_end, *b"Durability: both\r\n");
        let answer = a.connect().send(request).answer();
        assert_eq!((answer.status, answer.field("durability")), (200, Some("both")), "{}", answer.head);
        a.kill();
        kept.push((url_of(&answer), content));
        if round == 2 {
            b.kill();
            b = pair.b.start(&pair.a, &APPS);
        }
        let mut at_b = b.connect();
        for (url, content) in &kept {
            let answer = await_that("the picture", || fetched(&mut at_b, url), |answer| answer.status == 200);
            assert!(answer.body == *content, "round {round}: {url}");
        }
        a = pair.a.start(&pair.b, &APPS);
        await_connected(&a);
    }
    let mut at_a = a.connect();
    for (url, content) in &kept {
        assert!(fetched(&mut at_a, url).body == *content, "{url}: on the host that was killed");
    }
}

#[test]
fn a_picture_for_which_the_disk_has_no_room_is_refused_and_leaves_nothing() {
    let Some(disk) = SmallDisk::new() else { return };
    let arguments = ["--segment-size", "8MiB", "--disk-reserve", "64KiB"];
    let server = Server::start(ANY_PORT, &disk.data(), &[&APPS[..], &arguments].concat());
    let mut client = server.connect();
    let first = post(&mut client, "x", "a.png", &large(1, 300_000));
    assert_eq!(first.status, 200);
    // The journal's spare segment is made beside the requests and would take the room.
    let segments = || {
        let entries = std::fs::read_dir(disk.data()).expect("a directory");
        entries
            .filter(|entry| {
                entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|ext| ext == "seg"))
            })
            .count()
    };
    await_that("the spare segment", segments, |count| *count == 2);
    // Room for the beginning of a picture, and for the record of one.
    disk.fill_up_to(1 << 20);
    // While it was filled there was no room at all for a moment, which may have been seen.
    let pixel = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
    await_that("room for a record", || server.ask("POST", "/pixel", pixel).0, |status| *status == 200);
    let picture = large(2, 8 << 20);
    client.send_in_vain(post_bytes(post_form("x", "b.png", &picture)));
    let refused = client.answer();
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(refused.text().contains("No space left for the picture"), "{}", refused.text());
    let mut client = server.connect();
    assert_eq!(newest(&mut client), [url_of(&first)], "nothing of it is on the board");
    assert_eq!(fetched(&mut client, &url_of(&first)).status, 200, "reads go on");
    await_that("what was written of it to go", || blob_files(&disk.data()).len(), |count| *count == 1);
    disk.make_room();
    let post_again = || {
        let mut client = server.connect();
        client.send_in_vain(post_bytes(post_form("x", "b.png", &picture)));
        client.answer()
    };
    let taken = await_that("room", post_again, |answer| answer.status == 200);
    assert!(fetched(&mut client, &url_of(&taken)).body == picture);
}

/// Everything up to the end of the connection.
fn until_the_end(server: &Server, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("an end");
    all
}

#[test]
fn a_client_of_http_1_0_fetches_the_page_and_its_pictures() {
    let server = Server::fresh(&APPS);
    let content = large(3, 700_000);
    let posted = post(&mut server.connect(), "x", "a.png", &content);
    for (path, wanted) in [(url_of(&posted), Some(&content)), ("/board".to_owned(), None)] {
        // Such a client knows no Host field, no chunks, and that the end of the connection is the end.
        let all = until_the_end(&server, &format!("GET {path} HTTP/1.0\r\n\r\n"));
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
        let body = &all[end + 4..];
        assert!(head.contains(" 200 ") && !head.contains("transfer-encoding"), "{path}: {head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{path}: {head}");
        assert!(wanted.is_none_or(|content| body == content), "{path}");
        assert!(body.len() > 500);
        let head = until_the_end(&server, &format!("HEAD {path} HTTP/1.0\r\n\r\n"));
        assert!(head.ends_with(b"\r\n\r\n"), "{path}: no body");
    }
    // It may ask to keep the connection.
    let mut client = server.connect();
    for _ in 0..2 {
        let request = format!("GET {} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", url_of(&posted));
        let answer = client.send(request).answer();
        assert!(
            answer.body == content && answer.field("connection") == Some("keep-alive"),
            "{}",
            answer.head
        );
    }
}
