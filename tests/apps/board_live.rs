//! The board's page in a real browser while things go wrong or happen elsewhere: nothing is missed, the focus stays, what
//! happens is said, and many tabs take one connection.

use crate::board;
use crate::browser;
use crate::process;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use board::{png, post};
use browser::{Browser, SCHEMES, WIDTHS};
use process::client::plain;
use process::{PATIENCE, Server};
use serde_json::{Value, json};

const APPS: [&str; 4] = ["--apps", "board", "--durability", "memory"];
const TEXTS: &str =
    "return [...document.querySelectorAll('#messages .message')].map((one) => one.textContent)";
const AWAY: &str = "return document.getElementById('state').textContent.startsWith('Not connected')";
const BACK: &str = "return document.getElementById('state').textContent === ''";

fn url(server: &Server) -> String {
    format!("http://{}/board", server.address)
}

fn shown(count: usize) -> String {
    format!("return document.querySelectorAll('#messages li').length === {count}")
}

fn is_loaded(visitor: &Browser) {
    visitor.wait_for("return document.getElementById('messages').getAttribute('aria-busy') === 'false'");
}

/// Posts messages that are called by their numbers.
fn say(server: &Server, numbers: std::ops::Range<usize>) {
    let mut client = server.connect();
    for number in numbers {
        assert_eq!(post(&mut client, &format!("message {number}"), "a.png", &png(1)).status, 200);
    }
}

/// Returns those texts, the newest first.
fn called(numbers: std::ops::Range<usize>) -> Value {
    numbers.rev().map(|number| format!("message {number}")).collect()
}

/// Lets requests fail whose address fits one of the patterns.
fn block(visitor: &Browser, patterns: &[&str]) {
    visitor.control("Network.enable", &json!({}));
    visitor.control("Network.setBlockedURLs", &json!({ "urls": patterns }));
}

/// What is said to a screen reader, once it is.
fn said(visitor: &Browser, text: &str) {
    visitor.wait_for(&format!("return document.getElementById('said').textContent.includes({text:?})"));
}

#[test]
fn what_is_posted_before_the_first_question_is_shown() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&APPS);
    block(&visitor, &["*/board/events*"]);
    visitor.go_to(&url(&server));
    is_loaded(&visitor);
    say(&server, 0..3);
    visitor.wait_for(AWAY);
    assert_eq!(visitor.evaluate(TEXTS), json!([]), "no question came through");
    block(&visitor, &[]);
    visitor.wait_for(&shown(3));
    assert_eq!(visitor.evaluate(TEXTS), called(0..3));
    visitor.wait_for(BACK);
    // More than the server remembers: the page loads the list again, and shows all that are new.
    block(&visitor, &["*/board/events*"]);
    visitor.wait_for(AWAY);
    say(&server, 3..73);
    block(&visitor, &[]);
    visitor.wait_for(&shown(73));
    assert_eq!(visitor.evaluate(TEXTS), called(0..73));
}

#[test]
fn a_kill_right_after_the_first_list_hides_nothing() {
    let Some(visitor) = Browser::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(process::free_address(), directory.path(), &APPS);
    say(&server, 0..7);
    visitor.go_to(&url(&server));
    visitor.wait_for(&shown(5));
    server.kill();
    visitor.wait_for(AWAY);
    let server = Server::start(server.address, directory.path(), &APPS);
    say(&server, 7..15);
    // Those of before are found as well, and go on being older than what is shown.
    visitor.wait_for(&shown(13));
    assert_eq!(visitor.evaluate(TEXTS), called(2..15));
    visitor.wait_for(BACK);
    visitor.click("#older");
    visitor.wait_for(&shown(15));
    visitor.wait_for("return document.getElementById('older').hidden");
    say(&server, 15..16);
    visitor.wait_for(&shown(16));
    assert_eq!(visitor.evaluate("return document.getElementById('older').hidden"), true, "nothing is older");
}

#[test]
fn a_server_that_is_away_is_asked_less_and_less_often() {
    let Some(visitor) = Browser::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(process::free_address(), directory.path(), &APPS);
    visitor.go_to(&url(&server));
    is_loaded(&visitor);
    server.kill();
    // Somebody who counts and never answers takes its place.
    let listener = TcpListener::bind(server.address).expect("the address of the server");
    let mut asked = Vec::new();
    let started = Instant::now();
    while asked.len() < 4 {
        let (stream, _) = listener.accept().expect("a connection");
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let mut line = String::new();
        let _ = BufReader::new(&stream).read_line(&mut line);
        if line.contains("/board/events") {
            asked.push(started.elapsed());
        }
    }
    // A timer is late at worst, never early: 0.5, 1, 2 and 4 s, each a quarter less or more.
    let pause = asked[3] - asked[2];
    assert!(pause >= Duration::from_millis(1_400), "{asked:?}");
    assert_eq!(visitor.evaluate(AWAY), true);
    drop(listener);
    let server = Server::start(server.address, directory.path(), &APPS);
    say(&server, 0..1);
    // A network that comes back is tried at once.
    visitor.evaluate("window.dispatchEvent(new Event('online'))");
    visitor.wait_for(&shown(1));
    visitor.wait_for(BACK);
}

#[test]
fn a_delete_is_seen_in_every_tab_and_the_focus_stays() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&APPS);
    say(&server, 0..4);
    visitor.go_to(&url(&server));
    visitor.wait_for(&shown(4));
    let (other, first) = visitor.open_tab(&url(&server));
    visitor.wait_for(&shown(4));
    visitor.turn_to(&first);
    let delete = |nth: usize| {
        visitor.click(&format!("#messages li:nth-child({nth}) .delete"));
        visitor.accept();
    };
    let focus = "const item = document.activeElement.closest('li'); \
                 return item && item.querySelector('.message').textContent";
    delete(2);
    visitor.wait_for(&shown(3));
    assert_eq!(visitor.evaluate(focus), "message 1", "the next one");
    said(&visitor, "deleted");
    delete(3);
    visitor.wait_for(&shown(2));
    assert_eq!(visitor.evaluate(focus), "message 1", "the one before, where there is no next");
    visitor.turn_to(&other);
    visitor.wait_for(&shown(2));
    assert_eq!(visitor.evaluate(TEXTS), json!(["message 3", "message 1"]));
    // From elsewhere, under somebody's focus.
    visitor.evaluate("document.querySelector('#messages li:nth-child(1) .delete').focus()");
    let newest = server.connect().send(plain("GET", "/readMessages")).answer().json()[0]["id"].clone();
    assert_eq!(server.connect().send(plain("DELETE", &format!("/messages/{newest}"))).answer().status, 204);
    visitor.wait_for(&shown(1));
    assert_eq!(visitor.evaluate(focus), "message 1");
    said(&visitor, "A message was deleted");
    delete(1);
    visitor.wait_for("return !document.getElementById('empty').hidden");
    assert_eq!(visitor.evaluate("return document.activeElement.id"), "message");
    visitor.turn_to(&first);
    visitor.wait_for(&shown(0));
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
}

#[test]
fn the_focus_stays_and_what_happens_is_said() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&APPS);
    visitor.go_to(&url(&server));
    is_loaded(&visitor);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.png");
    std::fs::write(&path, png(7)).expect("written");
    visitor.fill("#message", "with the keyboard");
    visitor.choose("#file", &path);
    visitor.evaluate("document.getElementById('send').focus()");
    visitor.press("\u{e007}");
    visitor.wait_for(&shown(1));
    said(&visitor, "Your message is posted");
    assert_eq!(visitor.evaluate("return document.activeElement.id"), "send");
    let live = "return document.getElementById('said').getAttribute('aria-live')";
    assert_eq!(visitor.evaluate(live), "polite");
    say(&server, 1..2);
    said(&visitor, "New message: message 1");
    say(&server, 2..12);
    visitor.wait_for(&shown(12));

    visitor.go_to(&url(&server));
    visitor.wait_for(&shown(5));
    visitor.evaluate("document.getElementById('older').focus()");
    visitor.press("\u{e007}");
    visitor.wait_for(&shown(12));
    said(&visitor, "7 older messages are shown, there are no more");
    let focus = "const item = document.activeElement.closest('li'); \
                 return document.activeElement.className + ' ' + (item && item.querySelector('.message').textContent)";
    assert_eq!(visitor.evaluate(focus), "picture message 6", "the first one that was added");
    // What is posted now does not bring the button back.
    visitor.fill("#message", "another one");
    visitor.choose("#file", &path);
    visitor.click("#send");
    visitor.wait_for(&shown(13));
    assert_eq!(visitor.evaluate("return document.getElementById('older').hidden"), true);
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
}

/// Chromium makes six connections to a host: with a question held by each tab the seventh waits.
#[test]
fn one_of_many_tabs_asks_for_all() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&APPS);
    visitor.go_to(&url(&server));
    is_loaded(&visitor);
    let mut tabs = vec![visitor.ask("GET", "/window", &Value::Null).as_str().expect("a handle").to_owned()];
    for _ in 0..7 {
        let (tab, _) = visitor.open_tab(&url(&server));
        is_loaded(&visitor);
        tabs.push(tab);
    }
    // All others are hidden: they have let go.
    let locks = "return navigator.locks.query().then(({ held, pending }) => [held.length, pending.length])";
    wait_until(&visitor, locks, &json!([1, 0]));
    // What a hidden tab has missed it shows when it is looked at.
    say(&server, 0..2);
    for tab in &tabs {
        visitor.turn_to(tab);
        visitor.wait_for(&shown(2));
        assert_eq!(visitor.evaluate(TEXTS), called(0..2));
        // From now on it takes itself for looked at, as a window beside the others is.
        visitor.control("Emulation.setFocusEmulationEnabled", &json!({"enabled": true}));
    }
    wait_until(&visitor, locks, &json!([1, 7]));
    // So there are connections left, and one tab tells all the others.
    say(&server, 2..4);
    // A tab that shows a message whose picture went before it asked for it is told so, and the browser complains.
    let pictures = "const all = [...document.querySelectorAll('#messages img')]; \
                    return all.length === 4 && all.every((one) => one.complete && one.naturalWidth > 0)";
    for tab in &tabs {
        visitor.turn_to(tab);
        visitor.wait_for(pictures);
    }
    let newest = server.connect().send(plain("GET", "/readMessages")).answer().json()[0]["id"].clone();
    assert_eq!(server.connect().send(plain("DELETE", &format!("/messages/{newest}"))).answer().status, 204);
    for tab in &tabs {
        visitor.turn_to(tab);
        visitor.wait_for(&shown(3));
        assert_eq!(visitor.evaluate(TEXTS), called(0..3));
    }
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
}

fn wait_until(visitor: &Browser, script: &str, expected: &Value) {
    let started = Instant::now();
    loop {
        let found = visitor.evaluate(script);
        if found == *expected {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{found} and not {expected}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A page that comes over plain HTTP from another machine has no locks: hidden tabs let go all the same.
#[test]
fn without_locks_each_tab_that_is_looked_at_asks() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&APPS);
    let without = json!({"source": "delete Navigator.prototype.locks"});
    visitor.control("Page.addScriptToEvaluateOnNewDocument", &without);
    visitor.go_to(&url(&server));
    is_loaded(&visitor);
    assert_eq!(visitor.evaluate("return navigator.locks === undefined"), true);
    say(&server, 0..1);
    visitor.wait_for(&shown(1));
    let (_, first) = visitor.open_tab("about:blank");
    say(&server, 1..3);
    visitor.turn_to(&first);
    visitor.wait_for(&shown(3));
    assert_eq!(visitor.evaluate(TEXTS), called(0..3));
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
}

/// Posts, is refused, deletes and reads on, on each kind of screen.
#[test]
fn the_board_can_be_used_on_every_screen() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&APPS);
    let directory = tempfile::tempdir().expect("a directory");
    let (picture, text) = (directory.path().join("a.png"), directory.path().join("a.txt"));
    std::fs::write(&picture, png(7)).expect("written");
    std::fs::write(&text, "no picture").expect("written");
    say(&server, 0..9);
    for (width, scheme) in WIDTHS.into_iter().flat_map(|width| SCHEMES.map(|scheme| (width, scheme))) {
        visitor.look_as(width, scheme);
        visitor.go_to(&url(&server));
        visitor.wait_for(&shown(5));
        let check = |state: &str| {
            visitor.photograph(&format!("board-{state}-{width}-{scheme}"));
            assert_eq!(visitor.overflowing(), json!([]), "{state} {width} {scheme}");
            if let Some(axe) = browser::axe() {
                let violations = visitor.violations(&axe);
                assert!(violations.is_empty(), "{state} {width} {scheme}: {violations:#?}");
            }
        };
        visitor.fill("#message", "refused");
        visitor.choose("#file", &text);
        visitor.click("#send");
        visitor.wait_for("return !document.getElementById('fault').hidden");
        check("refused");
        visitor.fill("#message", "posted");
        visitor.choose("#file", &picture);
        visitor.wait_for("return document.getElementById('preview').naturalWidth > 0");
        assert_eq!(
            visitor.evaluate("return document.getElementById('fault').hidden"),
            true,
            "of another file"
        );
        check("chosen");
        visitor.click("#send");
        visitor.wait_for(&shown(6));
        visitor.click("#older");
        visitor.wait_for(&shown(10));
        check("read");
        visitor.click("#messages li:first-child .delete");
        visitor.accept();
        visitor.wait_for(&shown(9));
        assert_eq!(visitor.evaluate(TEXTS), called(0..9));
    }
    browser::skip_without_axe();
}

#[test]
fn a_post_without_the_script_ends_on_the_board() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&APPS);
    block(&visitor, &["*.js"]);
    visitor.go_to(&url(&server));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.png");
    std::fs::write(&path, "no picture").expect("written");
    let send = |text: &str| {
        visitor.fill("#message", text);
        visitor.choose("#file", &path);
        visitor.click("#send");
    };
    send("refused");
    visitor.wait_for("return document.title === 'Not posted' && document.querySelector('p').textContent.includes('no JPEG')");
    visitor.photograph("board-not-posted");
    visitor.click("a");
    visitor.wait_for("return document.title === 'Board'");
    std::fs::write(&path, png(3)).expect("written");
    send("posted");
    visitor.wait_for(
        "return location.hash === '#posted' && document.getElementById('posted').checkVisibility()",
    );
    let messages = server.connect().send(plain("GET", "/readMessages")).answer().json();
    assert_eq!((&messages[0]["message"], messages.as_array().map(Vec::len)), (&json!("posted"), Some(1)));
    // With its script the page says it once, and shows the message.
    block(&visitor, &[]);
    visitor.go_to(&url(&server));
    visitor.wait_for(&shown(1));
    assert_eq!(visitor.evaluate("return document.getElementById('posted').checkVisibility()"), false);
}
