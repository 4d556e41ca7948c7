//! Every page in a real browser at three widths and in two colour schemes: nothing is beyond the screen's edge, and axe-core
//! finds nothing wrong. The pictures that are taken are for people to look at.

use crate::board;
use crate::browser;
use crate::process;

use board::{blob_files, png, post};
use browser::{Browser, SCHEMES, WIDTHS};
use process::Server;
use serde_json::json;

const TEXTS: [&str; 6] = [
    "one that is not listed at first",
    "Hello, and a line\nbelow it, which goes on for a while so that it has to be broken on a phone",
    "\u{05e9}\u{05dc}\u{05d5}\u{05dd}",
    "short",
    "awordwithoutanyplacewhereitcouldbebrokenwhichgoesonandonandonandonandonandonandonandonandonandonandonandonandon",
    "The picture of this one is broken",
];

/// Looks at the page as it is, in every way.
fn look(browser: &Browser, name: &str) {
    for width in WIDTHS {
        for scheme in SCHEMES {
            browser.look_as(width, scheme);
            let shown = format!("{name}-{width}-{scheme}");
            assert_eq!(
                browser.evaluate("return innerWidth"),
                width,
                "{shown}: the page is as wide as the screen"
            );
            browser.photograph(&shown);
            assert_eq!(browser.overflowing(), json!([]), "{shown}");
            if let Some(axe) = browser::axe() {
                let violations = browser.violations(&axe);
                assert!(violations.is_empty(), "{shown}: {violations:#?}");
            }
        }
    }
}

#[test]
fn the_board_fits_every_screen() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--apps", "board", "--durability", "memory"]);
    let url = format!("http://{}/board", server.address);
    visitor.go_to(&url);
    visitor.wait_for("return !document.getElementById('empty').hidden");
    look(&visitor, "board-empty");
    visitor.go_to("about:blank");
    let mut client = server.connect();
    for (at, text) in (0..).zip(TEXTS) {
        assert_eq!(post(&mut client, text, "a.png", &png(at)).status, 200);
    }
    // A picture that is not there any more.
    for file in blob_files(server.data_dir()) {
        if std::fs::read(&file).expect("a blob") == png(5) {
            std::fs::remove_file(&file).expect("removed");
        }
    }
    visitor.go_to(&url);
    visitor.wait_for("return document.querySelectorAll('.missing:not([hidden])').length === 1");
    let fallback =
        "return document.querySelector('.missing:not([hidden])').getBoundingClientRect().height > 40";
    assert_eq!(visitor.evaluate(fallback), true, "the broken picture has a text in its place");
    visitor.wait_for("return !document.getElementById('older').hidden");
    visitor.evaluate("fault('The file is no JPEG, PNG, GIF, BMP or WebP picture'); return 0");
    look(&visitor, "board");
    drop(server);
    visitor.wait_for("return document.getElementById('state').textContent.startsWith('Not connected')");
    look(&visitor, "board-away");
    assert_eq!(post_count(&visitor), 5);
    browser::skip_without_axe();
}

#[test]
fn the_index_fits_every_screen() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--durability", "memory"]);
    visitor.go_to(&format!("http://{}/", server.address));
    visitor
        .wait_for("return document.getElementById('canvas-text').textContent.startsWith('Nothing is drawn')");
    look(&visitor, "index-empty");
    let value = |at: i32, channel: &str| (at * 7 + i32::from(channel == "R") * 90) % 256;
    let cell = |at: i32| {
        ["R", "G", "B"].map(
            |channel| json!({"x": at % 32, "y": at / 32, "channel": channel, "value": value(at, channel)}),
        )
    };
    let pixels = serde_json::Value::from((0..32 * 20).flat_map(cell).collect::<Vec<_>>());
    assert_eq!(server.ask("POST", "/pixels", &pixels.to_string()).0, 200);
    visitor.go_to("about:blank");
    visitor.go_to(&format!("http://{}/#16,10,12", server.address));
    visitor.wait_for("return !document.getElementById('tiles').hidden");
    // A link within the page, or the way back, leads there too.
    visitor.evaluate("location.hash = '#3000,10,12'");
    visitor.wait_for(
        "return /In view: x [23],[0-9]{3} to 3,0/.test(document.getElementById('canvas-text').textContent)",
    );
    visitor.evaluate("history.back()");
    visitor.wait_for("return document.getElementById('canvas-text').textContent.includes('mostly')");
    for form in ["/pixel", "/next", "/api/products"] {
        visitor.click(&format!("form[action='{form}'] button"));
        visitor.wait_for(&format!("return document.querySelector(\"form[action='{form}'] small\")"));
    }
    visitor.evaluate("scrollTo(0, 0)");
    visitor.evaluate("scrollTo(0, 0)");
    visitor.wait_for("return document.getElementById('canvas-text').textContent.includes('mostly')");
    look(&visitor, "index");
    // With what opens above the canvas.
    visitor.click("#tools [name=tool][value=move] + svg");
    visitor.click("#board");
    visitor.wait_for("return !document.getElementById('cell-history').hidden");
    visitor.click("#cell-history");
    visitor.wait_for("return document.querySelector('#cell-past li')");
    look(&visitor, "index-cell");
    visitor.click("#cell-close");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a picture with quite a long name that has no end.png");
    std::fs::write(&path, png(7)).expect("written");
    visitor.choose("#picture-file", &path);
    visitor.wait_for("return !document.getElementById('picture').hidden");
    look(&visitor, "index-picture");
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
    drop(server);
    visitor.wait_for("return document.getElementById('state').textContent.startsWith('no answer')");
    look(&visitor, "index-away");
    browser::skip_without_axe();
}

#[test]
fn a_tile_tells_in_how_many_days_the_disk_is_full() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--durability", "memory"]);
    visitor.go_to(&format!("http://{}/", server.address));
    visitor.wait_for("return !document.getElementById('tiles').hidden");
    let tile = "const tile = [...document.querySelectorAll('#tiles > div')].find((one) => one.textContent.startsWith('Disk full in'));";
    assert_eq!(visitor.evaluate(&format!("{tile} return tile.hidden")), true, "nothing is known yet");
    // What the server says once it has run for ten minutes.
    let shows = |days: &str, text: &str| {
        visitor.evaluate(&format!(
            "window.asked ??= window.fetch; window.fetch = async (...all) => {{ \
               const answer = await window.asked(...all); const text = await answer.text(); \
               return new Response(text.replace(/^pixeld_disk_full_days .*$/m, 'pixeld_disk_full_days {days}'), answer); }}; \
             return 0"
        ));
        let shown = format!("{tile} return !tile.hidden && tile.querySelector('b').textContent === {text:?}");
        visitor.wait_for(&shown);
    };
    shows("0.5", "12 h");
    shows("4000", "11 years");
    shows("123.4", "123 days");
    look(&visitor, "index-disk");
    visitor.look_as(WIDTHS[2], SCHEMES[0]);
    visitor
        .evaluate(&format!("{tile} tile.scrollIntoView({{block: 'center', behavior: 'instant'}}); return 0"));
    visitor.photograph("index-disk-tile");
    shows("+Inf", "\u{2013}");
}

#[test]
fn the_description_of_the_calls_fits_every_screen_and_finds_calls() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--durability", "memory"]);
    visitor.go_to(&format!("http://{}/docs#post-pixels", server.address));
    visitor.wait_for("return document.getElementById('post-pixels').open");
    let example = "return document.querySelector('#get-pixels-count pre').textContent";
    assert_eq!(visitor.evaluate(example), format!("curl http://{}/pixels/count", server.address));
    visitor.evaluate("document.querySelectorAll('details.call').forEach((one) => { one.open = true; })");
    look(&visitor, "docs");
    visitor.fill("#filter", "delete /messages/");
    let left = "return [...document.querySelectorAll('details.call')].filter((one) => one.checkVisibility()).map((one) => one.id)";
    assert_eq!(visitor.evaluate(left), json!(["delete-messages-id"]));
    // Whatever the address names, if anything.
    for named in ["", "#", "#nobody", "#%E0%A4%A"] {
        visitor.go_to("about:blank");
        visitor.go_to(&format!("http://{}/docs{named}", server.address));
        visitor.wait_for("return !document.getElementById('find').hidden");
    }
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
    browser::skip_without_axe();
}

#[test]
fn the_shop_fits_every_screen() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--apps", "toys", "--durability", "memory", "--toys-order-ms", "0"]);
    visitor.go_to(&format!("http://{}/toys", server.address));
    look(&visitor, "toys");
    for call in ["add", "order"] {
        visitor.click(&format!("form[data-call={call}] button"));
        visitor.wait_for(&format!("return document.querySelector('form[data-call={call}] small')"));
    }
    visitor.fill("form[data-call=add] input", &"w".repeat(200));
    visitor.click("form[data-call=add] button");
    visitor.wait_for(
        "return document.querySelector('form[data-call=add] output').textContent.startsWith('www')",
    );
    look(&visitor, "toys-answered");
    browser::skip_without_axe();
}

/// A form that is sent without a script, as with one that is blocked, ends on a page of its own.
#[test]
fn the_pages_of_refused_forms_fit_every_screen() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--apps", "board,toys", "--durability", "memory"]);
    let send = |path: &str, form: &str| {
        visitor.go_to(&format!("http://{}{path}", server.address));
        let form = json!(form);
        // `submit` asks neither the page's script nor what is required.
        visitor.evaluate(&format!("document.body.innerHTML = {form}; document.forms[0].submit(); return 0"));
        visitor.wait_for("return document.title.startsWith('Not ') && document.readyState === 'complete'");
    };
    let board =
        "<form method=post action=/upload/ enctype=multipart/form-data><input name=message value=x></form>";
    let shop = "<form method=post action=/api/products><input name=name></form>";
    for (name, path, form, back) in
        [("board-refused", "/board", board, "/board"), ("toys-refused", "/toys", shop, "/toys")]
    {
        send(path, form);
        look(&visitor, name);
        visitor.click("main a");
        visitor.wait_for(&format!("return location.pathname === '{back}'"));
    }
    browser::skip_without_axe();
}

fn post_count(visitor: &Browser) -> serde_json::Value {
    visitor.evaluate("return document.querySelectorAll('#messages li').length")
}
