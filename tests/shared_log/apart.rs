//! Servers of the log that are cut off from each other, or gone for long, while hosts work on.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use crate::cluster::{Cluster, await_equal, await_log, await_published, log_of, metric};
use crate::nats::Nats;
use crate::process::client::{pixel, request};
use crate::process::pair::{await_that, count};
use crate::process::{Server, pixeld};

/// Which server a host is connected to.
fn server_of(cluster: &Cluster, host: &Server) -> usize {
    let log = log_of(host);
    let servers = cluster.nats.servers();
    servers.split(',').position(|url| log["server"] == url).expect("one of them")
}

/// Posts a pixel at `cluster`; gives the status and the level that was reached.
fn post(server: &Server, x: i32, y: i32) -> (u16, String) {
    let usual = request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1));
    let text = String::from_utf8(usual).expect("a text");
    let answer = server.connect().send(text.replacen("\r\n", "\r\nDurability: cluster\r\n", 1)).answer();
    (answer.status, answer.field("durability").unwrap_or_default().to_owned())
}

/// The server that a host is connected to leads its stream, and nothing comes from it to the others any more. The host is not told.
#[test]
fn a_host_leaves_a_server_that_is_cut_off_from_the_others() {
    let Some(nats) = Nats::start_with_cables() else { return };
    let cluster = Cluster::beside(nats, 2);
    let servers = cluster.start_all(&[]);
    assert_eq!(post(&servers[0], 0, 0), (200, "cluster".to_owned()));
    let (at, stream) = (server_of(&cluster, &servers[0]), cluster.stream(0));
    let node = cluster.node(0);
    let mut asked = None::<Instant>;
    await_that(
        "the stream is led by the server that its host is connected to",
        || {
            let leader = cluster.nats.leader_of(&node);
            // An election takes a while.
            if leader != at && asked.is_none_or(|asked| asked.elapsed().as_secs() >= 2) {
                cluster.nats.tell(&format!("$JS.API.STREAM.LEADER.STEPDOWN.{stream}"), "");
                asked = Some(Instant::now());
            }
            leader
        },
        |leader| *leader == at,
    );
    let mut stored = 1 + u64::from(post(&servers[0], 1, 0).0 == 200);
    cluster.nats.cut_off(at);
    let begun = Instant::now();
    // 504 says that it is stored here.
    await_that(
        "an answer at cluster",
        || {
            stored += 1;
            post(&servers[0], stored as i32, 1)
        },
        |told| match told.0 {
            200 => true,
            504 => false,
            other => panic!("{other}"),
        },
    );
    println!("a server cut off, its client answers at cluster again after {:?}", begun.elapsed());
    cluster.nats.reconnect(at);
    servers.iter().for_each(await_published);
    await_equal(&servers, stored);
}

/// Bytes of memory that a process has.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

/// Ticks of CPU that the thread `log` of a process has used.
fn ticks(server: &Server) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("a process");
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let log = stats.filter_map(|stat| stat.split_once("(log) ").map(|(_, rest)| rest.to_owned()));
    // utime and stime are fields 14 and 15 of the whole line.
    log.map(|rest| {
        rest.split(' ').skip(11).take(2).map(|text| text.parse::<u64>().expect("a number")).sum::<u64>()
    })
    .sum()
}

/// `LOG_AWAY_SECONDS=60` keeps it away for as long; 10 s without.
#[test]
fn a_log_that_is_away_at_full_load_costs_no_memory_and_is_caught_up_with() {
    let seconds = std::env::var("LOG_AWAY_SECONDS").map_or(10, |text| text.parse().expect("a number"));
    let Some(mut cluster) = Cluster::found(2) else { return };
    let servers = cluster.start_all(&[]);
    let url = format!("http://{}", servers[0].address);
    let load = |seconds: u64| {
        let duration = format!("{seconds}s");
        let mut command =
            pixeld(&["bench", &url, "-t", "1", "-c", "64", "-p", "16", "-d", &duration, "--json", "-"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts")
    };
    // What memory is taken for once is taken.
    assert!(load(2).wait().expect("a child").success());
    servers.iter().for_each(await_published);
    await_that("the same", || (count(&servers[0]), count(&servers[1])), |(a, b)| a == b);
    (0..3).for_each(|at| cluster.nats.kill(at));
    let (before, ticks_before) = (memory(&servers[0]), ticks(&servers[0]));
    let output = load(seconds).wait_with_output().expect("a child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["errors"], 0, "{report}");
    let grown = memory(&servers[0]).saturating_sub(before);
    let (ticks, waits) = (ticks(&servers[0]) - ticks_before, log_of(&servers[0])["lag_bytes"].clone());
    println!(
        "away for {seconds} s at {}/s: memory +{} MiB, {waits} bytes wait, the log's thread used {ticks} ticks",
        report["rate"],
        grown >> 20
    );
    // 64 MiB, and the session's window; what is listed takes some too.
    assert!(grown <= (64 + 8) << 20, "{grown} bytes more");
    assert!(ticks <= 10 * seconds, "{ticks} ticks of CPU in {seconds} s: it spins");
    (0..3).for_each(|at| cluster.nats.run(at));
    servers.iter().for_each(await_log);
    let back = Instant::now();
    servers.iter().for_each(await_published);
    println!("caught up with in {:?}", back.elapsed());
    await_that("the same", || (count(&servers[0]), count(&servers[1])), |(a, b)| a == b);
    // What is known of the log is shown now and then.
    let unacked = || metric(&servers[0], "pixeld_log_unacked_bytes");
    await_that("nothing under way", unacked, |bytes| *bytes == 0.0);
    assert!(metric(&servers[0], "pixeld_log_ack_seconds_count") > 0.0);
}
