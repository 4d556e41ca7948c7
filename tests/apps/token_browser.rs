//! The pages of a server that asks for a token: a form asks for it once, the tab keeps it, and pictures and streams come with it.

use crate::board;
use crate::browser;
use crate::process;
use crate::secured::{Authority, Secured};

use std::path::Path;

use board::png;
use browser::Browser;
use process::{Server, pixeld};
use serde_json::json;

const IS_ASKED: &str = "return document.querySelectorAll('dialog[open]').length === 1";
const INPUT: &str = "dialog input";

fn give(visitor: &Browser, secret: &str) {
    visitor.wait_for(IS_ASKED);
    visitor.fill(INPUT, secret);
    visitor.click("dialog button");
}

/// A token that may do most, and the file of a server that knows it.
fn token(directory: &Path) -> (String, String) {
    let made =
        pixeld(&["token", "new", "--name", "a", "--scope", "read,write,admin"]).output().expect("it runs");
    let text = String::from_utf8(made.stdout).expect("a text");
    let (secret, line) = text.split_once('\n').expect("two lines");
    let file = directory.join("tokens");
    std::fs::write(&file, line).expect("written");
    (secret.to_owned(), file.to_str().expect("a path").to_owned())
}

/// Sends a message with a picture by the form of the board, and waits until the page shows it.
fn send_picture(visitor: &Browser, directory: &Path) {
    visitor.wait_for("return !document.getElementById('empty').hidden");
    let path = directory.join("a.png");
    std::fs::write(&path, png(7)).expect("written");
    visitor.fill("#message", "with a token");
    let input = visitor.find("#file");
    visitor.ask("POST", &format!("/element/{input}/value"), &json!({ "text": path.display().to_string() }));
    visitor.click("#send");
    let width = "const image = document.querySelector('#messages img'); return (image && image.naturalWidth) || false";
    assert_eq!(visitor.wait_for(width), 24, "its picture is there");
}

#[test]
fn over_https_a_page_asks_for_the_token_and_does_all_that_it_does_without() {
    let Some(visitor) = Browser::start() else { return };
    let (authority, directory) = (Authority::new(), tempfile::tempdir().expect("a directory"));
    let (secret, file) = token(directory.path());
    let secured = Secured::start(&authority, &["--tokens", &file, "--hsts", "1h"]);
    visitor.go_to(&format!("https://{}/board", secured.https));
    give(&visitor, &secret);
    send_picture(&visitor, directory.path());
    let seen = visitor.evaluate("return [location.protocol, isSecureContext]");
    assert_eq!(seen, json!(["https:", true]));
    visitor.go_to(&format!("https://{}/", secured.https));
    visitor.wait_for("return document.getElementById('state').textContent === 'up'");
    assert_eq!(visitor.evaluate("return document.querySelectorAll('dialog').length"), 0);
}

#[test]
fn a_tab_keeps_the_token_that_its_visitor_gives() {
    let Some(visitor) = Browser::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (secret, file) = token(directory.path());
    let server = Server::fresh(&["--tokens", &file]);

    visitor.go_to(&format!("http://{}/board", server.address));
    give(&visitor, "pixeld_wrong");
    // An unknown one is asked for again, and the right one is enough for all that follows.
    give(&visitor, &secret);
    send_picture(&visitor, directory.path());

    // Another page of the same tab: the canvas and the figures, without a question.
    visitor.go_to(&format!("http://{}/", server.address));
    visitor.wait_for("return document.getElementById('state').textContent === 'up'");
    assert_eq!(visitor.evaluate("return document.querySelectorAll('dialog').length"), 0);
    visitor.wait_for("return !document.getElementById('tiles').hidden");
    assert!(!server.stderr().contains(&secret));
    // Another tab has none.
    visitor.open_tab(&format!("http://{}/board", server.address));
    visitor.wait_for(IS_ASKED);
}
