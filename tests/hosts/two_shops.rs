//! The toy shop on two hosts: both take toys and orders, and both end up with the same.

use crate::process;

use process::Server;
use process::client::{Answer, plain};
use process::pair::{Pair, await_connected, await_that};
use process::pixeld;
use rustix::process::Signal;
use serde_json::Value;

const SHOP: [&str; 6] = ["--apps", "pixel,toys", "--toys-order-ms", "0", "--toys-heavy-ms", "0"];

fn add(server: &Server, name: &str) -> u64 {
    let (status, body) = server.ask("POST", "/api/products", &format!("{{\"name\":\"{name}\"}}"));
    assert_eq!(status, 201, "{body}");
    let created: Value = serde_json::from_str(&body).expect("JSON");
    created["id"].as_u64().expect("a number")
}

fn list(server: &Server) -> String {
    let head = "GET /api/products HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n";
    server.connect().send(head).answer().text().to_owned()
}

fn order(server: &Server, key: &str, body: &str) -> Answer {
    let head = "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    let length = body.len();
    let request = format!("{head}\r\nIdempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}");
    server.connect().send(request).answer()
}

#[test]
fn toys_have_numbers_of_their_own_and_one_order_on_both_hosts() {
    let pair = Pair::found();
    let (a, b) = pair.start(&SHOP);
    let (from_a, from_b): (Vec<u64>, Vec<u64>) =
        (0..20).map(|at| (add(&a, &format!("a{at}")), add(&b, &format!("b{at}")))).unzip();
    assert!(from_a.iter().all(|id| id % 2 == from_a[0] % 2 && id % 2 != from_b[0] % 2));
    assert!(from_a.is_sorted_by(|one, next| one < next) && from_b.iter().all(|id| *id < 1 << 53));
    let both =
        await_that("the same list", || (list(&a), list(&b)), |(a, b)| a == b && a.contains("\"total\":42"));
    for id in from_a.iter().chain(&from_b) {
        assert!(both.0.contains(&format!("{{\"id\":{id},")), "{id}");
        let path = format!("/api/products/{id}");
        let names = [&a, &b].map(|host| host.connect().send(plain("GET", &path)).answer().text().to_owned());
        assert_eq!(names[0], names[1]);
    }
    assert_eq!(a.connect().send(plain("GET", "/api/products/2")).answer().text(), "Joli train");
}

#[test]
fn a_key_is_one_order_on_either_host() {
    const KITE: &str = r#"{"product":"Kite"}"#;
    let pair = Pair::found();
    let (a, b) = pair.start(&SHOP);
    let first = order(&a, "key", KITE);
    assert_eq!(first.status, 202);
    let path = first.field("location").expect("a place").to_owned();
    let shown = |host: &Server| host.connect().send(plain("GET", &path)).answer().status;
    await_that("the order on the peer", || shown(&b), |status| *status == 200);
    let repeated = order(&b, "key", KITE);
    assert_eq!((repeated.status, repeated.text()), (202, first.text()));
    assert_eq!(order(&b, "key", r#"{"product":"Ball"}"#).status, 422);
}

/// A toy that is sent with the key `key`.
fn add_once(host: &Server, body: &str) -> Answer {
    add_with(host, "key", body)
}

fn add_with(host: &Server, key: &str, body: &str) -> Answer {
    let head = "POST /api/products HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    let length = body.len();
    let request = format!("{head}\r\nIdempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}");
    host.connect().send(request).answer()
}

#[test]
fn a_key_is_one_toy_on_either_host() {
    const KITE: &str = r#"{"name":"Kite"}"#;
    let pair = Pair::found();
    let (a, b) = pair.start(&SHOP);
    let first = add_once(&a, KITE);
    assert_eq!(first.status, 201, "{}", first.text());
    let path = first.field("location").expect("a place").to_owned();
    let shown = |host: &Server| host.connect().send(plain("GET", &path)).answer().status;
    await_that("the toy on the other host", || shown(&b), |status| *status == 200);
    let repeated = add_once(&b, KITE);
    assert_eq!((repeated.status, repeated.text()), (201, first.text()));
    assert_eq!(add_once(&b, r#"{"name":"Ball"}"#).status, 422);
    assert!(list(&a).contains("\"total\":3"), "{}", list(&a));
}

/// Each host takes the toy while the other one is away; when they meet there is one, and both numbers lead to it.
#[test]
fn a_key_that_parted_hosts_took_is_one_toy_when_they_meet() {
    const KITE: &str = r#"{"name":"Kite"}"#;
    let pair = Pair::found();
    let (a, b) = pair.start(&SHOP);
    await_connected(&a);
    add(&a, "before");
    await_that("the toy on the other host", || list(&b), |list| list.contains("before"));
    drop((a, b));
    let a = pair.a.start(&pair.b, &SHOP);
    let at_a = add_once(&a, KITE);
    drop(a);
    let b = pair.b.start(&pair.a, &SHOP);
    let at_b = add_once(&b, KITE);
    assert_eq!((at_a.status, at_b.status), (201, 201), "{} {}", at_a.text(), at_b.text());
    assert_ne!(at_a.json()["id"], at_b.json()["id"], "neither knew of the other");
    add(&b, "after");

    let a = pair.a.start(&pair.b, &SHOP);
    let (of_a, of_b) = await_that(
        "the same list",
        || (list(&a), list(&b)),
        |(a, b)| a == b && a.contains("after") && a.contains("Kite"),
    );
    assert!(of_a == of_b && of_a.contains("\"total\":5") && of_a.matches("Kite").count() == 1, "{of_a}");
    for host in [&a, &b] {
        let again = add_once(host, KITE);
        assert_eq!((again.status, again.text()), (201, at_a.text()), "the earlier one stands");
        for told in [&at_a, &at_b] {
            let path = told.field("location").expect("a place");
            let answer = host.connect().send(plain("GET", path)).answer();
            assert_eq!((answer.status, answer.text()), (200, "Kite"), "{path}");
        }
    }
}

/// So little that nearly every toy and order is on the disk.
const TINY: [&str; 2] = ["--limit", "young_bytes=1KiB"];

fn old_items(host: &Server) -> u64 {
    let (_, text) = host.ask("GET", "/metrics", "");
    let line = text.lines().find(|line| line.starts_with("pixeld_old_items{app=\"toys\"}"));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or(0)
}

/// Both hosts take the same keys while they are parted, and have them on the disk when they meet.
#[test]
fn keys_that_parted_hosts_took_and_put_on_the_disk_are_one_each_when_they_meet() {
    let pair = Pair::found();
    let args = [&SHOP[..], &TINY].concat();
    let (a, b) = pair.start(&args);
    await_connected(&a);
    add(&a, "before");
    await_that("the toy on the other host", || list(&b), |list| list.contains("before"));
    drop((a, b));
    let body = |at: usize| format!("{{\"name\":\"keyed {at}\"}}");
    // The body is another one on each host for the last order.
    let ordered =
        |at: usize, host: &str| format!("{{\"product\":\"{}\"}}", if at == 19 { host } else { "Kite" });
    let take = |host: &Server, name: &str| -> Vec<(Answer, Answer)> {
        let both = |at| {
            (add_with(host, &format!("k{at}"), &body(at)), order(host, &format!("o{at}"), &ordered(at, name)))
        };
        let taken: Vec<_> = (0..20).map(both).collect();
        assert!(taken.iter().all(|(toy, order)| (toy.status, order.status) == (201, 202)));
        await_that("toys and orders on the disk", || old_items(host), |old| *old >= 36);
        taken
    };
    let a = pair.a.start(&pair.b, &args);
    let at_a = take(&a, "a");
    drop(a);
    let b = pair.b.start(&pair.a, &args);
    let at_b = take(&b, "b");
    add(&b, "after");

    let a = pair.a.start(&pair.b, &args);
    let same = || (list(&a), list(&b));
    let is_whole = |list: &str| list.contains("after") && list.contains("\"total\":24");
    // A host shows its own toy until it has read whether the other one's came first.
    let (of_a, of_b) = await_that("the same list", same, |(a, b)| a == b && is_whole(a));
    assert_eq!(of_a, of_b);
    for host in [&a, &b] {
        for at in 0..20 {
            assert_eq!(of_a.matches(&format!("\"keyed {at}\"")).count(), 1, "{of_a}");
            let again = add_with(host, &format!("k{at}"), &body(at));
            assert_eq!((again.status, again.text()), (201, at_a[at].0.text()), "the earlier one stands");
            for told in [&at_a[at].0, &at_b[at].0] {
                let path = told.field("location").expect("a place");
                let answer = host.connect().send(plain("GET", path)).answer();
                assert_eq!((answer.status, answer.text()), (200, &*format!("keyed {at}")), "{path}");
            }
            let again = order(host, &format!("o{at}"), &ordered(at, "a"));
            assert_eq!((again.status, again.text()), (202, at_a[at].1.text()));
        }
        assert_eq!(order(host, "o19", &ordered(19, "b")).status, 422, "the one of the other host stands");
    }
    let dirs = [&pair.a.data_dir, &pair.b.data_dir];
    for mut host in [a, b] {
        host.signal(Signal::TERM);
        assert!(host.wait().success(), "{}", host.stderr());
    }
    let output = pixeld(&["inspect"]).args(dirs).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("every application has the same digest"), "{said}");
}
