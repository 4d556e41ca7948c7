//! Pictures on their way in: killed at any moment nothing that was acknowledged is lost and nothing strange is left,
//! and what is under way costs little memory.

use crate::board;
use crate::process;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use board::{BOUNDARY, blob_files, content_type, large, post_bytes, post_form};
use process::Server;
use process::client::{Next, plain};

const APPS: [&str; 2] = ["--apps", "board"];

/// Posts until the server is gone; notes what was acknowledged.
fn post_until_the_end(server: &Server, first: u32, kept: &Mutex<BTreeMap<String, u32>>) {
    let mut client = server.connect();
    for seed in first.. {
        let content = large(seed, 3_000 + (seed as usize * 7919) % 400_000);
        client.send_in_vain(post_bytes(post_form("x", &format!("{seed}.png"), &content)));
        match client.next(false) {
            Next::Answer(answer) if answer.status == 200 => {
                let filename = answer.json()["filename"].as_str().expect("a name").to_owned();
                kept.lock().expect("a lock").insert(filename, seed);
            }
            Next::Answer(answer) => panic!("{}", answer.head),
            _ => return,
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let mut server = Server::fresh(&APPS);
    let kept = Mutex::new(BTreeMap::new());
    for round in 0..4_u32 {
        thread::scope(|scope| {
            for client in 0..3_u32 {
                let (server, kept) = (&server, &kept);
                scope.spawn(move || post_until_the_end(server, (round * 3 + client) * 10_000 + 1, kept));
            }
            thread::sleep(Duration::from_millis(300 + u64::from(round) * 130));
            server.signal(rustix::process::Signal::KILL);
        });
        server = server.kill_and_restart(&APPS);
    }
    let kept = kept.into_inner().expect("a lock");
    assert!(kept.len() > 10, "{}", kept.len());
    let mut client = server.connect();
    for (filename, seed) in &kept {
        let answer = client.send(plain("GET", &format!("/media/{filename}"))).answer();
        let content = large(*seed, 3_000 + (*seed as usize * 7919) % 400_000);
        assert!(answer.status == 200 && answer.body == content, "{filename}: {}", answer.head);
    }
    // Every blob is one that a message names: those of acknowledged posts and of a few that were cut off behind their
    // commit. Nothing half-written is left.
    let mut named = 0;
    let mut path = "/messages?limit=100".to_owned();
    loop {
        let page = client.send(plain("GET", &path)).answer().json();
        named += page["messages"].as_array().expect("a list").len();
        let Some(next) = page["next"].as_u64() else { break };
        path = format!("/messages?limit=100&before={next}");
    }
    assert_eq!(blob_files(server.data_dir()).len(), named);
}

fn resident_bytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("the process is there");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
}

#[test]
fn uploads_under_way_cost_little_memory() {
    const UPLOADS: u64 = 24;
    const SENT: u64 = 8 << 20;
    let server = Server::fresh(&APPS);
    let content = large(7, SENT as usize + 100_000);
    let warm = server.connect().send(post_bytes(post_form("x", "a.png", &content))).answer();
    assert_eq!(warm.status, 200);
    let before = resident_bytes(server.pid());
    let body = post_form("x", "b.png", &content);
    let head = format!(
        "POST /upload/ HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        content_type(),
        body.len()
    );
    let mut clients: Vec<_> = (0..UPLOADS).map(|_| server.connect()).collect();
    let (most, rest) = body.split_at(SENT as usize);
    assert!(rest.windows(BOUNDARY.len()).any(|part| part == BOUNDARY.as_bytes()), "the end is still to come");
    for client in &mut clients {
        client.send(&head).send(most);
    }
    let during = resident_bytes(server.pid());
    for client in &mut clients {
        assert_eq!(client.send(rest).answer().status, 200);
    }
    // Two pieces each at most, of the one that is written and of the one that is read.
    let each = during.saturating_sub(before) / UPLOADS;
    println!("{each} bytes of memory for each of {UPLOADS} uploads of {SENT} bytes");
    assert!(each < 1 << 20, "{each} bytes each");
    assert_eq!(blob_files(server.data_dir()).len(), 1, "one content, one file");
}
