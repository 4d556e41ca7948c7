//! What the log or a host has lost comes from the others; what is no loss of a host's is refused by name.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::cluster::{Cluster, assert_same, await_equal, await_even, await_log, log_of, metric};
use crate::process::Server;
use crate::process::client::{pixel, request};
use crate::process::pair::await_that;

/// A stream as hosts make it, but that single messages can be removed from it.
fn make_stream(cluster: &Cluster, at: usize) {
    let (name, node) = (cluster.stream(at), cluster.node(at));
    let subject = format!("px.{}.{node}.*", cluster.id);
    let config = serde_json::json!({
        "name": name, "subjects": [subject], "retention": "limits", "discard": "old", "storage": "file",
        "num_replicas": 3, "max_msg_size": 1_310_720, "max_bytes": -1, "max_age": 0, "allow_direct": true,
    });
    let made = cluster.nats.ask(&format!("$JS.API.STREAM.CREATE.{name}"), &config.to_string());
    assert!(made["error"].is_null(), "{made}");
}

/// Removes the message in the middle of a host's stream.
fn lose_one(cluster: &Cluster, at: usize) {
    let name = cluster.stream(at);
    let info = cluster.nats.ask(&format!("$JS.API.STREAM.INFO.{name}"), "");
    let last = info["state"]["last_seq"].as_u64().expect("a number");
    assert!(last >= 10, "a message for each answer: {info}");
    let which = format!("{{\"seq\":{},\"no_erase\":true}}", last / 2);
    let removed = cluster.nats.ask(&format!("$JS.API.STREAM.MSG.DELETE.{name}"), &which);
    assert_eq!(removed["success"], true, "{removed}");
}

/// Posts pixels one after the other, each at `cluster`, so that each has a message of its own.
fn post_apart(server: &Server, count: i32, y: i32) {
    let mut client = server.connect();
    for x in 0..count {
        let usual = request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1));
        let text = String::from_utf8(usual).expect("a text");
        client.send(text.replacen("\r\n", "\r\nDurability: cluster\r\n", 1));
        assert_eq!(client.answer().status, 200);
    }
}

/// Two hosts write and one message is lost before a third one reads; `is_dead` says whether its maker is gone by then.
fn heal(is_dead: bool) {
    let Some(cluster) = Cluster::found(3) else { return };
    make_stream(&cluster, 0);
    let arguments = ["--durability-timeout", "20s"];
    let mut servers = vec![cluster.start(0, &arguments), cluster.start(1, &arguments)];
    servers.iter().for_each(await_log);
    post_apart(&servers[0], 20, 0);
    post_apart(&servers[1], 20, 1);
    await_equal(&servers, 40);
    lose_one(&cluster, 0);
    if is_dead {
        servers[0].kill();
        servers.remove(0);
    }
    servers.push(cluster.start(2, &arguments));
    await_equal(&servers, 40);
    let newcomer = servers.last().expect("a host");
    // They are told now and then.
    let told = || ["gaps_total", "asked_total"].map(|name| metric(newcomer, &format!("pixeld_log_{name}")));
    await_that("a gap, and a question", told, |told| told.iter().all(|count| *count >= 1.0));
    assert_eq!(metric(newcomer, "pixeld_log_stuck_streams"), 0.0);
}

#[test]
fn a_message_that_is_lost_in_the_middle_comes_from_its_maker() {
    heal(false);
}

#[test]
fn a_message_that_is_lost_in_the_middle_comes_from_another_host_when_its_maker_is_dead() {
    heal(true);
}

/// Overwrites the last two thirds of what is written in a host's newest segment with zeros.
fn lose_two_thirds(data_dir: &Path) {
    let files = fs::read_dir(data_dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let segments = files.filter(|path| path.extension().is_some_and(|end| end == "seg"));
    let used = |path: &Path| fs::read(path).expect("a segment").iter().rposition(|&byte| byte != 0);
    let (path, end) =
        segments.filter_map(|path| Some((path.clone(), used(&path)?))).max().expect("a segment");
    let from = end / 3;
    let segment = OpenOptions::new().write(true).open(path).expect("a segment");
    segment.write_all_at(&vec![0; end + 1 - from], from as u64).expect("written");
}

#[test]
fn what_a_journal_has_lost_comes_back_with_its_own_records() {
    let Some(cluster) = Cluster::found(3) else { return };
    let mut servers = cluster.start_all(&["--durability-timeout", "20s"]);
    for (y, server) in servers.iter().enumerate() {
        post_apart(server, 60, y as i32);
    }
    await_equal(&servers, 180);
    await_even(&servers);
    servers[0].kill();
    lose_two_thirds(&cluster.hosts[0].data_dir);
    servers[0] = cluster.start(0, &["--accept-loss"]);
    await_equal(&servers, 180);
    post_apart(&servers[0], 5, 7);
    await_equal(&servers, 185);
    await_even(&servers);
    drop(servers);
    let [a, b, c] = [0, 1, 2].map(|at| &cluster.hosts[at].data_dir);
    assert_same(a, b);
    assert_same(a, c);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry")) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

#[test]
fn a_process_on_a_copy_of_a_directory_is_refused_by_name() {
    let Some(cluster) = Cluster::found(2) else { return };
    let mut servers = cluster.start_all(&["--durability-timeout", "20s"]);
    post_apart(&servers[0], 10, 0);
    await_equal(&servers, 10);
    servers[0].kill();
    let (original, data_dir) = (&cluster.hosts[0].data_dir, cluster.hosts[0].data_dir.with_extension("copy"));
    copy(original, &data_dir);
    servers[0] = cluster.start(0, &[]);
    post_apart(&servers[0], 10, 1);
    let log = cluster.nats.servers();
    let other = Server::start(crate::process::ANY_PORT, &data_dir, &["--log", &log]);
    other.ask("POST", "/pixel", &pixel(9, 9, 'R', 1));
    let told = format!("two processes with the node id {} are running", cluster.node(0));
    let refused = |log: &serde_json::Value| log["why"].as_str().is_some_and(|why| why.contains(&told));
    await_that(&told, || log_of(&other), refused);
    drop(other);
    await_equal(&servers, 20);
}
