//! The index page: what follows its links changes nothing, and each card's form does what its button says.

use crate::board;
use crate::browser;
use crate::process;
use crate::skip;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use board::png;
use browser::Browser;
use process::Server;
use process::client::{Client, plain};
use serde_json::{Value, json};
use skip::skip;

fn get(client: &mut Client, path: &str) -> process::client::Answer {
    client.send(plain("GET", path)).answer()
}

/// Returns how many records were ever logged: whatever changes something logs one.
fn records(server: &Server) -> u64 {
    let metrics = get(&mut server.connect(), "/metrics").text().to_owned();
    let line = metrics.lines().find_map(|line| line.strip_prefix("pixeld_journal_records_total "));
    line.and_then(|number| number.parse().ok()).expect("a count")
}

/// Returns where the links of a page lead on this host.
fn links(page: &str) -> BTreeSet<String> {
    let targets = page.split(" href=\"").skip(1).map(|rest| rest.split('"').next().expect("a part"));
    let paths =
        targets.filter(|target| target.starts_with('/')).filter_map(|target| target.split('#').next());
    paths.map(|target| target.replace("&amp;", "&")).collect()
}

#[test]
fn whoever_follows_links_changes_nothing() {
    let server = Server::fresh(&["--durability", "memory"]);
    let mut client = server.connect();
    assert_eq!(client.send(plain("POST", "/next")).answer().status, 200);
    let before = records(&server);
    assert_eq!(before, 1, "a step is a record");
    let (mut seen, mut ahead) = (BTreeSet::new(), vec!["/".to_owned()]);
    while let Some(path) = ahead.pop() {
        if seen.insert(path.clone()) {
            let answer = get(&mut client, &path);
            assert!(matches!(answer.status, 200 | 308), "{path} leads somewhere: {}", answer.status);
            if answer.field("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
                ahead.extend(links(answer.text()));
            }
        }
    }
    let expected =
        ["/docs", "/board", "/toys", "/current", "/state", "/pixels", "/images", "/openapi.json", "/metrics"];
    assert!(expected.iter().all(|path| seen.contains(*path)), "{seen:?}");
    assert_eq!(records(&server), before, "{seen:?}");
    assert_eq!(get(&mut client, "/state").json()["position"], 1);
}

#[test]
fn wget_changes_nothing() {
    let server = Server::fresh(&["--durability", "memory"]);
    let directory = tempfile::tempdir().expect("a directory");
    for depth in ["1", "2"] {
        let mut command = Command::new("wget");
        // In one directory: /pixels and /pixels/count would be a file and a directory of one name.
        command
            .args(["-q", "-r", "-nd", "-l", depth, "--tries=1"])
            .arg(format!("http://{}/", server.address));
        match command.current_dir(&directory).stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) => assert!(status.success(), "{status}: a link that leads nowhere"),
            Err(error) => return skip(format_args!("no wget: {error}")),
        }
    }
    assert!(["board", "toys", "count"].iter().all(|name| directory.path().join(name).is_file()));
    assert_eq!(records(&server), 0);
}

/// Waits for the answer below a form: its text, and the note about it.
fn answer(visitor: &Browser, form: &str, is_there: &str) -> String {
    let output = format!("document.querySelector(\"form[action='{form}'] output\")");
    let text = visitor.wait_for(&format!(
        "const output = {output}; return output.textContent.includes({is_there:?}) && output.textContent"
    ));
    text.as_str().expect("a text").to_owned()
}

fn press(visitor: &Browser, form: &str) {
    visitor.click(&format!("form[action='{form}'] button"));
}

#[test]
fn each_card_can_be_tried() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&[]);
    let url = format!("http://{}/", server.address);
    visitor.go_to(&url);
    let mut client = server.connect();

    visitor.fill("form[action='/pixel'] [name=x]", "-7");
    press(&visitor, "/pixel");
    answer(&visitor, "/pixel", "{\"status\":\"ok\"}200 \u{b7} durability: disk");
    let pixel = json!([{"x": -7, "y": 20, "channel": "R", "value": 128}]);
    assert_eq!(get(&mut client, "/pixels").json()["data"], pixel);

    for (button, number) in [("Next", 1), ("Next", 1), ("Next", 2), ("Previous", 1)] {
        let at = if button == "Next" { ":not([formaction])" } else { "[formaction]" };
        let hits = get(&mut client, "/state").json()["hits"].as_u64().expect("a number");
        visitor.click(&format!("form[action='/next'] button{at}"));
        visitor.wait_for("return !document.querySelector('form[action=\"/next\"] [aria-disabled]')");
        assert_eq!(get(&mut client, "/state").json()["hits"], hits + 1, "{button}");
        let shown = answer(&visitor, "/next", "durability: disk");
        assert!(shown.starts_with(&format!("{number}200")), "{button}: {shown}");
    }

    visitor.fill("form[action='/api/products'] input", "\"Kite\" <b>");
    press(&visitor, "/api/products");
    answer(&visitor, "/api/products", "{\"id\":3,\"name\":\"\\\"Kite\\\" <b>\"}201");

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.png");
    std::fs::write(&path, png(7)).expect("written");
    let thumbs = "form[action='/images?encoding=binary']";
    visitor.choose(&format!("{thumbs} input"), &path);
    visitor.click(&format!("{thumbs} button"));
    let width = format!(
        "const picture = document.querySelector(\"{thumbs} img\"); return picture && picture.naturalWidth"
    );
    assert!(visitor.wait_for(&format!("{width} > 0 && picture.naturalWidth")).as_u64() > Some(0));
    std::fs::write(&path, "no picture").expect("written");
    visitor.choose(&format!("{thumbs} input"), &path);
    visitor.click(&format!("{thumbs} button"));
    visitor.wait_for(&format!("return document.querySelector(\"{thumbs}\").classList.contains('failed')"));
    assert_eq!(visitor.evaluate("return location.pathname"), "/", "all in place");
    visitor.photograph("index-tried");

    // The board's form leads to the board.
    std::fs::write(&path, png(7)).expect("written");
    visitor.fill("form[action='/upload/'] [name=message]", "from the index");
    visitor.choose("form[action='/upload/'] [name=file]", &path);
    press(&visitor, "/upload/");
    let text = "const text = document.querySelector('#messages .message'); return text && text.textContent";
    assert_eq!(visitor.wait_for(text), "from the index");
    assert_eq!(visitor.evaluate("return location.pathname"), "/board");
}

#[test]
fn without_its_script_the_page_still_has_buttons() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&["--durability", "memory"]);
    visitor.control("Network.enable", &json!({}));
    visitor.control("Network.setBlockedURLs", &json!({"urls": ["*.js"]}));
    let go_home = || visitor.go_to(&format!("http://{}/", server.address));
    go_home();
    let hidden = "return [...document.querySelectorAll('form[action]')].filter((one) => !one.checkVisibility()).map((one) => one.getAttribute('action'))";
    assert_eq!(
        visitor.evaluate(hidden),
        json!(["/pixel", "/images?encoding=binary"]),
        "what can't be sent so"
    );
    press(&visitor, "/next");
    assert_eq!(
        visitor.wait_for("return location.pathname === '/next' && document.body.textContent.trim()"),
        Value::from("1")
    );
    go_home();
    visitor.click("form[action='/api/products'] button");
    visitor
        .wait_for("return location.pathname === '/api/products/3' && document.body.textContent === 'Kite'");
    assert_eq!(records(&server), 2);
}
