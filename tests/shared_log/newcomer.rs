//! A host that joins when neither the log nor a journal has the oldest records any more.

use crate::cluster::{Cluster, assert_same, await_equal, await_even, await_log, await_published, metric};
use crate::process::client::{pixel, request};
use crate::process::pair::await_that;

/// Leaves the last message of a host's stream alone in the log.
fn shrink_to_one(cluster: &Cluster, at: usize) {
    let name = cluster.stream(at);
    let purged = cluster.nats.ask(&format!("$JS.API.STREAM.PURGE.{name}"), "{\"keep\":1}");
    assert_eq!(purged["success"], true, "{purged}");
}

#[test]
fn a_newcomer_gets_a_snapshot_through_the_log_where_that_is_only_a_window() {
    let Some(cluster) = Cluster::found(2) else { return };
    // A host that is alone on a log keeps its journal for others up to this: no segment at all.
    let first = cluster.start(0, &["--durability-timeout", "20s", "--peer-retention", "64KiB"]);
    await_log(&first);
    let body = format!("{}\n", pixel(1, 2, 'R', 3)).repeat(250_000);
    let mut client = first.connect();
    for _ in 0..3 {
        let answer = client.send(request("POST", "/pixels", "application/x-ndjson", &body)).answer();
        assert!((200..300).contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(first.ask("DELETE", "/pixels", "").0, 200);
    let segment = cluster.hosts[0].data_dir.join("0000000001.seg");
    await_that("the first segment is removed", || segment.exists(), |is_there| !is_there);
    await_published(&first);
    shrink_to_one(&cluster, 0);
    for x in 0..50 {
        assert_eq!(first.ask("POST", "/pixel", &pixel(x, 1, 'G', 4)).0, 200);
    }
    let second = cluster.start(1, &[]);
    await_log(&second);
    assert_eq!(second.ask("POST", "/pixel", &pixel(7, 7, 'B', 5)).0, 200);
    let servers = [first, second];
    await_equal(&servers, 51);
    await_even(&servers);
    assert_eq!(metric(&servers[1], "pixeld_log_stuck_streams"), 0.0);
    drop(servers);
    assert_same(&cluster.hosts[0].data_dir, &cluster.hosts[1].data_dir);
}
