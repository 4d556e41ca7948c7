//! The pixel service over real sockets: every call, every form of an answer, every error, as a client meets them.

use crate::process;

use process::Server;
use process::client::{Answer, Client, pixel, plain, post_pixel, request};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
const BINARY: &str = "application/vnd.pixeld";

fn ask(client: &mut Client, bytes: impl AsRef<[u8]>) -> Answer {
    let answer = client.send(bytes).answer();
    assert_sound(&answer);
    answer
}

/// What every answer has and none may have.
fn assert_sound(answer: &Answer) {
    let date = answer.field("date").expect("a Date");
    assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    assert!(answer.field("server").is_none(), "{}", answer.head);
    let framed = answer.field("content-length").is_some() ^ answer.field("transfer-encoding").is_some();
    assert!(framed || answer.status == 204, "{}", answer.head);
    assert!(answer.field("content-type").is_some() || answer.status == 204, "{}", answer.head);
}

fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.field(name).unwrap_or_else(|| panic!("no {name}: {}", answer.head))
}

/// A server with five pixels, in the order of their x.
fn server_of_five() -> (Server, Client) {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    for (x, channel) in (1..).zip("RGBRG".chars()) {
        assert_eq!(ask(&mut client, post_pixel(x, -x, channel, x as u8 * 50)).status, 200);
    }
    (server, client)
}

fn xs(list: &Value) -> Vec<i64> {
    list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|pixel| pixel["x"].as_i64().expect("a number"))
        .collect()
}

#[test]
fn a_pixel_is_kept_and_the_answer_says_how() {
    for durability in ["disk", "memory"] {
        let server = Server::fresh(&["--durability", durability]);
        let mut client = server.connect();
        // The first one is parsed, the others are recognised by their head: the answers are the same.
        for value in 0..3 {
            let answer = ask(&mut client, post_pixel(10, 20, 'R', value));
            assert_eq!((answer.status, answer.text()), (200, r#"{"status":"ok"}"#));
            assert_eq!(field(&answer, "content-type"), JSON);
            assert_eq!(field(&answer, "durability"), durability);
        }
        let answer = ask(&mut client, plain("GET", "/pixels/count"));
        assert_eq!((answer.status, answer.text()), (200, r#"{"total":3}"#));
        assert!(answer.field("durability").is_none(), "a read has none");
    }
}

#[test]
fn a_request_may_ask_for_more_than_the_servers_level() {
    let server = Server::fresh(&["--durability", "memory"]);
    let mut client = server.connect();
    let asking = |level: &str| {
        let body = pixel(1, 2, 'B', 3);
        let head = "POST /pixel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
        format!("{head}\r\nDurability: {level}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    for (asked, reached) in [("disk", "disk"), ("memory", "memory"), ("DISK", "disk"), ("Memory", "memory")] {
        let answer = ask(&mut client, asking(asked));
        assert_eq!((answer.status, field(&answer, "durability")), (200, reached));
    }
    let answer = ask(&mut client, asking("both"));
    assert_eq!(answer.status, 503, "there is no peer");
    assert!(answer.field("retry-after").is_some() && answer.field("durability").is_none());
    assert_eq!(ask(&mut client, plain("GET", "/pixels/count")).text(), r#"{"total":4}"#);
}

/// Every write, on every way: the usual head once known, a body that is not usual, streamed bodies, commands, GETs that write.
#[test]
fn a_write_that_asks_for_no_level_there_is_is_refused() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(ask(&mut client, post_pixel(1, 2, 'R', 3)).status, 200, "the usual head is known now");
    }
    let (usual, other) = (pixel(1, 2, 'B', 3), r#"{"value":3,"channel":"R","y":2,"x":1,"more":[]}"#);
    let writes = [
        ("POST", "/pixel", JSON, &*usual),
        ("POST", "/pixel", JSON, other),
        ("POST", "/pixels", LINES, &usual),
        ("DELETE", "/pixels", JSON, ""),
        ("POST", "/upload/", "multipart/form-data; boundary=b", "--b--"),
        ("POST", "/images", "image/png", "YWJj"),
        ("POST", "/api/products", JSON, r#"{"name":"Kite"}"#),
        ("POST", "/api/orders", JSON, r#"{"product":"Kite"}"#),
        ("GET", "/api/products?product=Kite", JSON, ""),
        ("GET", "/next", JSON, ""),
        ("GET", "/previous", JSON, ""),
        ("GET", "/reset", JSON, ""),
    ];
    for (method, path, content_type, body) in writes {
        for level in ["galaxy", "", "disk, both", "\u{e9}", "disk\r\nDurability: x"] {
            let text = String::from_utf8(request(method, path, content_type, body)).expect("a text");
            let asking = text.replacen("\r\n", &format!("\r\nDurability: {level}\r\n"), 1);
            for _ in 0..2 {
                let mut client = server.connect();
                let answer = ask(&mut client, &asking);
                assert_eq!(answer.status, 400, "{method} {path} {level:?}: {}", answer.text());
                assert_eq!(
                    answer.text(),
                    r#"{"detail":"The header Durability may be memory, disk, both or cluster; nothing was stored"}"#
                );
                assert!(answer.field("durability").is_none(), "{}", answer.head);
            }
        }
    }
    for path in ["/pixels", "/pixels/count", "/state", "/current", "/readMessages", "/images", "/livez"] {
        let asking = format!("GET {path} HTTP/1.1\r\nHost: x\r\nDurability: galaxy\r\n\r\n");
        assert_eq!(ask(&mut client, asking).status, 200, "{path}");
    }
    assert_eq!(ask(&mut client, plain("GET", "/pixels/count")).text(), r#"{"total":3}"#);
    assert_eq!(ask(&mut client, plain("GET", "/state")).json()["hits"], 0);
}

#[test]
fn the_list_shows_everything_in_order_with_duplicates() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let empty = ask(&mut client, plain("GET", "/pixels"));
    assert_eq!((empty.status, empty.text()), (200, r#"{"total":0,"data":[]}"#));
    let mut expected = Vec::new();
    for (x, y, channel, value) in
        [(1, 2, 'R', 128), (i32::MIN, i32::MAX, 'G', 255), (1, 2, 'R', 128), (1, 2, 'B', 0)]
    {
        assert_eq!(ask(&mut client, post_pixel(x, y, channel, value)).status, 200);
        expected.push(pixel(x, y, channel, value));
    }
    let answer = ask(&mut client, plain("GET", "/pixels"));
    assert_eq!(answer.text(), format!(r#"{{"total":4,"data":[{}]}}"#, expected.join(",")));
    assert_eq!((field(&answer, "content-type"), field(&answer, "transfer-encoding")), (JSON, "chunked"));
    let health = ask(&mut client, plain("GET", "/health"));
    let expected = format!(r#"{{"status":"healthy","pid":{},"store_size":4}}"#, server.pid());
    assert_eq!((health.status, health.text(), field(&health, "content-type")), (200, &*expected, JSON));
}

#[test]
fn clearing_is_a_write_and_clears_the_empty_list_too() {
    let (_server, mut client) = server_of_five();
    for _ in 0..2 {
        let answer = ask(&mut client, plain("DELETE", "/pixels"));
        assert_eq!((answer.status, answer.text()), (200, r#"{"status":"cleared"}"#));
        assert_eq!((field(&answer, "content-type"), field(&answer, "durability")), (JSON, "disk"));
        assert_eq!(ask(&mut client, plain("GET", "/pixels")).text(), r#"{"total":0,"data":[]}"#);
    }
    assert_eq!(ask(&mut client, post_pixel(9, 9, 'G', 9)).status, 200);
    let list = ask(&mut client, plain("GET", "/pixels"));
    assert_eq!(list.text(), format!(r#"{{"total":1,"data":[{}]}}"#, pixel(9, 9, 'G', 9)));
    assert!(ask(&mut client, plain("GET", "/health")).text().ends_with(r#""store_size":1}"#));
}

#[test]
fn filters_are_inclusive_and_combine() {
    let (_server, mut client) = server_of_five();
    for (query, expected) in [
        ("channel=R", vec![1, 4]),
        ("x_min=2&x_max=4", vec![2, 3, 4]),
        ("y_min=-2", vec![1, 2]),
        ("y_max=-4", vec![4, 5]),
        ("channel=G&x_min=3", vec![5]),
        ("x_min=9", vec![]),
        ("unknown=1", vec![1, 2, 3, 4, 5]),
        ("x_min=%32&x_max=+2", vec![2]),
    ] {
        let list = ask(&mut client, plain("GET", &format!("/pixels?{query}"))).json();
        assert_eq!(xs(&list), expected, "{query}");
        assert_eq!(list["total"], expected.len(), "{query}");
    }
}

#[test]
fn cursors_lead_through_the_list_and_on_to_what_comes_later() {
    let (server, mut client) = server_of_five();
    let mut page = |after: Option<&Value>| {
        let after =
            after.map_or(String::new(), |next| format!("&after={}", next.as_str().expect("a cursor")));
        ask(&mut client, plain("GET", &format!("/pixels?limit=2{after}"))).json()
    };
    let first = page(None);
    let second = page(Some(&first["next"]));
    let third = page(Some(&second["next"]));
    assert_eq!((xs(&first), xs(&second), xs(&third)), (vec![1, 2], vec![3, 4], vec![5]));
    assert_eq!((first["total"].as_u64(), third["total"].as_u64()), (Some(5), Some(5)));
    assert!(third.as_object().expect("an object").contains_key("next") && third["next"].is_null());
    let mut other = server.connect();
    assert_eq!(ask(&mut other, post_pixel(6, 0, 'B', 1)).status, 200);
    assert_eq!(xs(&page(Some(&second["next"]))), [5, 6]);
    let whole = ask(&mut other, plain("GET", "/pixels")).json();
    assert!(whole.get("next").is_none(), "without parameters there is no such key");
}

#[test]
fn a_cursor_outlives_a_restart_but_not_its_host() {
    let (server, mut client) = server_of_five();
    let list = ask(&mut client, plain("GET", "/pixels?limit=3")).json();
    let next = format!("/pixels?after={}", list["next"].as_str().expect("a cursor"));
    drop(client);
    let server = server.kill_and_restart(&[]);
    assert_eq!(xs(&ask(&mut server.connect(), plain("GET", &next)).json()), [4, 5]);

    let stranger = Server::fresh(&[]);
    let answer = ask(&mut stranger.connect(), plain("GET", &next));
    assert_eq!((answer.status, answer.json()["detail"].is_string()), (410, true));
}

#[test]
fn wrong_parameters_are_named_in_fastapis_form() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let answer = ask(&mut client, plain("GET", "/pixels?after=abc&limit=0&channel=X&x_min=one&y_max="));
    assert_eq!((answer.status, field(&answer, "content-type")), (422, JSON));
    let detail = answer.json()["detail"].clone();
    let found: Vec<(&Value, &Value)> =
        detail.as_array().expect("a list").iter().map(|entry| (&entry["loc"], &entry["input"])).collect();
    let expected = [("after", "abc"), ("limit", "0"), ("channel", "X"), ("x_min", "one"), ("y_max", "")];
    let expected = expected.map(|(name, input)| (json!(["query", name]), json!(input)));
    assert_eq!(found, expected.iter().map(|(loc, input)| (loc, input)).collect::<Vec<_>>());
}

#[test]
fn the_list_comes_in_three_forms() {
    let (_server, mut client) = server_of_five();
    let mut accepting = |accept: &str, query: &str| {
        ask(&mut client, format!("GET /pixels{query} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n"))
    };
    let lines = accepting(LINES, "?limit=2");
    assert_eq!(field(&lines, "content-type"), LINES);
    assert_eq!(lines.text(), format!("{}\n{}\n", pixel(1, -1, 'R', 50), pixel(2, -2, 'G', 100)));
    let csv = accepting("text/csv", "?x_min=4");
    assert_eq!(field(&csv, "content-type"), "text/csv");
    assert_eq!(csv.text(), "x,y,channel,value\n4,-4,R,200\n5,-5,G,250\n");
    for (accept, chosen) in [
        ("*/*", JSON),
        ("text/html", JSON),
        ("text/csv;q=0.5, application/x-ndjson", LINES),
        ("application/json;q=0.1, text/*", "text/csv"),
    ] {
        assert_eq!(field(&accepting(accept, ""), "content-type"), chosen, "{accept}");
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let (_server, mut client) = server_of_five();
    for path in
        ["/pixels", "/pixels?limit=2", "/pixels/count", "/health", "/livez", "/readyz", "/version", "/"]
    {
        let get = ask(&mut client, plain("GET", path));
        let head = client.send(plain("HEAD", path)).head_answer();
        assert_sound(&head);
        assert_eq!(
            (head.status, head.field("content-type")),
            (get.status, get.field("content-type")),
            "{path}"
        );
        assert_eq!(head.field("content-length"), get.field("content-length"), "{path}");
    }
    // The connection is still in step.
    assert_eq!(ask(&mut client, plain("GET", "/pixels/count")).text(), r#"{"total":5}"#);
}

#[test]
fn unknown_paths_wrong_methods_and_options() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    for (method, path) in
        [("GET", "/nowhere"), ("POST", "/pixels/"), ("DELETE", "/pixels/count/x"), ("GET", "//")]
    {
        let answer = ask(&mut client, plain(method, path));
        assert_eq!((answer.status, answer.text()), (404, r#"{"detail":"Not Found"}"#), "{method} {path}");
    }
    for (method, path, allow) in [
        ("GET", "/pixel", "OPTIONS, POST"),
        ("PUT", "/pixels", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/pixels/count", "GET, HEAD, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/metrics", "GET, HEAD, OPTIONS"),
    ] {
        let answer = ask(&mut client, plain(method, path));
        assert_eq!((answer.status, answer.text()), (405, r#"{"detail":"Method Not Allowed"}"#), "{path}");
        assert_eq!((field(&answer, "allow"), field(&answer, "content-type")), (allow, JSON));
        let options = ask(&mut client, plain("OPTIONS", path));
        assert_eq!((options.status, field(&options, "allow")), (204, allow));
    }
    assert_eq!(ask(&mut client, plain("OPTIONS", "*")).status, 204);
}

#[test]
fn a_batch_is_taken_in_each_of_its_forms() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let rows = [pixel(1, 0, 'R', 1), pixel(2, 0, 'G', 2), pixel(3, 0, 'B', 3)];
    let record =
        |x: i32| [&[0x11 + ((x + 2) % 3) as u8, 7][..], &x.to_le_bytes(), &0_i32.to_le_bytes()].concat();
    for (content_type, body) in [
        (JSON, format!("[{}]", rows.join(",")).into_bytes()),
        ("application/json; charset=utf-8", format!(" [ {} ] ", rows.join(" , ")).into_bytes()),
        (LINES, rows.join("\n").into_bytes()),
        (LINES, format!("\n{}\r\n\n", rows.join("\r\n")).into_bytes()),
        (BINARY, [record(1), record(2), record(3)].concat()),
    ] {
        let answer = ask(&mut client, request("POST", "/pixels", content_type, body));
        assert_eq!(
            (answer.status, answer.text()),
            (200, r#"{"accepted":3,"rejected":[]}"#),
            "{content_type}"
        );
        assert_eq!((field(&answer, "durability"), field(&answer, "content-type")), ("disk", JSON));
    }
    assert_eq!(ask(&mut client, plain("GET", "/pixels/count")).text(), r#"{"total":15}"#);
    let channels = ask(&mut client, plain("GET", "/pixels?limit=3")).json();
    assert_eq!((xs(&channels), &channels["data"][2]["channel"]), (vec![1, 2, 3], &json!("B")));
}

#[test]
fn a_batch_with_faults_says_which_and_why() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let (good, bad) = (pixel(1, 0, 'R', 1), r#"{"x":1,"y":2,"channel":"Q","value":300}"#);
    for (content_type, body) in [(JSON, format!("[{bad},{good}]")), (LINES, format!("{bad}\n{good}\n"))] {
        let answer = ask(&mut client, request("POST", "/pixels", content_type, body));
        let told = answer.json();
        assert_eq!((answer.status, &told["accepted"]), (207, &json!(1)), "{content_type}");
        assert_eq!(told["rejected"].as_array().map(Vec::len), Some(1));
        let rejected = &told["rejected"][0];
        assert_eq!((&rejected["index"], rejected["detail"].as_array().map(Vec::len)), (&json!(0), Some(2)));
        assert_eq!(rejected["detail"][0]["type"], "literal_error");
        assert_eq!(rejected["detail"][1]["type"], "less_than_equal");
        assert_eq!(field(&answer, "durability"), "disk");
    }
    for (content_type, body) in [(JSON, format!("[{bad}]")), (LINES, bad.to_owned())] {
        let answer = ask(&mut client, request("POST", "/pixels", content_type, body));
        assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (422, Some(0)), "{content_type}");
    }
    let record = [&[9_u8, 7][..], &[0; 8]].concat();
    let answer = ask(&mut client, request("POST", "/pixels", BINARY, [&record[..], &[1, 2, 3]].concat()));
    assert_eq!((answer.status, answer.json()["rejected"].as_array().map(Vec::len)), (422, Some(2)));
    let broken = ask(&mut client, request("POST", "/pixels", JSON, format!("[{good},")));
    assert_eq!((broken.status, &broken.json()["detail"][0]["type"]), (422, &json!("json_invalid")));
    let single = ask(&mut client, request("POST", "/pixels", JSON, &good));
    assert_eq!((single.status, &single.json()["detail"][0]["type"]), (422, &json!("list_type")));
    assert_eq!(ask(&mut client, plain("GET", "/pixels/count")).text(), r#"{"total":2}"#);
}

#[test]
fn an_unknown_form_of_a_batch_is_refused_by_its_head() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let answer = ask(&mut client, request("POST", "/pixels", "text/plain", "x"));
    assert_eq!((answer.status, answer.closes()), (415, true));
    client.assert_end();
}

#[test]
fn a_batch_may_come_in_chunks_of_any_size() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let rows: Vec<String> = (0..40).map(|x| pixel(x, -x, 'G', 5)).collect();
    for (content_type, body) in [(JSON, format!("[{}]", rows.join(","))), (LINES, rows.join("\n"))] {
        for size in [1, 7, 64, 4096] {
            let head = "POST /pixels HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type:";
            client.send(format!("{head} {content_type}\r\n\r\n"));
            for chunk in body.as_bytes().chunks(size) {
                client.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
            }
            let answer = ask(&mut client, "0\r\nX-Trailer: y\r\n\r\n");
            assert_eq!((answer.status, answer.text()), (200, r#"{"accepted":40,"rejected":[]}"#), "{size}");
        }
    }
}

#[test]
fn a_client_that_expects_100_may_go_on() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let body = pixel(1, 2, 'R', 3);
    for (path, content_type) in [("/pixel", JSON), ("/pixels", LINES), ("/pixel", JSON)] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        assert_eq!(client.send(&head).answer().status, 100);
        assert_eq!(ask(&mut client, &body).status, 200);
        // Who sends the body without waiting needs no 100.
        assert_eq!(ask(&mut client, format!("{head}{body}")).status, 200);
    }
    let refused = "POST /pixel HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n";
    assert_eq!(ask(&mut client, refused).status, 413, "nothing is asked for that would be refused");
}

#[test]
fn http_1_0_closes_unless_asked_and_gets_no_chunks() {
    let (server, _) = server_of_five();
    let mut client = server.connect();
    let kept = ask(&mut client, "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!((kept.status, field(&kept, "connection")), (200, "keep-alive"));
    let list = client.send("GET /pixels HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer();
    assert!(list.closes() && list.field("transfer-encoding").is_none(), "{}", list.head);
    assert_eq!(xs(&list.json()), [1, 2, 3, 4, 5]);
    let mut client = server.connect();
    let body = pixel(6, 0, 'B', 0);
    let head =
        format!("POST /pixel HTTP/1.0\r\nContent-Type: {JSON}\r\nContent-Length: {}\r\n\r\n", body.len());
    assert!(ask(&mut client, format!("{head}{body}")).closes());
    client.assert_end();
}
