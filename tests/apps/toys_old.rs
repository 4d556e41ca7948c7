//! Toys on the disk: lists, pages, numbers, the last one, keys and cuts are what they are with all of them in memory.

use crate::process;

use process::Server;
use process::client::{Answer, Client, plain};
use process::pair::await_that;
use serde_json::{Value, json};

/// So little that nearly every toy is on the disk.
const TINY: [&str; 8] =
    ["--apps", "toys", "--toys-order-ms", "0", "--toys-db-ms", "0", "--limit", "young_bytes=1KiB"];

fn get(client: &mut Client, path: &str) -> Answer {
    client.send(plain("GET", path)).answer()
}

/// Waits until all toys but a few are on the disk.
fn await_old(server: &Server, at_least: u64) {
    let old = || {
        let (_, text) = server.ask("GET", "/metrics", "");
        let line = text.lines().find(|line| line.starts_with("pixeld_old_items{app=\"toys\"}"));
        line.and_then(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).unwrap_or(0)
    };
    await_that("toys on the disk", old, |old| *old >= at_least);
}

fn add(client: &mut Client, key: &str, name: &str) -> Answer {
    let body = json!({ "name": name }).to_string();
    let key = if key.is_empty() { String::new() } else { format!("Idempotency-Key: {key}\r\n") };
    let length = body.len();
    let head = format!(
        "POST /api/products HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{key}Content-Length: {length}\r\n\r\n"
    );
    client.send(format!("{head}{body}")).answer()
}

fn add_all(client: &mut Client, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let answer = add(client, "", &format!("toy {number}"));
        assert_eq!((answer.status, answer.json()["id"].as_u64()), (201, Some(number)), "{}", answer.head);
    }
}

/// All toys, page by page; each page says how many there are.
fn all(client: &mut Client) -> Vec<Value> {
    let (mut found, mut after, mut totals) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = get(client, &format!("/api/products?limit=7{after}"));
        assert_eq!(page.status, 200, "{}", page.head);
        assert_eq!(page.field("vary"), Some("Accept"));
        let page = page.json();
        found.extend(page["products"].as_array().expect("a list").iter().cloned());
        totals.push(page["total"].as_u64().expect("a number"));
        match page["next"].as_u64() {
            Some(next) => after = format!("&after={next}"),
            None => {
                assert!(totals.iter().all(|total| *total == found.len() as u64), "{totals:?}");
                return found;
            }
        }
    }
}

fn ids(toys: &[Value]) -> Vec<u64> {
    toys.iter().map(|toy| toy["id"].as_u64().expect("a number")).collect()
}

fn last(client: &mut Client) -> String {
    let text = get(client, "/api/products/last").text().to_owned();
    text.split_once(" - ").expect("a text").1.to_owned()
}

#[test]
fn old_toys_are_listed_named_and_kept_through_a_kill() {
    let server = Server::fresh(&TINY);
    let mut client = server.connect();
    add_all(&mut client, 3..=20);
    let keyed = add(&mut client, "k1", "a toy with a key");
    assert_eq!(keyed.json()["id"], 21);
    add_all(&mut client, 22..=42);
    await_old(&server, 36);
    assert_eq!(ids(&all(&mut client)), (1..=42).collect::<Vec<_>>());
    for number in [3, 20, 22, 42] {
        let toy = get(&mut client, &format!("/api/products/{number}"));
        assert_eq!((toy.status, toy.text()), (200, &*format!("toy {number}")));
    }
    for number in ["0", "43", "18446744073709551615", "x"] {
        assert_eq!(get(&mut client, &format!("/api/products/{number}")).status, 404, "{number}");
    }
    assert_eq!(get(&mut client, "/api/products?after=43").status, 404);
    assert_eq!(last(&mut client), "42 products (last=toy 42)");
    assert_eq!(add(&mut client, "k1", "a toy with a key").text(), keyed.text(), "its key is known");

    let before = all(&mut client);
    drop(client);
    let server = server.kill_and_restart(&TINY);
    let mut client = server.connect();
    assert_eq!(all(&mut client), before);
    assert_eq!(last(&mut client), "42 products (last=toy 42)");
    assert_eq!(add(&mut client, "k1", "a toy with a key").text(), keyed.text());
    // No number is given again, although none in the snapshot is as high.
    add_all(&mut client, 43..=60);
    await_old(&server, 54);
    assert_eq!(ids(&all(&mut client)), (1..=60).collect::<Vec<_>>());
}

#[test]
fn a_cut_reaches_into_runs_of_toys() {
    let server = Server::fresh(&TINY);
    let mut client = server.connect();
    add_all(&mut client, 3..=30);
    await_old(&server, 24);
    drop(client);
    let server = server.kill_and_restart(&[&TINY[..], &["--keep", "toys=5"]].concat());
    let mut client = server.connect();
    let kept = [1, 2, 26, 27, 28, 29, 30];
    // Page by page a cursor may be of one that went meanwhile.
    let listed = || get(&mut client, "/api/products?limit=1000").json()["products"].clone();
    let is_cut = |list: &Value| ids(list.as_array().expect("a list")) == kept;
    await_that("the newest five", listed, is_cut);
    assert_eq!(get(&mut client, "/api/products/7").status, 404);
    add_all(&mut client, 31..=31);
}
