//! The Fibonacci service over real sockets: every call, every form of an answer, every error, as a client meets them.

use crate::process;

use std::time::Duration;

use process::Server;
use process::client::{Answer, Client, Next, plain, post_pixel};

const TEXT: &str = "text/plain; charset=utf-8";

fn serving_pex(more: &[&str]) -> Server {
    Server::fresh(&[&["--apps", "pixel,pex"], more].concat())
}

fn ask(client: &mut Client, method: &str, path: &str) -> Answer {
    client.send(plain(method, path)).answer()
}

fn get(client: &mut Client, path: &str) -> Answer {
    let answer = ask(client, "GET", path);
    let date = answer.field("date").expect("a Date");
    assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    answer
}

fn number(client: &mut Client, path: &str) -> String {
    let answer = get(client, path);
    assert_eq!((answer.status, answer.field("content-type")), (200, Some(TEXT)), "{path}: {}", answer.text());
    answer.text().strip_suffix('\n').expect("a line").to_owned()
}

fn state(client: &mut Client) -> String {
    let answer = get(client, "/state");
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")));
    answer.text().to_owned()
}

#[test]
fn steps_on_and_back() {
    let server = serving_pex(&[]);
    let mut client = server.connect();
    assert_eq!(number(&mut client, "/current"), "0");
    for expected in ["1", "1", "2", "3", "5", "8", "13", "21", "34", "55"] {
        assert_eq!(number(&mut client, "/next"), expected);
        assert_eq!(number(&mut client, "/current"), expected);
    }
    assert_eq!(state(&mut client), r#"{"hits":10,"position":10,"digits":2}"#);
    for expected in ["34", "21", "13", "8", "5", "3", "2", "1", "1", "0", "0", "0"] {
        assert_eq!(number(&mut client, "/previous"), expected);
    }
    assert_eq!(state(&mut client), r#"{"hits":22,"position":0,"digits":1}"#);
    for path in ["/next", "/next", "/next"] {
        number(&mut client, path);
    }
    assert_eq!(number(&mut client, "/previous"), "1", "from 2, which stands at 3");
}

#[test]
fn reset_answers_a_string_with_json_in_it() {
    let server = serving_pex(&[]);
    let mut client = server.connect();
    number(&mut client, "/next");
    number(&mut client, "/next");
    for hits in [3, 4] {
        let answer = get(&mut client, "/reset");
        let expected = format!(
            "\"{{\\\"Current\\\":0,\\\"Hitcount\\\":{hits},\\\"Next\\\":1,\\\"Position\\\":0,\\\"Previous\\\":0}}\"\n"
        );
        assert_eq!(
            (answer.status, answer.text(), answer.field("content-type")),
            (200, &*expected, Some(TEXT))
        );
        let inner: String = serde_json::from_str(answer.text()).expect("a JSON string");
        assert!(serde_json::from_str::<serde_json::Value>(&inner).expect("JSON")["Hitcount"] == hits);
    }
    assert_eq!(number(&mut client, "/current"), "0");
}

#[test]
fn a_step_says_how_it_is_kept_and_that_it_is_not_to_be_cached() {
    for durability in ["disk", "memory"] {
        let server = serving_pex(&["--durability", durability]);
        let mut client = server.connect();
        for path in ["/next", "/previous", "/reset"] {
            assert_eq!(get(&mut client, path).field("durability"), Some(durability), "{path}");
        }
        for path in ["/next", "/current", "/previous", "/reset"] {
            assert_eq!(get(&mut client, path).field("cache-control"), Some("no-store"), "{path}");
        }
        for path in ["/current", "/state", "/fib/7"] {
            assert_eq!(get(&mut client, path).field("durability"), None, "{path} is a read");
        }
    }
}

#[test]
fn post_does_the_same_and_head_moves_nothing() {
    let server = serving_pex(&[]);
    let mut client = server.connect();
    for (path, expected) in [("/next", "1\n"), ("/next", "1\n"), ("/next", "2\n"), ("/previous", "1\n")] {
        let answer = ask(&mut client, "POST", path);
        assert_eq!((answer.status, answer.text(), answer.field("durability")), (200, expected, Some("disk")));
    }
    for path in ["/", "/current", "/next", "/previous", "/reset", "/state", "/fib/9", "/fib/100000"] {
        let head = client.send(plain("HEAD", path)).head_answer();
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(state(&mut client), r#"{"hits":4,"position":2,"digits":1}"#, "after HEAD {path}");
    }
    for path in ["/fib/100000", "/fib/2001", "/next", "/reset"] {
        let head = client.send(plain("HEAD", path)).head_answer();
        let answer = get(&mut client, path);
        for field in ["content-length", "content-type", "cache-control"] {
            assert_eq!(head.field(field), answer.field(field), "{field} of {path}");
        }
    }
    let answer = ask(&mut client, "POST", "/reset");
    assert!(answer.text().contains(r#"\"Hitcount\":7,"#), "{}", answer.text());
}

#[test]
fn unknown_paths_and_methods_in_the_style_of_the_root() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(process::ANY_PORT, directory.path(), &["--apps", "pixel,pex"]);
    let mut client = server.connect();
    let answer = get(&mut client, "/nothing");
    assert_eq!((answer.status, answer.text()), (404, r#"{"detail":"Not Found"}"#), "the index's style");
    for (method, path, allow) in [
        ("DELETE", "/next", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "/current", "GET, HEAD, OPTIONS"),
        ("POST", "/state", "GET, HEAD, OPTIONS"),
        ("POST", "/fib/7", "GET, HEAD, OPTIONS"),
    ] {
        let answer = ask(&mut client, method, path);
        assert_eq!((answer.status, answer.text(), answer.field("allow")), (405, "", Some(allow)), "{path}");
        let answer = ask(&mut client, "OPTIONS", path);
        assert_eq!((answer.status, answer.field("allow")), (204, Some(allow)), "{path}");
    }
    drop(server);

    let root = format!("{}=pex", process::free_address());
    let server =
        Server::start(process::ANY_PORT, directory.path(), &["--apps", "pixel,pex", "--listen", &root]);
    let mut client = Client::connect(root.trim_end_matches("=pex").parse().expect("an address"));
    let answer = get(&mut client, "/nothing");
    assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"));
    assert_eq!(answer.field("content-type"), Some(TEXT));
    let answer = get(&mut client, "/");
    assert_eq!((answer.status, answer.field("content-type")), (200, Some(TEXT)));
    for path in ["/current", "/next", "/previous", "/reset"] {
        assert!(answer.text().contains(path), "{}", answer.text());
    }
    assert!(get(&mut server.connect(), "/").text().contains("<html"), "the other listener has the index");
}

#[test]
fn any_number_can_be_asked_for_up_to_the_bound() {
    let server = serving_pex(&["--pex-max-position", "3000"]);
    let mut client = server.connect();
    for (n, expected) in [
        ("0", "0"),
        ("1", "1"),
        ("007", "13"),
        ("%39", "34"),
        ("93", "12200160415121876738"),
        ("94", "19740274219868223167"),
        ("300", "222232244629420445529739893461909967206666939096499764990979600"),
    ] {
        assert_eq!(number(&mut client, &format!("/fib/{n}")), expected, "{n}");
    }
    let answer = get(&mut client, "/fib/3000");
    assert_eq!((answer.status, answer.text().len()), (200, 627 + 1));
    assert_eq!(answer.field("cache-control"), Some("public, max-age=31536000, immutable"));
    for n in ["3001", "18446744073709551616", "99999999999999999999999999999999"] {
        let answer = get(&mut client, &format!("/fib/{n}"));
        assert_eq!(
            (answer.status, answer.text()),
            (409, "The largest n is 3000 (pex.max_position).\n"),
            "{n}"
        );
    }
    for n in ["x", "-1", "+1", "1.0", "%20", "1e3"] {
        let answer = get(&mut client, &format!("/fib/{n}"));
        let expected = "n is a whole number from 0 to 3000, in decimal.\n";
        assert_eq!((answer.status, answer.text()), (400, expected), "{n}");
    }
    assert_eq!(get(&mut client, "/fib/").status, 404);
    assert_eq!(state(&mut client), r#"{"hits":0,"position":0,"digits":1}"#, "these were reads");
}

#[test]
fn at_the_last_position_there_is_no_step_on() {
    let server = serving_pex(&["--pex-max-position", "3"]);
    let mut client = server.connect();
    for _ in 0..3 {
        number(&mut client, "/next");
    }
    for method in ["GET", "POST"] {
        let answer = ask(&mut client, method, "/next");
        let expected = "Position 3 is the last one (pex.max_position): /previous and /reset lead back.\n";
        assert_eq!((answer.status, answer.text()), (409, expected));
    }
    assert_eq!(state(&mut client), r#"{"hits":3,"position":3,"digits":1}"#, "what is refused is no hit");
    assert_eq!(number(&mut client, "/previous"), "1");
    assert_eq!(number(&mut client, "/next"), "2");
    // Many at once: the order of the log says who is too late.
    number(&mut client, "/reset");
    let mut clients: Vec<_> = (0..12).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(plain("GET", "/next"));
    }
    let mut answers: Vec<_> = clients.iter_mut().map(|client| client.answer().status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [vec![200; 3], vec![409; 9]].concat());
    assert_eq!(state(&mut client), r#"{"hits":9,"position":3,"digits":1}"#);
}

#[test]
fn pipelined_steps_and_reads_are_answered_in_their_order() {
    let server = serving_pex(&[]);
    let mut client = server.connect();
    let paths =
        ["/next", "/current", "/next", "/next", "/current", "/fib/5000", "/previous", "/state", "/reset"];
    let requests: Vec<u8> = paths.iter().flat_map(|path| plain("GET", path)).collect();
    client.send(&requests).half_close();
    let answers: Vec<_> = paths.iter().map(|_| client.answer()).collect();
    let texts: Vec<_> = answers.iter().map(|answer| answer.text().trim_end()).collect();
    assert_eq!(texts[..5], ["1", "1", "1", "2", "2"]);
    assert_eq!(texts[5].len(), 1045);
    assert_eq!(texts[6..8], ["1", r#"{"hits":4,"position":2,"digits":1}"#]);
    assert!(texts[8].contains(r#"\"Hitcount\":5,"#));
    client.assert_end();
}

#[test]
fn old_clients_are_closed_unless_they_ask_to_stay() {
    let server = serving_pex(&[]);
    let mut client = server.connect();
    let answer = client.send("GET /next HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").answer();
    assert_eq!((answer.text(), answer.field("connection")), ("1\n", Some("keep-alive")));
    let answer = client.send("GET /fib/100000 HTTP/1.0\r\n\r\n").answer();
    assert_eq!((answer.status, answer.body.len(), answer.closes()), (200, 20_900, true));
    client.assert_end();
}

/// F(1) to F(n), by adding.
fn numbers(n: usize) -> Vec<String> {
    let (mut a, mut b) = (0_u128, 1_u128);
    let step = |_| {
        (a, b) = (b, a + b);
        a.to_string()
    };
    (0..n).map(step).collect()
}

#[test]
fn concurrent_steps_are_each_made_once_also_across_kills() {
    const ROUNDS: usize = 5;
    const CLIENTS: usize = 6;
    let mut server = serving_pex(&["--segment-size", "4MiB"]);
    let mut told: Vec<String> = Vec::new();
    let mut unanswered = 0;
    for round in 0..ROUNDS {
        let stepping = |mut client: Client| {
            let mut told = Vec::new();
            // Until the server is killed; then one step may have been made that nobody was told of.
            loop {
                client.send_in_vain(plain("GET", "/next"));
                let Next::Answer(answer) = client.next(false) else { return told };
                assert_eq!(answer.status, 200);
                told.push(answer.text().trim_end().to_owned());
                if told.len() == 5 {
                    return told;
                }
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
        let threads: Vec<_> =
            clients.into_iter().map(|client| std::thread::spawn(move || stepping(client))).collect();
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_millis(3 * round as u64));
            server = server.kill_and_restart(&["--apps", "pixel,pex"]);
            unanswered += CLIENTS;
        }
        for thread in threads {
            told.extend(thread.join().expect("a client"));
        }
    }
    let state: serde_json::Value = serde_json::from_str(&state(&mut server.connect())).expect("JSON");
    let position = state["position"].as_u64().expect("a number") as usize;
    assert_eq!(state["hits"], position);
    assert!((told.len()..=told.len() + unanswered).contains(&position), "{} told of {position}", told.len());
    // F(1) and F(2) are both 1: told at most twice, every other number at most once.
    let mut left = numbers(position);
    for number in told {
        let at = left.iter().position(|other| *other == number).unwrap_or_else(|| panic!("{number} twice"));
        left.swap_remove(at);
    }
    assert!(left.len() <= unanswered);
}

#[test]
fn many_who_ask_for_one_long_number_get_it_and_pixels_go_on_meanwhile() {
    let server = serving_pex(&["--pex-max-position", "1000000", "--job-threads", "1"]);
    let mut clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(plain("GET", "/fib/1000000"));
    }
    // Some lose interest, the one who makes it perhaps among them.
    clients.drain(..8);
    let mut writer = server.connect();
    for value in 0..20 {
        assert_eq!(writer.send(post_pixel(1, 2, 'R', value)).answer().status, 200);
    }
    let bodies: Vec<_> = clients.iter_mut().map(|client| client.answer().body).collect();
    assert_eq!(bodies[0].len(), 208_989);
    assert!(bodies[0].starts_with(b"19532821287077577316") && bodies[0].ends_with(b"68996526838242546875\n"));
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(get(&mut writer, "/pixels/count").text(), r#"{"total":20}"#);
}
