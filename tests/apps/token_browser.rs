//! The pages of a server that asks for a token: a form asks for it once, the tab keeps it, and pictures and streams come with it.

use crate::board;
use crate::browser;
use crate::process;

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

#[test]
fn a_tab_keeps_the_token_that_its_visitor_gives() {
    let Some(visitor) = Browser::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let made =
        pixeld(&["token", "new", "--name", "a", "--scope", "read,write,admin"]).output().expect("it runs");
    let text = String::from_utf8(made.stdout).expect("a text");
    let (secret, line) = text.split_once('\n').expect("two lines");
    let file = directory.path().join("tokens");
    std::fs::write(&file, line).expect("written");
    let server = Server::fresh(&["--tokens", file.to_str().expect("a path")]);

    visitor.go_to(&format!("http://{}/board", server.address));
    give(&visitor, "pixeld_wrong");
    // An unknown one is asked for again, and the right one is enough for all that follows.
    give(&visitor, secret);
    visitor.wait_for("return !document.getElementById('empty').hidden");
    let path = directory.path().join("a.png");
    std::fs::write(&path, png(7)).expect("written");
    visitor.fill("#message", "with a token");
    let input = visitor.find("#file");
    visitor.ask("POST", &format!("/element/{input}/value"), &json!({ "text": path.display().to_string() }));
    visitor.click("#send");
    let width = "const image = document.querySelector('#messages img'); return (image && image.naturalWidth) || false";
    assert_eq!(visitor.wait_for(width), 24, "its picture is there");

    // Another page of the same tab: the canvas and the figures, without a question.
    visitor.go_to(&format!("http://{}/", server.address));
    visitor.wait_for("return document.getElementById('state').textContent === 'up'");
    assert_eq!(visitor.evaluate("return document.querySelectorAll('dialog').length"), 0);
    visitor.wait_for("return !document.getElementById('tiles').hidden");
    assert!(!server.stderr().contains(secret));
    // Another tab has none.
    visitor.open_tab(&format!("http://{}/board", server.address));
    visitor.wait_for(IS_ASKED);
}
