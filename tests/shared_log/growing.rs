//! A pair that is given a log, hosts that come and go, and one that is alone again.

use crate::cluster::{await_equal, await_log, await_published};
use crate::nats::Nats;
use crate::process::Server;
use crate::process::client::{pixel, request};
use crate::process::pair::{Host, Pair, await_ready, await_same, await_that, count};
use crate::told::seats;

fn post(server: &Server, x: i32, y: i32) {
    let body = pixel(x, y, 'R', 1);
    let answer = server.connect().send(request("POST", "/pixel", "application/json", body)).answer();
    assert_eq!(answer.status, 200);
}

#[test]
fn a_pair_goes_over_to_a_log_takes_more_hosts_and_becomes_one_host() {
    let Some(nats) = Nats::start() else { return };
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    for x in 0..20 {
        post(&a, x, 0);
        post(&b, x, 1);
    }
    await_same(&a, &b, 40);
    // Each takes its seat along. One that has none yet asks the log for one, which the other one has to be there for.
    await_that("two members", || [&a, &b].map(seats), |[a, b]| a.len() == 2 && a == b);
    drop((a, b));

    let log = nats.servers();
    let start = |host: &Host| {
        let server = host.start_alone(&["--log", &log]);
        await_ready(&server);
        await_log(&server);
        server
    };
    let mut servers = vec![start(&pair.a), start(&pair.b)];
    for (x, server) in servers.iter().enumerate() {
        post(server, x as i32, 2);
    }
    await_equal(&servers, 42);
    let joining = ["c", "d"].map(|name| Host::found(pair.directory.path(), name, Some(&pair.cluster)).0);
    servers.extend(joining.iter().map(start));
    await_equal(&servers, 42);
    for (x, server) in servers.iter().enumerate() {
        post(server, x as i32, 3);
    }
    await_equal(&servers, 46);
    servers.iter().for_each(await_published);
    drop(servers);

    let alone = pair.b.start_alone(&[]);
    post(&alone, 9, 9);
    assert_eq!(count(&alone), 47);
}
