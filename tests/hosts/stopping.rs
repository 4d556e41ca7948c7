//! Two hosts that are stopped at the same time part with the same records.

use crate::process;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{sleep, spawn};
use std::time::Duration;

use process::Server;
use process::client::post_pixel;
use process::pair::{Pair, await_connected, await_ready, await_same};
use rustix::process::Signal;

/// How long everything is on its way between the hosts.
const LATENCY: Duration = Duration::from_millis(50);

/// A long way to `target`; gives where it begins.
fn long_way_to(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    spawn(move || {
        for near in listener.incoming() {
            let near = near.expect("a connection");
            // Nobody listens there yet, or any more.
            let Ok(far) = TcpStream::connect(target) else { continue };
            let [near_too, far_too] = [&near, &far].map(|stream| stream.try_clone().expect("a socket"));
            spawn(move || carry(near, far));
            spawn(move || carry(far_too, near_too));
        }
    });
    address
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        sleep(LATENCY);
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn two_hosts_that_stop_at_once_wait_for_each_others_last_records() {
    for durability in ["disk", "memory"] {
        let pair = Pair::found();
        let listen = [&pair.a, &pair.b].map(|host| host.peer_listen.to_string());
        let way = long_way_to(pair.b.peer_listen).to_string();
        let usual = ["--insecure-peer", "--durability", durability];
        let b = [&["--peer-listen", &listen[1]], &usual[..]].concat();
        let a = [&["--peer-listen", &listen[0], "--peer", &way], &usual[..]].concat();
        let b = Server::start(pair.b.address, &pair.b.data_dir, &b);
        let a = Server::start(pair.a.address, &pair.a.data_dir, &a);
        await_connected(&a);
        await_ready(&b);
        for server in [&a, &b] {
            assert_eq!(server.connect().send(post_pixel(1, 1, 'R', 1)).answer().status, 200);
        }
        await_same(&a, &b, 2);
        for server in [&a, &b] {
            assert_eq!(server.connect().send(post_pixel(2, 2, 'R', 2)).answer().status, 200);
        }
        // What was answered last is on its way.
        [&a, &b].into_iter().for_each(|server| server.signal(Signal::TERM));
        for mut server in [a, b] {
            assert!(server.wait().success(), "{}", server.stderr());
        }
        assert_eq!(pair.a.hashes(), pair.b.hashes(), "at {durability}");
    }
}
