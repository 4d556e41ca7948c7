//! Two hosts of which one runs an older program: they exchange everything, and are upgraded one after the other.
//! `scripts/skew REVISION` builds the older program and runs this.

use crate::{board, process};

use std::process::Command;

use crate::skip::skip;
use board::post;
use process::Server;
use process::client::{post_pixel, request};
use process::pair::{Pair, await_connected, await_ready, await_that, count, peer_of};
use process::pixeld;
use rustix::process::Signal;

/// Names the older program.
const OLDER: &str = "PIXELD_TESTS_OLDER";

/// Writes of each application by this host; `round` tells them from those before.
fn write(server: &Server, round: u32) {
    let mut client = server.connect();
    assert_eq!(client.send(post_pixel(7, 7, 'R', 7)).answer().status, 200);
    assert_eq!(server.ask("POST", "/next", "").0, 200);
    assert_eq!(post(&mut client, &format!("message {round}"), "picture.png", &board::png(1)).status, 200);
    let toy = format!("{{\"name\":\"toy {round}\"}}");
    assert_eq!(client.send(request("POST", "/api/products", "application/json", toy)).answer().status, 201);
    let picture = request("POST", "/images?encoding=binary", "image/png", board::png(2));
    assert_eq!(client.send(picture).answer().status, 202);
}

fn even(one: &Server, other: &Server, pixels: u64) {
    for server in [one, other] {
        await_connected(server);
        await_ready(server);
        await_that("all that the other one has", || count(server), |count| *count == pixels);
        await_that("no lag", || peer_of(server), |peer| peer["lag_records"] == 0);
    }
}

fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert!(server.wait().success(), "{}", server.stderr());
}

#[test]
fn an_older_host_and_a_newer_one_exchange_everything_until_both_are_upgraded() {
    let Some(older) = std::env::var_os(OLDER) else {
        return skip("PIXELD_TESTS_OLDER names no older program; scripts/skew builds one");
    };
    let pair = Pair::found();
    let (a, b) = (pair.a.start_by(Command::new(older), &pair.b, &[]), pair.b.start(&pair.a, &[]));
    even(&a, &b, 0);
    write(&a, 1);
    write(&b, 2);
    even(&a, &b, 2);

    // The newer program takes over what the older one has kept and taken over.
    stop(a);
    write(&b, 3);
    let a = pair.a.start_by(pixeld(&[]), &pair.b, &[]);
    even(&a, &b, 3);
    write(&a, 4);
    even(&a, &b, 4);
    stop(a);
    stop(b);
    assert_eq!(pair.a.hashes(), pair.b.hashes());
}
