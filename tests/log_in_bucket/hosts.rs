//! Hosts that share everything by a bucket.

use crate::board::{large, png, post};
use crate::cluster::{Cluster, post_apart};
use crate::process::client::{pixel, plain};
use crate::process::pair::await_that;
use crate::told::{assert_same, await_equal, await_even, await_log, await_published, log_of, metric};

#[test]
fn three_hosts_have_what_each_of_them_takes() {
    let Some(cluster) = Cluster::found(3) else { return };
    let servers = cluster.start_all(&[]);
    for (y, server) in servers.iter().enumerate() {
        post_apart(server, 5, y as i32);
        assert_eq!(server.ask("POST", "/pixel", &pixel(99, y as i32, 'G', 2)).0, 200);
    }
    await_equal(&servers, 18);
    // A clear on one is a clear on all.
    assert_eq!(servers[1].ask("DELETE", "/pixels", "").0, 200);
    await_equal(&servers, 0);
    post_apart(&servers[2], 3, 7);
    await_equal(&servers, 3);
    servers.iter().for_each(await_published);
    for (at, server) in servers.iter().enumerate() {
        let log = log_of(server);
        assert_eq!(log["server"], "s3://pictures/a/b");
        let members = || log_of(server)["hosts"].as_array().expect("a list").clone();
        let fresh = |host: &serde_json::Value| host["heard_seconds"].as_f64().is_some_and(|age| age < 5.0);
        await_that("the others", members, |hosts| hosts.len() == 2 && hosts.iter().all(fresh));
        assert!(metric(server, "pixeld_log_ack_seconds_count") >= 1.0);
        assert_eq!(metric(server, "pixeld_log_regressions_total"), 0.0);
        assert!(!cluster.messages(at).is_empty());
    }
    drop(servers);
    let [a, b, c] = [0, 1, 2].map(|at| &cluster.hosts[at].data_dir);
    assert_same(a, b);
    assert_same(a, c);
}

#[test]
fn what_comes_at_once_shares_objects() {
    let Some(cluster) = Cluster::found(2) else { return };
    let servers = cluster.start_all(&[]);
    let body: String = (0..20_000).map(|x| format!("{}\n", pixel(x, 1, 'R', 3))).collect();
    let mut client = servers[0].connect();
    let posted = crate::process::client::request("POST", "/pixels", "application/x-ndjson", &body);
    assert_eq!(client.send(posted).answer().status, 200);
    std::thread::scope(|scope| {
        for y in 2..10 {
            scope.spawn({
                let server = &servers[0];
                move || post_apart(server, 10, y)
            });
        }
    });
    await_equal(&servers, 20_080);
    let objects = cluster.messages(0).len() as f64;
    assert!(objects < 80.0, "{objects} objects for 80 answers");
}

#[test]
fn a_picture_is_on_the_others_when_its_message_is() {
    const APPS: [&str; 2] = ["--apps", "board,pixel"];
    let Some(cluster) = Cluster::found(3) else { return };
    let servers = cluster.start_all(&APPS);
    // A small one in one piece, and one that goes up in parts.
    for (at, content) in [(0, png(1)), (1, large(2, 9_500_000))] {
        assert_eq!(post(&mut servers[at].connect(), &format!("m{at}"), "a.png", &content).status, 200);
        for server in &servers {
            let newest =
                || server.connect().send(plain("GET", "/messages")).answer().json()["messages"][0].clone();
            let message = await_that("the message", newest, |newest| newest["message"] == format!("m{at}"));
            let url = message["image_url"].as_str().expect("an address");
            let answer = server.connect().send(plain("GET", url)).answer();
            assert!(answer.status == 200 && answer.body == content, "{}", answer.head);
        }
    }
    for server in &servers {
        assert_eq!(metric(server, "pixeld_log_pictures_gone_total"), 0.0);
    }
    assert_eq!(cluster.bucket.objects().iter().filter(|name| name.contains("/pictures/")).count(), 2);
}

#[test]
fn a_newcomer_gets_everything_and_serves() {
    let Some(mut cluster) = Cluster::found(2) else { return };
    let mut servers = cluster.start_all(&[]);
    post_apart(&servers[0], 40, 0);
    post_apart(&servers[1], 10, 1);
    cluster.add();
    servers.push(cluster.start(2, &[]));
    servers.iter().for_each(await_log);
    await_equal(&servers, 50);
    post_apart(&servers[2], 5, 2);
    await_equal(&servers, 55);
    // A host whose disk is lost comes back from the others and the log.
    servers.remove(0).kill();
    cluster.make_anew(0);
    servers.insert(0, cluster.start(0, &[]));
    await_equal(&servers, 55);
    await_even(&servers);
    drop(servers);
    assert_same(&cluster.hosts[0].data_dir, &cluster.hosts[2].data_dir);
}
