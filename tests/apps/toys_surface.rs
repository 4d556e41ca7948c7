//! The toy shop over real sockets: every call and every error, and what two callers may expect of each other.

use crate::process;

use std::thread;
use std::time::{Duration, Instant};

use crate::skip::skip;
use process::Server;
use process::client::{Answer, Client, plain, request};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// A shop whose slow calls take as many milliseconds as are given, and the question for the last toy none.
fn shop(heavy_ms: u64, order_ms: u64) -> Server {
    Server::fresh(&arguments(&heavy_ms.to_string(), &order_ms.to_string()))
}

fn arguments<'a>(heavy_ms: &'a str, order_ms: &'a str) -> [&'a str; 8] {
    ["--apps", "toys", "--toys-heavy-ms", heavy_ms, "--toys-order-ms", order_ms, "--durability", "disk"]
}

fn get(client: &mut Client, path: &str) -> Answer {
    let answer = client.send(plain("GET", path)).answer();
    assert!(answer.field("server").is_none() && answer.field("date").is_some(), "{}", answer.head);
    answer
}

/// The text of a call that succeeds.
fn text(client: &mut Client, path: &str) -> String {
    let answer = get(client, path);
    assert_eq!((answer.status, answer.field("content-type")), (200, Some(HTML)), "{path}: {}", answer.head);
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"), "{path}");
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{path}");
    answer.text().to_owned()
}

fn post(client: &mut Client, path: &str, body: &Value) -> Answer {
    client.send(request("POST", path, JSON, body.to_string())).answer()
}

/// An order with this key.
fn order(client: &mut Client, key: &str, body: &str) -> Answer {
    let length = body.len();
    let head = "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    client
        .send(format!("{head}\r\nIdempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"))
        .answer()
}

/// Asserts that this is an error as the original writes them; gives its sentence.
fn assert_error(answer: &Answer, status: u16, phrase: &str) -> String {
    assert_eq!((answer.status, answer.field("content-type")), (status, Some(HTML)), "{}", answer.head);
    let start =
        format!("<!doctype html>\n<html lang=en>\n<title>{status} {phrase}</title>\n<h1>{phrase}</h1>\n<p>");
    let sentence = answer.text().strip_prefix(&start).and_then(|rest| rest.strip_suffix("</p>\n"));
    sentence.unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

/// Asserts that `text` is a time of the original's form.
fn assert_time(text: &str) {
    let form: String =
        text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert_eq!(form, "0000-00-00 00:00:00.000000", "{text}");
}

/// Asks until `path` answers with something for which `is_there`; the machine may be busy.
fn await_text(client: &mut Client, path: &str, is_there: impl Fn(&str) -> bool) -> String {
    let started = Instant::now();
    loop {
        let found = text(client, path);
        if is_there(&found) {
            return found;
        }
        assert!(started.elapsed() < process::PATIENCE, "{path} answers {found}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn ping_and_time() {
    let server = shop(0, 0);
    let mut client = server.connect();
    assert_eq!(text(&mut client, "/api/ping"), "ping");
    assert_time(text(&mut client, "/api/misc/time").strip_prefix("misc: ").expect("its name"));
    let head = client.send(plain("HEAD", "/api/ping")).head_answer();
    assert_eq!((head.status, head.field("content-length")), (200, Some("4")));
}

#[test]
fn the_slow_call_is_made_once_and_repeats_the_same_bytes() {
    let server = shop(400, 0);
    let mut client = server.connect();
    let started = Instant::now();
    let first = get(&mut client, "/api/misc/heavy?name=Buzz");
    assert!(started.elapsed() >= Duration::from_millis(400), "{:?}", started.elapsed());
    assert_eq!((first.field("x-cache"), first.field("age")), (Some("miss"), Some("0")));
    let (time, rest) = first.text().split_at(26);
    assert_time(time);
    assert_eq!(rest, ": Woody -Buzz- Woody");
    for _ in 0..3 {
        let again = get(&mut client, "/api/misc/heavy?name=Buzz");
        assert_eq!((again.field("x-cache"), again.text()), (Some("hit"), first.text()));
        assert!(again.field("age").and_then(|age| age.parse::<u64>().ok()).is_some_and(|age| age < 30));
    }
    // Another name is another answer; no name is one too.
    let nameless = get(&mut client, "/api/misc/heavy");
    assert_eq!(nameless.field("x-cache"), Some("miss"));
    assert!(nameless.text().ends_with(": Woody -None- Woody"));
}

#[test]
fn a_thousand_callers_of_one_new_name_share_one_computation() {
    const CALLERS: usize = 1_000;
    let server = shop(1_500, 0);
    let mut clients: Vec<Client> = (0..CALLERS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(plain("GET", "/api/misc/heavy?name=Rex"));
    }
    let answers: Vec<Answer> = clients.iter_mut().map(Client::answer).collect();
    // The time at which it was made is part of the text: one text, one computation.
    assert!(answers.iter().all(|answer| answer.text() == answers[0].text()));
    assert!(answers[0].text().ends_with(": Woody -Rex- Woody"));
    assert!(answers.iter().any(|answer| answer.field("x-cache") == Some("miss")));
}

#[test]
fn ten_thousand_callers_wait_without_a_thread() {
    const CALLERS: usize = 10_000;
    pixeld::os::thread::raise_descriptor_limit();
    if pixeld::os::thread::descriptor_limit() < CALLERS as u64 + 1_000 {
        skip("this system gives fewer descriptors than there are callers");
        return;
    }
    let server = shop(5_000, 0);
    let threads = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("a process");
        tasks.count()
    };
    let before = threads();
    let mut clients: Vec<Client> = (0..CALLERS).map(|_| server.connect()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        client.send(plain("GET", &format!("/api/misc/heavy?name=caller-{}", at % 500)));
    }
    // Others are served meanwhile, and nobody waits in a thread.
    assert_eq!(text(&mut server.connect(), "/api/ping"), "ping");
    assert_eq!(threads(), before);
    for (at, client) in clients.iter_mut().enumerate() {
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        assert!(
            answer.text().ends_with(&format!(": Woody -caller-{}- Woody", at % 500)),
            "{}",
            answer.text()
        );
    }
    assert_eq!(threads(), before);
}

#[test]
fn requests_behind_a_slow_one_are_answered_after_it() {
    let server = shop(200, 0);
    let mut client = server.connect();
    client.send([plain("GET", "/api/misc/heavy?name=a"), plain("GET", "/api/ping")].concat());
    assert!(client.answer().text().ends_with("-a- Woody"));
    assert_eq!(client.answer().text(), "ping");
    // A client that goes away while it waits takes nothing with it.
    server.connect().send(plain("GET", "/api/misc/heavy?name=b"));
    assert!(get(&mut client, "/api/misc/heavy?name=b").text().ends_with("-b- Woody"));
}

#[test]
fn toys_are_added_found_and_counted() {
    let server = shop(0, 0);
    let mut client = server.connect();
    let last = |client: &mut Client| {
        let answer = get(client, "/api/products/last");
        let text = answer.text().strip_prefix("db: ").expect("its name").to_owned();
        assert_time(&text[..26]);
        (text[26..].to_owned(), answer.field("x-cache").expect("a word").to_owned())
    };
    assert_eq!(last(&mut client), (" - 2 products (last=Joli train)".to_owned(), "miss".to_owned()));
    assert_eq!(last(&mut client).1, "hit");
    assert_eq!(text(&mut client, "/api/products/1"), "Yoyo");
    assert_eq!(text(&mut client, "/api/products/2"), "Joli train");

    let added = get(&mut client, "/api/products?product=Kite");
    assert_eq!((added.text(), added.field("durability")), ("Kite", Some("disk")));
    assert_eq!(
        last(&mut client),
        (" - 3 products (last=Kite)".to_owned(), "miss".to_owned()),
        "cleared at once"
    );
    assert_eq!(text(&mut client, "/api/products/3"), "Kite");
    assert_eq!(text(&mut client, "/api/products"), "None");
    assert_eq!(text(&mut client, "/api/products/4"), "None");
    assert_eq!(text(&mut client, "/api/products?product="), "none");
    assert_eq!(last(&mut client).0, " - 4 products (last=None)", "an empty name adds nothing");
    client.send(plain("HEAD", "/api/products?product=Ghost")).head_answer();
    assert_eq!(last(&mut client).0, " - 4 products (last=None)", "nor does HEAD");
    for unknown in ["/api/products/5", "/api/products/0", "/api/products/-1", "/api/products/x"] {
        assert_error(&get(&mut client, unknown), 404, "Not Found");
    }
    assert_error(&get(&mut client, "/api/products/99999999999999999999"), 404, "Not Found");
}

#[test]
fn a_browser_on_another_page_may_send_what_programs_send() {
    let server = shop(0, 0);
    let mut client = server.connect();
    for (path, allow) in
        [("/api/orders", "GET, HEAD, OPTIONS, POST"), ("/api/products/1", "GET, HEAD, OPTIONS")]
    {
        let question = "Origin: http://elsewhere\r\nAccess-Control-Request-Method: POST\r\n\
                        Access-Control-Request-Headers: content-type, idempotency-key\r\n";
        let head = format!("OPTIONS {path} HTTP/1.1\r\nHost: x\r\n{question}\r\n");
        let answer = client.send(head).answer();
        assert_eq!((answer.status, answer.field("allow")), (204, Some(allow)), "{path}");
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.field("access-control-allow-methods"), Some(allow));
        let headers = answer.field("access-control-allow-headers").expect("headers");
        assert!(
            ["Content-Type", "Idempotency-Key", "Durability"].iter().all(|name| headers.contains(name)),
            "{headers}"
        );
    }
    let elsewhere = client.send(plain("OPTIONS", "/metrics")).answer();
    assert_eq!(
        (elsewhere.status, elsewhere.field("access-control-allow-origin")),
        (204, None),
        "{}",
        elsewhere.head
    );
}

#[test]
fn a_toy_has_one_address() {
    let server = shop(0, 0);
    let mut client = server.connect();
    assert_eq!(get(&mut client, "/api/products/%31").text(), "Yoyo");
    for none in ["/api/products/01", "/api/products/+1", "/api/products/%2B1", "/api/products/1%20"] {
        assert_error(&get(&mut client, none), 404, "Not Found");
    }
}

#[test]
fn toys_of_programs() {
    let server = shop(0, 0);
    let mut client = server.connect();
    let created = post(&mut client, "/api/products", &json!({"name": "Kite"}));
    assert_eq!((created.status, created.field("location")), (201, Some("/api/products/3")));
    assert_eq!(created.json(), json!({"id": 3, "name": "Kite"}));
    assert_eq!(post(&mut client, "/api/products", &json!({"product": "Ball"})).json()["id"], 4);

    let mut other = server.connect();
    let mut list = |query: &str| {
        let head =
            format!("GET /api/products{query} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n");
        client.send(head).answer()
    };
    let all = list("").json();
    assert_eq!(all["products"][0], json!({"id": 1, "name": "Yoyo"}));
    assert_eq!(
        (&all["total"], &all["products"].as_array().unwrap().len(), &all["next"]),
        (&json!(4), &4, &Value::Null)
    );
    let page = list("?limit=2").json();
    assert_eq!((&page["products"][1]["name"], &page["next"]), (&json!("Joli train"), &json!(2)));
    let rest = list("?limit=2&after=2").json();
    assert_eq!((&rest["products"][0]["id"], &rest["next"]), (&json!(3), &Value::Null));
    for wrong in ["?limit=0", "?limit=1001", "?limit=x", "?after=0", "?after=x"] {
        assert_error(&list(wrong), 422, "Unprocessable Content");
        assert_error(&get(&mut other, &format!("/api/products{wrong}")), 422, "Unprocessable Content");
    }
    assert_error(&list("?after=5"), 404, "Not Found");
    // Who asks for a part of the list means the list, whatever it accepts, and adds nothing.
    for (query, first) in [("?limit=1", "Yoyo"), ("?after=1", "Joli train"), ("?limit=1&after=2", "Kite")] {
        for accept in ["", "Accept: */*\r\n", "Accept: text/html,*/*;q=0.8\r\n"] {
            let head = format!("GET /api/products{query} HTTP/1.1\r\nHost: x\r\n{accept}\r\n");
            let page = other.send(head).answer().json();
            assert_eq!((&page["total"], &page["products"][0]["name"]), (&json!(4), &json!(first)), "{query}");
        }
    }
    assert_eq!(list("?product=Doll").text(), "Doll", "a name adds one, whatever is accepted");

    for (content_type, body, status, phrase) in [
        (JSON, "{", 400, "Bad Request"),
        (JSON, "{}", 422, "Unprocessable Content"),
        (JSON, r#"{"name":7}"#, 422, "Unprocessable Content"),
        ("text/plain", r#"{"name":"x"}"#, 415, "Unsupported Media Type"),
    ] {
        let answer = client.send(request("POST", "/api/products", content_type, body)).answer();
        assert_error(&answer, status, phrase);
    }
    let long = json!({"name": "x".repeat(16 * 1024 + 1)});
    assert!(
        assert_error(&post(&mut client, "/api/products", &long), 422, "Unprocessable Content")
            .contains("16385")
    );
    let huge = json!({"name": "x".repeat(200_000)}).to_string();
    let refused = server.connect().send_in_vain(request("POST", "/api/products", JSON, huge)).answer();
    assert_error(&refused, 413, "Content Too Large");
}

#[test]
fn names_of_any_characters_are_kept_and_escaped() {
    let server = shop(0, 0);
    let mut client = server.connect();
    let long = "é".repeat(5_000);
    for (name, shown) in [
        ("O'Neill \"quoted\"", "O&#39;Neill &#34;quoted&#34;"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a&b&amp;c", "a&amp;b&amp;amp;c"),
        ("'; DROP TABLE products; --", "&#39;; DROP TABLE products; --"),
        ("🚂 Жук 玩具", "🚂 Жук 玩具"),
        ("\0zero\0", "\0zero\0"),
        ("line\r\nX-Evil: 1", "line\r\nX-Evil: 1"),
        (&long, &long),
    ] {
        let created = post(&mut client, "/api/products", &json!({"name": name}));
        assert_eq!((created.status, &created.json()["name"]), (201, &json!(name)));
        let path = created.field("location").expect("a place").to_owned();
        assert_eq!(text(&mut client, &path), shown);
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        if encoded.len() < 8_000 {
            assert_eq!(text(&mut client, &format!("/api/products?product={encoded}")), shown);
            assert!(text(&mut client, "/api/products/last").ends_with(&format!("(last={shown})")));
            assert!(
                text(&mut client, &format!("/api/misc/heavy?name={encoded}"))
                    .ends_with(&format!("-{shown}- Woody"))
            );
            assert!(
                text(&mut client, &format!("/api/orders/do?order={encoded}"))
                    .ends_with(&format!(" : {shown}"))
            );
            let asked = text(&mut client, &format!("/api/orders/?order_id={encoded}"));
            assert_eq!(asked, format!("order \"{shown}\": None"));
        }
    }
    assert_eq!(
        text(&mut client, "/api/products?product=%ff+a"),
        "\u{fffd} a",
        "what is no UTF-8 is told to be none"
    );
    let too_long = format!("/api/products?product={}", "x".repeat(10_000));
    assert_eq!(server.connect().send_in_vain(plain("GET", &too_long)).answer().status, 414);
}

#[test]
fn an_order_takes_its_time_and_is_there_for_good() {
    let server = shop(0, 300);
    let mut client = server.connect();
    let started = Instant::now();
    let answer = get(&mut client, "/api/orders/do?order=Yoyo");
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(answer.field("durability"), Some("disk"));
    let id = answer.text().strip_prefix("Your process ").expect("words").get(..36).expect("an id").to_owned();
    assert_eq!(answer.text(), format!("Your process {id} has been created with this product : Yoyo"));
    assert_eq!(uuid::Uuid::parse_str(&id).expect("a UUID").get_version_num(), 4);
    let asked = format!("/api/orders/?order_id={id}");
    let done = format!("order \"{id}\": ('Success',)");
    assert_eq!(text(&mut client, &asked), done);
    assert_eq!(
        text(&mut client, &format!("/api/orders/?order_id={UNKNOWN}")),
        format!("order \"{UNKNOWN}\": None")
    );
    assert_eq!(text(&mut client, "/api/orders/"), "order \"None\": None");
    assert!(text(&mut client, "/api/orders/do").ends_with(" : None"));

    let moved = get(&mut client, "/api/orders?order_id=a%20b");
    assert_eq!((moved.status, moved.field("location")), (308, Some("/api/orders/?order_id=a%20b")));
    let server = server.kill_and_restart(&arguments("0", "300"));
    let mut client = server.connect();
    assert_eq!(text(&mut client, &asked), done, "after kill -9");
    let shown = get(&mut client, &format!("/api/orders/{id}")).json();
    assert_eq!(shown, json!({"id": id, "product": "Yoyo", "state": "Success"}));
}

#[test]
fn orders_of_programs_are_done_after_they_are_taken() {
    let server = shop(0, 1_500);
    let mut client = server.connect();
    let taken = post(&mut client, "/api/orders", &json!({"product": "Kite"}));
    assert_eq!((taken.status, taken.field("durability")), (202, Some("disk")));
    let id = taken.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(taken.json(), json!({"id": id, "product": "Kite"}));
    let path = format!("/api/orders/{id}");
    assert_eq!(taken.field("location"), Some(&*path));
    let asked = format!("/api/orders/?order_id={id}");
    assert_eq!(get(&mut client, &path).json()["state"], "Processing");
    assert!(text(&mut client, &asked).ends_with("None"));
    await_text(&mut client, &asked, |text| text.ends_with("('Success',)"));
    assert_eq!(get(&mut client, &path).json(), json!({"id": id, "product": "Kite", "state": "Success"}));
    assert_error(&get(&mut client, &format!("/api/orders/{UNKNOWN}")), 404, "Not Found");
    assert_error(&get(&mut client, "/api/orders/none"), 404, "Not Found");
    let without_key = post(&mut client, "/api/orders", &json!({"order": "Kite"}));
    assert_ne!(without_key.json()["id"], json!(id), "each is its own");
}

#[test]
fn a_key_stands_for_one_order_also_after_a_kill() {
    const BODY: &str = r#"{"product":"Kite"}"#;
    let server = shop(0, 0);
    let mut client = server.connect();
    let first = order(&mut client, "\"key-1\"", BODY);
    assert_eq!(first.status, 202);
    let same = |answer: &Answer| {
        assert_eq!((answer.status, answer.text()), (202, first.text()));
        assert_eq!(answer.field("location"), first.field("location"));
    };
    same(&order(&mut client, "\"key-1\"", BODY));
    same(&order(&mut client, "key-1", BODY));
    let other_body = order(&mut client, "key-1", r#"{"product":"Ball"}"#);
    assert!(assert_error(&other_body, 422, "Unprocessable Content").contains("another body"));
    assert_ne!(order(&mut client, "key-2", BODY).text(), first.text());
    for malformed in ["", "\"", "\"a\"b", "\u{e9}", &"k".repeat(256)] {
        assert_error(&order(&mut client, malformed, BODY), 400, "Bad Request");
    }
    assert_error(&order(&mut client, "key-3", "{}"), 422, "Unprocessable Content");

    let server = server.kill_and_restart(&arguments("0", "0"));
    let mut client = server.connect();
    same(&order(&mut client, "key-1", BODY));
    assert_error(&order(&mut client, "key-1", r#"{"product":"Ball"}"#), 422, "Unprocessable Content");
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(uuid::Uuid::parse_str(&id).expect("a UUID").get_version_num(), 5);
}

#[test]
fn an_order_that_is_still_being_done_is_told_apart() {
    const BODY: &str = r#"{"product":"Kite"}"#;
    let server = shop(0, 3_000);
    let mut client = server.connect();
    let first = order(&mut client, "key", BODY);
    let running = order(&mut client, "key", BODY);
    assert_error(&running, 409, "Conflict");
    assert!(running.field("retry-after").is_some_and(|after| matches!(after, "1" | "2" | "3")));
    assert_eq!(running.field("location"), first.field("location"));
    assert_error(&order(&mut client, "key", "{\"product\":\"Ball\"}"), 422, "Unprocessable Content");
    let server = server.kill_and_restart(&arguments("0", "3000"));
    let mut client = server.connect();
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    await_text(&mut client, &format!("/api/orders/?order_id={id}"), |text| text.ends_with("('Success',)"));
    let repeated = order(&mut client, "key", BODY);
    assert_eq!((repeated.status, repeated.text()), (202, first.text()));
}

#[test]
fn many_requests_with_one_key_make_one_order() {
    let server = shop(0, 0);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let ask = |body: &'static str| {
            let server = &server;
            move || order(&mut server.connect(), "together", body)
        };
        let bodies = [r#"{"product":"a"}"#, r#"{"product":"b"}"#];
        let threads: Vec<_> = (0..32).map(|at| scope.spawn(ask(bodies[at % 2]))).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    let taken: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 202).collect();
    assert!(!taken.is_empty() && taken.iter().all(|answer| answer.text() == taken[0].text()));
    assert!(
        answers.iter().all(|answer| matches!(answer.status, 202 | 422)),
        "one body won, the other is told"
    );
}

#[test]
fn the_wrong_method_and_the_wrong_path_are_refused_in_the_shops_style() {
    let server = shop(0, 0);
    let mut client = server.connect();
    let sentence = assert_error(&get(&mut client, "/api/nowhere"), 404, "Not Found");
    assert!(sentence.starts_with("The requested URL was not found on the server."));
    for (method, path, allow) in [
        ("POST", "/api/ping", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/products", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "/api/orders", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/api/orders/", "GET, HEAD, OPTIONS"),
    ] {
        let answer = client.send(plain(method, path)).answer();
        assert_error(&answer, 405, "Method Not Allowed");
        assert_eq!(answer.field("allow"), Some(allow), "{method} {path}");
        let options = client.send(plain("OPTIONS", path)).answer();
        assert_eq!((options.status, options.field("allow")), (204, Some(allow)));
    }
    let document = get(&mut client, "/openapi.json").json();
    assert_eq!(document["paths"]["/api/orders"]["post"]["tags"][0], "toys");
    assert!(document["paths"]["/api/orders"]["post"]["responses"]["409"].is_object());
    assert!(get(&mut client, "/").text().contains("href=\"/toys\""), "the index leads to the shop");
}
