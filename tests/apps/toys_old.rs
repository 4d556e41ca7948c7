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

fn post(client: &mut Client, path: &str, key: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: {key}"
    );
    client.send(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).answer()
}

/// What is sent again is answered as it was the first time, wherever the first one is by now; whoever reads behind an answer sees
/// what it told.
#[test]
fn keys_of_old_toys_and_orders_are_known() {
    let server = Server::fresh(&TINY);
    let mut client = server.connect();
    let toy = |client: &mut Client, at: usize| add(client, &format!("t{at}"), &format!("keyed {at}"));
    let order = |client: &mut Client, at: usize| {
        post(client, "/api/orders", &format!("o{at}"), &json!({"product": format!("ordered {at}")}))
    };
    let mut told = Vec::new();
    for at in 0..60 {
        let (toy, order) = (toy(&mut client, at), order(&mut client, at));
        assert_eq!((toy.status, order.status), (201, 202), "{} {}", toy.text(), order.text());
        assert_eq!((toy.field("durability"), order.field("durability")), (Some("disk"), Some("disk")));
        // With so many names in filters, some are taken for one of an old item: what was answered is seen all the same.
        let (place, total) = (toy.field("location").expect("a place").to_owned(), 3 + at);
        assert_eq!(get(&mut client, &place).text(), format!("keyed {at}"));
        assert_eq!(last(&mut client), format!("{total} products (last=keyed {at})"));
        told.push((
            toy.text().to_owned(),
            place,
            order.text().to_owned(),
            order.field("location").expect("a place").to_owned(),
        ));
    }
    await_old(&server, 112);
    let check = |client: &mut Client, told: &[(String, String, String, String)]| {
        for (at, (toy_text, toy_place, order_text, order_place)) in told.iter().enumerate() {
            let again = (toy(client, at), order(client, at));
            assert_eq!((again.0.status, again.0.text()), (201, &**toy_text));
            assert_eq!(
                (again.0.field("location"), again.1.field("location")),
                (Some(&**toy_place), Some(&**order_place))
            );
            assert_eq!((again.1.status, again.1.text()), (202, &**order_text));
            assert_eq!(get(client, toy_place).text(), format!("keyed {at}"));
            let shown = get(client, order_place).json();
            assert_eq!(
                (&shown["product"], &shown["state"]),
                (&json!(format!("ordered {at}")), &json!("Success"))
            );
            let id = shown["id"].as_str().expect("an id");
            let state = get(client, &format!("/api/orders/?order_id={id}"));
            assert_eq!(state.text(), format!("order \"{id}\": ('Success',)"));
        }
        assert_eq!(add(client, "t7", "another").status, 422, "the key was used for another toy");
        assert_eq!(post(client, "/api/orders", "o7", &json!({"product": "another"})).status, 422);
        assert_eq!(ids(&all(client)), (1..=62).collect::<Vec<_>>());
    };
    check(&mut client, &told);
    assert_eq!(get(&mut client, "/api/orders/8b7c1d0e-0000-4000-8000-000000000000").status, 404);
    drop(client);
    let server = server.kill_and_restart(&TINY);
    let mut client = server.connect();
    check(&mut client, &told);
    assert_eq!(add(&mut client, "t60", "one more").json()["id"], 63);
    drop(client);
    // As one that has to make its snapshots of what it finds on the disk.
    let server = server.kill_and_restart(&TINY);
    check_total(&server, 63);
}

fn check_total(server: &Server, total: u64) {
    assert_eq!(all(&mut server.connect()).len() as u64, total);
}

#[test]
fn an_order_that_is_being_done_is_so_on_the_disk_too() {
    let slow: Vec<&str> = TINY.iter().map(|word| if *word == "0" { "600000" } else { word }).collect();
    let server = Server::fresh(&[&slow[..4], &["--limit", "young_bytes=1KiB"]].concat());
    let mut client = server.connect();
    let order = |client: &mut Client, at: usize| {
        post(client, "/api/orders", &format!("o{at}"), &json!({"product": format!("ordered {at}")}))
    };
    let places: Vec<String> = (0..20)
        .map(|at| {
            let taken = order(&mut client, at);
            assert_eq!(taken.status, 202, "{}", taken.text());
            taken.field("location").expect("a place").to_owned()
        })
        .collect();
    await_old(&server, 16);
    for (at, place) in places.iter().enumerate() {
        assert_eq!(get(&mut client, place).json()["state"], "Processing", "{at}");
        let again = order(&mut client, at);
        assert_eq!((again.status, again.field("location")), (409, Some(&**place)), "{}", again.text());
        let rest_s: u64 = again.field("retry-after").and_then(|rest| rest.parse().ok()).expect("a time");
        assert!((500..=600).contains(&rest_s), "{rest_s}");
    }
}
