//! What a visitor of the board is told as it happens, over real sockets: each post and each delete once, from where its
//! list ended, whatever was lost between.

use crate::board;
use crate::process;

use std::time::Duration;

use board::{content_type, form, part, png, post, post_bytes, post_form};
use process::Server;
use process::client::{Answer, Client, plain};
use serde_json::{Value, json};

/// Events that the server remembers.
const REMEMBERED: usize = 64;

fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.field(name).unwrap_or_else(|| panic!("no {name}: {}", answer.head))
}

fn server() -> (Server, Client) {
    let server = Server::fresh(&["--apps", "board", "--durability", "memory"]);
    let client = server.connect();
    (server, client)
}

/// Returns the place where the list ends.
fn place(client: &mut Client) -> String {
    let list = client.send(plain("GET", "/messages?limit=5")).answer();
    field(&list, "last-event-id").to_owned()
}

fn question(place: &str) -> String {
    format!("/board/events?wait=0&after={place}")
}

fn ask(client: &mut Client, place: &str) -> Answer {
    let answer = client.send(plain("GET", &question(place))).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// Returns the events of an answer: their names, and what they are about.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    let blocks = answer.text().split("\n\n").filter(|block| block.contains("data:"));
    let value = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned)
    };
    blocks
        .map(|block| {
            let data = value(block, "data").expect("data");
            let name = value(block, "event").unwrap_or_else(|| "message".to_owned());
            (name, serde_json::from_str(&data).expect("JSON in one line"))
        })
        .collect()
}

/// Returns the events in short: a message's text, `delete 7`, `reload`.
fn reported(answer: &Answer) -> Vec<String> {
    let short = |(name, data): (String, Value)| match &*name {
        "message" => data["message"].as_str().expect("a text").to_owned(),
        "delete" => format!("delete {}", data["id"]),
        _ => name,
    };
    events(answer).into_iter().map(short).collect()
}

fn last_id(answer: &Answer) -> String {
    answer.text().lines().find_map(|line| line.strip_prefix("id: ")).expect("a place").to_owned()
}

fn say(client: &mut Client, message: &str) {
    assert_eq!(post(client, message, "a.png", &png(1)).status, 200);
}

fn delete(client: &mut Client, id: u64) {
    assert_eq!(client.send(plain("DELETE", &format!("/messages/{id}"))).answer().status, 204);
}

/// Returns the number of the newest message.
fn newest(client: &mut Client) -> u64 {
    client.send(plain("GET", "/readMessages")).answer().json()[0]["id"].as_u64().expect("a number")
}

#[test]
fn visitors_are_sent_new_messages() {
    let (server, mut client) = server();
    assert_eq!(post(&mut client, "before", "a.png", &png(1)).status, 200);
    let mut visitors = [server.connect(), server.connect(), server.connect()];
    for visitor in &mut visitors {
        visitor.send(plain("GET", "/board/events")).assert_silence(Duration::from_millis(50));
    }
    assert_eq!(post(&mut client, "news\nin two lines", "a.png", &png(2)).status, 200);
    let mut last = String::new();
    for visitor in &mut visitors {
        let answer = visitor.answer();
        assert_eq!(field(&answer, "content-type"), "text/event-stream; charset=utf-8");
        assert_eq!(field(&answer, "cache-control"), "no-store");
        let data: Vec<&str> = answer.text().lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let [data] = data[..] else { panic!("one message: {}", answer.text()) };
        let message: Value = serde_json::from_str(data).expect("JSON in one line");
        assert_eq!((&message["id"], &message["message"]), (&json!(2), &json!("news\nin two lines")));
        last = answer.text().lines().find_map(|line| line.strip_prefix("id: ")).expect("a number").to_owned();
    }
    // What came while nobody asked is told to who says where it stood.
    assert_eq!(post(&mut client, "meanwhile", "a.png", &png(3)).status, 200);
    let ask = |last: &str| format!("GET /board/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last}\r\n\r\n");
    assert!(client.send(ask(&last)).answer().text().contains("meanwhile"));
    let all = client.send(ask("1-1")).answer();
    assert!(all.text().contains("before") && all.text().contains("meanwhile"), "another start: all is told");
}
#[test]
fn a_question_begins_where_the_list_ended() {
    let (server, mut client) = server();
    say(&mut client, "before");
    let list = place(&mut client);
    assert!(reported(&ask(&mut client, &list)).is_empty(), "the list has it");
    // Between the list and the first question, which may come as late as it likes, and any number of times.
    say(&mut client, "between");
    say(&mut client, "and another one");
    for visitor in [&mut client, &mut server.connect()] {
        assert_eq!(reported(&ask(visitor, &list)), ["between", "and another one"]);
    }
    let held = format!("GET /board/events?after={list} HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(
        reported(&client.send(held).answer()).len(),
        2,
        "it is not held while there is something to tell"
    );
    // What a browser got last wins over where it began.
    let last = last_id(&ask(&mut client, &list));
    let again = format!("GET {} HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last}\r\n\r\n", question(&list));
    assert!(reported(&client.send(&again).answer()).is_empty());
    let empty = format!("GET {} HTTP/1.1\r\nHost: x\r\nLast-Event-ID:\r\n\r\n", question(&list));
    assert_eq!(reported(&client.send(empty).answer()).len(), 2);
    for wrong in ["wait=6", "wait=-1", "wait=", "wait=x"] {
        let answer = client.send(plain("GET", &format!("/board/events?{wrong}"))).answer();
        assert_eq!((answer.status, &answer.json()["detail"][0]["loc"]), (422, &json!(["query", "wait"])));
    }
    let newest = client.send(plain("GET", "/readMessages")).answer();
    assert_eq!(field(&newest, "last-event-id"), place(&mut client));
    // A page of older messages ends where the board stands now, as every list does.
    let older = client.send(plain("GET", "/messages?limit=1&before=2")).answer();
    assert_eq!(field(&older, "last-event-id"), place(&mut client));
}

#[test]
fn deletes_are_sent_as_posts_are() {
    let (server, mut client) = server();
    for at in 1..=3 {
        say(&mut client, &format!("message {at}"));
    }
    let list = place(&mut client);
    let ids: Vec<u64> = (0..3).map(|at| newest(&mut client) - at).collect();
    let mut visitors = [server.connect(), server.connect()];
    for visitor in &mut visitors {
        let held = format!("/board/events?after={list}");
        visitor.send(plain("GET", &held)).assert_silence(Duration::from_millis(50));
    }
    delete(&mut client, ids[1]);
    for visitor in &mut visitors {
        let answer = visitor.answer();
        assert_eq!(events(&answer), [("delete".to_owned(), json!({"id": ids[1]}))]);
    }
    // One that was posted and deleted meanwhile was never there; others keep their order.
    say(&mut client, "short-lived");
    let gone = newest(&mut client);
    say(&mut client, "to stay");
    delete(&mut client, gone);
    delete(&mut client, ids[0]);
    let all = [
        format!("delete {}", ids[1]),
        "to stay".into(),
        format!("delete {gone}"),
        format!("delete {}", ids[0]),
    ];
    assert_eq!(reported(&ask(&mut client, &list)), all);
    assert_eq!(client.send(plain("DELETE", &format!("/messages/{gone}"))).answer().status, 404);
    assert_eq!(reported(&ask(&mut client, &list)), all, "a second delete is no event");
}

#[test]
fn a_visitor_who_missed_too_much_has_to_load_the_list_again() {
    let (_server, mut client) = server();
    let list = place(&mut client);
    for at in 0..REMEMBERED {
        say(&mut client, &format!("message {at}"));
    }
    let all = reported(&ask(&mut client, &list));
    assert_eq!((all.len(), &*all[0]), (REMEMBERED, "message 0"), "all that was missed");
    // Of whatever kind it is, one more is too much.
    let id = newest(&mut client);
    delete(&mut client, id);
    let answer = ask(&mut client, &list);
    assert_eq!(reported(&answer)[0], "reload");
    assert!(reported(&ask(&mut client, &last_id(&answer))).is_empty(), "and then it knows where it stands");
    let fresh = place(&mut client);
    assert!(reported(&ask(&mut client, &fresh)).is_empty());
}

#[test]
fn a_place_that_nobody_knows_makes_the_list_load_again_at_once() {
    let (server, mut client) = server();
    say(&mut client, "before");
    let list = place(&mut client);
    for unknown in ["1-1", "x", "-", "%20", "1-99999999999999999999"] {
        let held = format!("/board/events?after={unknown}");
        assert_eq!(reported(&client.send(plain("GET", &held)).answer())[0], "reload", "{unknown}");
    }
    // A server that has started again may have been told of anything meanwhile, also of nothing.
    let server = server.kill_and_restart(&["--apps", "board", "--durability", "memory"]);
    let mut client = server.connect();
    let answer = ask(&mut client, &list);
    assert_eq!(reported(&answer)[0], "reload");
    say(&mut client, "after");
    assert_eq!(reported(&ask(&mut client, &last_id(&answer))), ["after"]);
}

#[test]
fn a_form_without_a_script_ends_on_a_page() {
    let (server, mut client) = server();
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let as_browser = |body: Vec<u8>| {
        let text = String::from_utf8_lossy(&post_bytes(&body)[..])
            .split_once("\r\n\r\n")
            .expect("a head")
            .0
            .to_owned();
        [format!("{text}\r\nAccept: {accept}\r\n\r\n").into_bytes(), body].concat()
    };
    let answer = client.send(as_browser(post_form("hi", "a.png", &png(1)))).answer();
    assert_eq!((answer.status, field(&answer, "location")), (303, "/board#posted"));
    assert_eq!(field(&answer, "durability"), "memory", "it is kept before it is told");
    assert_eq!(client.send(plain("GET", "/board")).answer().status, 200);
    let kept = || part("name=\"message\"", b"hi");
    for (body, status, sentence) in [
        (form(&[kept()]), 422, "file: Field required"),
        (form(&[]), 422, "file: Field required; message: Field required"),
        (
            post_form(&"x".repeat(256), "a.png", &png(1)),
            422,
            "message: String should have at most 255 characters",
        ),
        (post_form("hi", "a.png", b"<script>"), 415, "The file is no JPEG, PNG, GIF, BMP or WebP picture"),
        (b"no form".to_vec(), 400, "There was an error parsing the body"),
    ] {
        let answer = client.send(as_browser(body)).answer();
        assert_eq!((answer.status, field(&answer, "content-type")), (status, "text/html; charset=utf-8"));
        assert!(answer.text().contains(&format!("<p>{sentence}</p>")), "{}", answer.text());
        assert!(answer.text().contains("href=\"/board\""), "the way back");
        assert!(field(&answer, "content-security-policy").starts_with("default-src 'none'"));
    }
    // A body that goes on for too long is stopped, and that is said on a page too.
    let head = format!(
        "POST /upload/ HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Type: {}\r\n",
        content_type()
    );
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    let mut other = server.connect();
    other.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let answer = other.send_in_vain(chunk.repeat(12)).answer();
    assert_eq!((answer.status, field(&answer, "content-type")), (413, "text/html; charset=utf-8"));
    assert!(answer.text().contains("nothing was stored"), "{}", answer.text());
    // So is one that is too long by its head, and one that the server itself refuses.
    let refused = |fields: &str| {
        let mut other = server.connect();
        other.send(format!("{head}{fields}\r\n\r\n")).answer()
    };
    for (fields, status) in [
        ("Content-Length: 99999999", 413),
        ("Durability: both\r\nContent-Length: 10", 503),
        ("Durability: often\r\nContent-Length: 10", 400),
    ] {
        let answer = refused(fields);
        assert_eq!((answer.status, field(&answer, "content-type")), (status, "text/html; charset=utf-8"));
        assert!(answer.text().contains("nothing was stored"), "{}", answer.text());
        assert!(answer.text().contains("href=\"/board\""), "the way back: {}", answer.text());
        assert_eq!(answer.field("retry-after").is_some(), status == 503);
    }
    // Programs are answered as before, whatever they take beside JSON.
    for accept in ["*/*", "application/json", "application/json, text/html", "text/html;q=0.5, */*"] {
        let body = post_form("hi", "a.png", &png(1));
        let head = as_browser(body.clone());
        let head = String::from_utf8_lossy(&head).split_once("\r\nAccept: ").expect("a field").0.to_owned();
        let request = [format!("{head}\r\nAccept: {accept}\r\n\r\n").into_bytes(), body].concat();
        let answer = client.send(request).answer();
        assert_eq!((answer.status, &answer.json()["ok"]), (200, &json!(true)), "{accept}");
    }
    let messages = client.send(plain("GET", "/readMessages")).answer().json();
    assert_eq!(messages.as_array().map(Vec::len), Some(5), "each once");
}
