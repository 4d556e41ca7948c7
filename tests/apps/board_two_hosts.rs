//! The board's page where requests go to two hosts in turn: all is shown, and the hosts are not asked without end.

use crate::board;
use crate::browser;
use crate::process;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use board::{png, post};
use browser::Browser;
use process::Server;
use process::client::plain;
use process::pair::{Pair, await_connected};
use serde_json::Value;

/// Passes one request on to `host`, and its answer back; the connections end with it.
fn pass_on(client: &TcpStream, host: SocketAddr) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        if !line.to_ascii_lowercase().starts_with("connection:") {
            head.push_str(&line);
        }
        line.clear();
    }
    if head.is_empty() {
        return Ok(());
    }
    let mut server = TcpStream::connect(host)?;
    server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    io::copy(&mut server, &mut &*client)?;
    client.shutdown(Shutdown::Both)
}

/// Starts a balancer that sends each request to the other host than the one before, as the worst one would.
fn balancer(hosts: [SocketAddr; 2]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for (client, host) in listener.incoming().map_while(Result::ok).zip(hosts.into_iter().cycle()) {
            // A browser that goes away in between is no trouble.
            thread::spawn(move || drop(pass_on(&client, host)));
        }
    });
    address
}

fn say(host: &Server, text: &str) {
    assert_eq!(post(&mut host.connect(), text, "a.png", &png(1)).status, 200);
}

#[test]
fn hosts_that_answer_in_turn_show_everything_and_are_asked_now_and_then() {
    let Some(visitor) = Browser::start() else { return };
    let pair = Pair::found();
    let (a, b) = pair.start(&["--apps", "board,pixel"]);
    await_connected(&a);
    visitor.go_to(&format!("http://{}/board", balancer([a.address, b.address])));
    visitor.wait_for("return document.getElementById('messages').getAttribute('aria-busy') === 'false'");
    let shown = |texts: &[&str]| {
        visitor.wait_for(&format!(
            "const shown = [...document.querySelectorAll('#messages .message')].map((one) => one.textContent); \
             return shown.sort().join() === {:?}",
            texts.join(",")
        ));
    };
    say(&a, "at a");
    shown(&["at a"]);
    say(&b, "at b");
    shown(&["at a", "at b"]);
    let newest = b.connect().send(plain("GET", "/readMessages")).answer().json()[0].clone();
    assert_eq!(
        b.connect().send(plain("DELETE", &format!("/messages/{}", newest["id"]))).answer().status,
        204
    );
    shown(&[if newest["message"] == "at a" { "at b" } else { "at a" }]);
    // While nothing happens, lists are far between: a timer is late at worst, never early.
    let lists = "return performance.getEntriesByType('resource').filter((one) => one.name.includes('/messages?')) \
                 .map((one) => one.startTime)";
    let before = visitor.evaluate(lists).as_array().map_or(0, Vec::len);
    let more = visitor.wait_for(&format!(
        "const lists = (() => {{ {lists} }})(); return lists.length >= {} && lists",
        before + 4
    ));
    let starts: Vec<f64> = more.as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
    let last = &starts[before..];
    assert!(last.windows(3).all(|three| three[2] - three[0] > 1_900.0), "{last:?}");
}
