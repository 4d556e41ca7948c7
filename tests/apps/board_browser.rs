//! The board's page in a real browser: posting, seeing what others post, older messages, errors in place, and texts
//! that stay texts.

use crate::board;
use crate::browser;
use crate::process;

use std::collections::BTreeSet;

use board::{HOSTILE, form, hostile, part, png, post, post_bytes, with_plain_breaks};
use browser::Browser;
use process::client::plain;
use process::{ANY_PORT, Server};
use serde_json::json;

const SHOWN: &str = "return document.querySelectorAll('#messages li').length";

fn shown(count: usize) -> String {
    format!("return document.querySelectorAll('#messages li').length === {count}")
}

#[test]
fn a_visitor_posts_sees_others_and_reads_on() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--apps", "board"]);
    let url = format!("http://{}/board", server.address);
    visitor.go_to(&url);
    visitor.wait_for("return !document.getElementById('empty').hidden");
    assert_eq!(visitor.evaluate(SHOWN), 0);

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("my \"cat\".png");
    std::fs::write(&path, png(7)).expect("written");
    visitor.fill("#message", "Hello <b>there</b> & all");
    let input = visitor.find("#file");
    let keys = json!({ "text": path.display().to_string() });
    visitor.ask("POST", &format!("/element/{input}/value"), &keys);
    visitor.click("#send");
    visitor.wait_for(&shown(1));
    let text = visitor.evaluate("return document.querySelector('#messages .message').textContent");
    assert_eq!(text, "Hello <b>there</b> & all");
    let width =
        "const image = document.querySelector('#messages img'); return image.complete && image.naturalWidth";
    assert_eq!(visitor.wait_for(width), 24, "its picture is there");
    assert_eq!(
        visitor.evaluate("return document.getElementById('message').value"),
        "",
        "ready for the next one"
    );

    // Somebody else posts: it appears by itself, on top.
    let mut client = server.connect();
    assert_eq!(post(&mut client, "from somebody else", "a.png", &png(1)).status, 200);
    visitor.wait_for(&shown(2));
    let first = visitor.evaluate("return document.querySelector('#messages .message').textContent");
    assert_eq!(first, "from somebody else");

    // An error is shown in place, and nothing is lost of what was typed.
    std::fs::write(&path, "no picture").expect("written");
    visitor.fill("#message", "with a text as its picture");
    let input = visitor.find("#file");
    visitor.ask("POST", &format!("/element/{input}/value"), &keys);
    visitor.click("#send");
    let fault = visitor.wait_for(
        "const fault = document.getElementById('fault'); return !fault.hidden && fault.textContent",
    );
    assert!(fault.as_str().is_some_and(|text| text.contains("no JPEG")), "{fault}");
    let typed = visitor.evaluate("return document.getElementById('message').value");
    assert_eq!(typed, "with a text as its picture");
    visitor.photograph("board");
    // The refused upload is the one complaint there may be.
    let complaints = visitor.complaints();
    let complaints = complaints.as_array().expect("a list");
    assert!(
        complaints.iter().all(|one| one["message"].as_str().is_some_and(|text| text.contains("415"))),
        "{complaints:?}"
    );

    for at in 0..8 {
        assert_eq!(post(&mut client, &format!("message {at}"), "a.png", &png(at)).status, 200);
    }
    visitor.go_to(&url);
    visitor.wait_for(&shown(5));
    visitor.click("#older");
    visitor.wait_for(&shown(10));
    visitor.wait_for("return document.getElementById('older').hidden");
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
}

#[test]
fn hostile_texts_are_texts_to_the_browser() {
    let Some(visitor) = Browser::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(ANY_PORT, directory.path(), &["--apps", "board", "--durability", "memory"]);
    let mut client = server.connect();
    for seed in 0..HOSTILE {
        let file = part(&format!("name=\"file\"; filename=\"{seed}.png\""), &png(1));
        let name = part("name=\"message\"", hostile(seed).as_bytes());
        assert_eq!(client.send(post_bytes(form(&[name, file]))).answer().status, 200);
    }
    visitor.go_to(&format!("http://{}/board", server.address));
    visitor.evaluate("window.struck = 0; window.alert = () => window.struck++; return 0");
    visitor.wait_for(&shown(5));
    // Older and older, until there is no more.
    visitor.wait_for(&format!(
        "const older = document.getElementById('older'); if (!older.hidden) older.click(); \
         return older.hidden && document.querySelectorAll('#messages li').length === {HOSTILE}"
    ));
    let texts = visitor.evaluate(
        "return [...document.querySelectorAll('#messages .message')].map((one) => one.textContent)",
    );
    let texts: BTreeSet<String> = serde_json::from_value(texts).expect("a list of texts");
    assert_eq!(texts, (0..HOSTILE).map(|seed| with_plain_breaks(&hostile(seed))).collect::<BTreeSet<_>>());
    let names = "return [...new Set([...document.querySelectorAll('#messages *')].map((one) => one.localName))].sort()";
    let names = visitor.evaluate(names);
    assert_eq!(
        names,
        json!(["a", "article", "button", "div", "img", "li", "p", "time"]),
        "nothing came alive"
    );
    let handlers = "return [...document.querySelectorAll('#messages *')].filter((one) => \
                    [...one.attributes].some((attribute) => attribute.name.startsWith('on'))).length";
    assert_eq!((visitor.evaluate(handlers), visitor.evaluate("return window.struck")), (json!(0), json!(0)));
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
}

/// The page lets through just what the server takes: line breaks and emoji are one character each on both sides.
#[test]
fn the_page_and_the_server_count_alike() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--apps", "board"]);
    visitor.go_to(&format!("http://{}/board", server.address));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.png");
    std::fs::write(&path, png(7)).expect("written");
    let (lines, emoji) = (format!("{}{}", "a".repeat(250), "\n".repeat(5)), "\u{1f600}".repeat(255));
    for (text, count) in [(&lines, 1), (&emoji, 2)] {
        let typed = json!([text]).to_string();
        visitor.wait_for(
            "return document.getElementById('message').value === '' && !document.getElementById('send').disabled",
        );
        for (addition, is_valid) in [("b", false), ("", true)] {
            let fill = format!(
                "const message = document.getElementById('message'); message.value = {typed}[0] + '{addition}'; \
                 message.dispatchEvent(new Event('input')); return message.checkValidity()"
            );
            assert_eq!(visitor.evaluate(&fill), is_valid, "{addition:?} behind {text:?}");
            let answer = post(&mut server.connect(), &format!("{text}{addition}"), "a.png", b"no picture");
            assert_eq!(answer.status, if is_valid { 415 } else { 422 }, "{}", answer.text());
        }
        let input = visitor.find("#file");
        let keys = json!({ "text": path.display().to_string() });
        visitor.ask("POST", &format!("/element/{input}/value"), &keys);
        visitor.click("#send");
        visitor.wait_for(&shown(count));
        let stored = server.connect().send(plain("GET", "/readMessages")).answer().json();
        assert_eq!(stored[0]["message"], **text, "stored as it was typed");
    }
}
