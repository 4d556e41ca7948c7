//! Toys that are added once for each Idempotency-Key, names that are given twice or not at all, and forms.

use crate::process;

use std::thread;

use process::Server;
use process::client::{Answer, Client, plain};
use serde_json::{Value, json};

const SHOP: [&str; 4] = ["--apps", "toys", "--toys-order-ms", "0"];
const KITE: &str = r#"{"name":"Kite"}"#;
const FORM: &str = "application/x-www-form-urlencoded";

fn add(client: &mut Client, fields: &str, body: &str) -> Answer {
    send(client, "/api/products", &format!("Content-Type: application/json\r\n{fields}"), body)
}

fn send(client: &mut Client, path: &str, fields: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {length}\r\n\r\n");
    client.send(format!("{head}{body}")).answer()
}

fn text(client: &mut Client, path: &str) -> String {
    let answer = client.send(plain("GET", path)).answer();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text().to_owned()
}

fn total(client: &mut Client) -> Value {
    let head = "GET /api/products HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n";
    client.send(head).answer().json()["total"].clone()
}

#[test]
fn one_key_and_one_body_are_one_toy() {
    let server = Server::fresh(&SHOP);
    let mut client = server.connect();
    let first = add(&mut client, "Idempotency-Key: \"k1\"\r\n", KITE);
    assert_eq!((first.status, first.json()), (201, json!({"id": 3, "name": "Kite"})));
    assert_eq!(first.field("durability"), Some("disk"));
    for key in ["k1", "\"k1\"", " \"k1\" "] {
        let again = add(&mut client, &format!("idempotency-key: {key}\r\n"), KITE);
        assert_eq!((again.status, again.text()), (201, first.text()), "{key}");
        assert_eq!(again.field("location"), Some("/api/products/3"));
    }
    let other = add(&mut client, "Idempotency-Key: k1\r\n", r#"{"name":"Ball"}"#);
    assert!(other.status == 422 && other.text().contains("another body"), "{}", other.text());
    assert_eq!(add(&mut client, "Idempotency-Key: k2\r\n", KITE).json()["id"], 4, "another key, another toy");
    assert_eq!(add(&mut client, "", KITE).json()["id"], 5, "without one each is another");
    // A refused body does not use up its key, and a key of an order is no key of a toy.
    assert_eq!(add(&mut client, "Idempotency-Key: k3\r\n", "{}").status, 422);
    assert_eq!(add(&mut client, "Idempotency-Key: k3\r\n", KITE).json()["id"], 6);
    let json = "Content-Type: application/json\r\nIdempotency-Key: k4\r\n";
    assert_eq!(send(&mut client, "/api/orders", json, r#"{"product":"Kite"}"#).status, 202);
    assert_eq!(add(&mut client, "Idempotency-Key: k4\r\n", KITE).json()["id"], 7);
    for wrong in ["", "\"a", "a\tb", &"k".repeat(256)] {
        assert_eq!(add(&mut client, &format!("Idempotency-Key: {wrong}\r\n"), KITE).status, 400, "{wrong}");
    }
    assert_eq!(add(&mut client, "Idempotency-Key: a\r\nIdempotency-Key: b\r\n", KITE).status, 400);
    assert_eq!(total(&mut client), 7);
    // Keys outlast a crash, as their toys do.
    let server = server.kill_and_restart(&SHOP);
    let mut client = server.connect();
    assert_eq!(add(&mut client, "Idempotency-Key: k1\r\n", KITE).text(), first.text());
    assert_eq!((total(&mut client), text(&mut client, "/api/products/3")), (json!(7), "Kite".to_owned()));
}

#[test]
fn many_requests_with_one_key_add_one_toy() {
    let server = Server::fresh(&SHOP);
    let bodies = [KITE, r#"{"name":"Ball"}"#];
    let answers: Vec<Answer> = thread::scope(|scope| {
        let ask = |body: &'static str| {
            let server = &server;
            move || add(&mut server.connect(), "Idempotency-Key: together\r\n", body)
        };
        let threads: Vec<_> = (0..32).map(|at| scope.spawn(ask(bodies[at % 2]))).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    let created: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!created.is_empty() && created.iter().all(|answer| answer.text() == created[0].text()));
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 422)), "the other body is told");
    let mut client = server.connect();
    assert_eq!(total(&mut client), 3);
    let place = created[0].field("location").expect("a place").to_owned();
    let name = created[0].json()["name"].as_str().expect("a name").to_owned();
    assert_eq!(text(&mut client, &place), name);
    assert!(text(&mut client, "/api/products/last").ends_with(&format!(" - 3 products (last={name})")));
}

#[test]
fn a_name_that_is_given_twice_counts_as_it_came_first() {
    let server = Server::fresh(&[&SHOP[..], &["--toys-heavy-ms", "0"]].concat());
    let mut client = server.connect();
    assert_eq!(text(&mut client, "/api/products?product=a&product=b"), "a");
    assert_eq!(text(&mut client, "/api/products?%70roduct=c&product=d"), "c");
    assert_eq!(text(&mut client, "/api/products?product=&product=b"), "none");
    assert_eq!(text(&mut client, "/api/products?product&product=b"), "none");
    assert!(text(&mut client, "/api/misc/heavy?name=a&name=b").ends_with("-a- Woody"));
    assert!(text(&mut client, "/api/orders/do?order=a&order=b").ends_with(" : a"));
    assert_eq!(text(&mut client, "/api/orders/?order_id=a&order_id=b"), "order \"a\": None");
    let head = "GET /api/products?limit=1&limit=2 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n";
    let list = client.send(head).answer().json();
    assert_eq!((list["products"].as_array().map(Vec::len), &list["total"]), (Some(1), &json!(4)));
}

#[test]
fn an_empty_name_adds_no_toy_on_either_way() {
    let server = Server::fresh(&SHOP);
    let mut client = server.connect();
    assert_eq!(text(&mut client, "/api/products?product="), "none");
    for body in [r#"{"product":""}"#, r#"{"name":""}"#, r#"{"name":"","product":"Kite"}"#] {
        for key in ["", "Idempotency-Key: k\r\n"] {
            let refused = add(&mut client, key, body);
            assert!(refused.status == 422 && refused.text().contains("must have a name"), "{body}");
        }
    }
    assert_eq!(send(&mut client, "/api/products", &format!("Content-Type: {FORM}\r\n"), "name=").status, 422);
    assert_eq!(total(&mut client), 2);
    assert_eq!(
        add(&mut client, "Idempotency-Key: k\r\n", r#"{"name":" "}"#).status,
        201,
        "a blank is a name"
    );
}

/// Whoever sent the form in a browser reads the answer, and has to get back.
#[test]
fn a_form_that_is_refused_ends_on_a_page_with_the_way_back() {
    let server = Server::fresh(&SHOP);
    let ask = |fields: &str, body: &str| {
        let length = body.len();
        let head = format!("POST /api/products HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n{fields}");
        server.connect().send_in_vain(format!("{head}Content-Length: {length}\r\n\r\n{body}")).answer()
    };
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let (long, longer) = (format!("name={}", "x".repeat(16 * 1024 + 1)), "x".repeat(200_000));
    for (fields, body, status, sentence) in [
        ("", "name=", 422, "A toy must have a name; nothing was stored."),
        ("", "other=1", 422, "The form must have a field name or product."),
        ("", &*long, 422, "A name may have 16384 bytes in UTF-8, this one has 16385."),
        ("", &*longer, 413, "nothing was stored"),
        ("Durability: both\r\n", "name=a", 503, "nothing was stored"),
        ("Durability: often\r\n", "name=a", 400, "nothing was stored"),
    ] {
        let page = ask(&format!("{browser}{fields}"), body);
        assert_eq!(page.status, status, "{sentence}: {}", page.text());
        let text = page.text();
        assert!(text.contains(sentence) && text.contains("<a href=\"/toys\">the shop</a>"), "{text}");
        let style = text.split_once("href=\"").and_then(|(_, rest)| rest.split_once('"')).expect("a style").0;
        assert_eq!(server.connect().send(plain("GET", style)).answer().status, 200, "{style}");
        let program = ask(fields, body);
        assert_eq!(program.status, status);
        assert!(!program.text().contains("/toys"), "programs are answered as before: {}", program.text());
    }
    assert_eq!(total(&mut server.connect()), 2);
}

#[test]
fn a_form_leads_to_the_toy_that_it_added() {
    let server = Server::fresh(&SHOP);
    let mut client = server.connect();
    let form = format!("Content-Type: {FORM}\r\nIdempotency-Key: k\r\n");
    for _ in 0..2 {
        let added = send(&mut client, "/api/products", &form, "name=K%C3%A4se+%3Cb%3E&name=other");
        assert_eq!((added.status, added.field("location")), (303, Some("/api/products/3")));
    }
    assert_eq!(text(&mut client, "/api/products/3"), "K\u{e4}se &lt;b&gt;");
    assert_eq!(total(&mut client), 3);
}
