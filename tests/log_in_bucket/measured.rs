//! How long things take, printed for whoever wants to know; nothing fails for it.

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, post_at};
use crate::process::client::plain;
use crate::told::await_published;

/// Writes of each kind.
const COUNT: usize = 100;

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("{what}: p50 {:.1?}, p99 {:.1?}, most {:.1?}", at(50), at(99), at(100));
}

#[test]
fn how_long_an_answer_at_cluster_takes_and_until_another_host_shows_it() {
    let Some(cluster) = Cluster::found(3) else { return };
    let servers = cluster.start_all(&[]);
    servers.iter().for_each(await_published);
    let (mut writer, mut reader) = (servers[0].connect(), servers[1].connect());
    let mut total = || reader.send(plain("GET", "/pixels/count")).answer().json()["total"].as_u64();
    for (what, level, pause) in [
        ("one after the other", "disk", Duration::ZERO),
        ("a write every 3 s", "disk", Duration::from_secs(3)),
    ] {
        let count = if pause.is_zero() { COUNT } else { COUNT / 10 };
        let y = i32::from(pause.is_zero());
        let mut times = Vec::new();
        for x in 0..count {
            std::thread::sleep(pause);
            let due = total().map(|total| total + 1);
            assert_eq!(post_at(&mut writer, level, x as i32, y).status, 200);
            let begun = Instant::now();
            while total() < due {
                std::thread::sleep(Duration::from_millis(1));
            }
            times.push(begun.elapsed());
        }
        show(&format!("commit to visible on another host, {what}"), times);
    }
    let mut times = Vec::new();
    for x in 0..COUNT {
        let begun = Instant::now();
        assert_eq!(post_at(&mut writer, "cluster", x as i32, 9).status, 200);
        times.push(begun.elapsed());
    }
    show("an answer at cluster, one after the other", times);
}
