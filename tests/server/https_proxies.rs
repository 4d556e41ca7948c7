//! HTTPS behind proxies that pass connections on: the PROXY header comes before the first byte of TLS.

use std::io::{Read, Write};
use std::net::SocketAddr;

use rustls::StreamOwned;
use rustls::version::TLS13;

use crate::guards::{from_address, front, written};
use crate::process::client::plain;
use crate::process::{Server, free_address};
use crate::secured::{Authority, Encrypted, ask, is_cut};

/// An allowance of two for each client, and a listener that wants to be told who that is.
fn start(authority: &Authority) -> (Server, SocketAddr) {
    authority.issue(2099);
    let there = SocketAddr::from(([127, 0, 0, 2], free_address().port()));
    let mut flags = authority.flags(&format!("https://{there}?proxy"));
    flags.extend(["--rate", "1/h:2", "--trusted-proxies", "127.0.0.1,127.0.0.4"].map(str::to_owned));
    (Server::fresh(&flags.iter().map(String::as_str).collect::<Vec<_>>()), there)
}

fn statuses(stream: &mut Encrypted) -> [bool; 3] {
    [200, 200, 429].map(|status| {
        let (head, _) = ask(stream, plain("GET", "/pixels/count"));
        head.starts_with(&format!("HTTP/1.1 {status} "))
    })
}

#[test]
fn a_header_comes_before_tls_and_whoever_sends_none_is_cut_off() {
    let authority = Authority::new();
    let (server, there) = start(&authority);
    // In one piece with the first bytes of TLS, and byte by byte.
    for (last, piece) in [(7, usize::MAX), (8, 1)] {
        let header = format!("PROXY TCP4 192.0.2.{last} 127.0.0.2 56324 443\r\n");
        let mut client = authority.client(&[&TLS13]);
        let mut bytes = header.into_bytes();
        client.write_tls(&mut bytes).expect("a first message");
        let mut stream = from_address("127.0.0.4", there);
        stream.set_nodelay(true).expect("a socket");
        bytes.chunks(piece).for_each(|part| stream.write_all(part).expect("sent"));
        assert_eq!(statuses(&mut StreamOwned::new(client, stream)), [true; 3], "192.0.2.{last}");
    }
    let mut hello = Vec::new();
    authority.client(&[&TLS13]).write_tls(&mut hello).expect("a first message");
    for (source, header) in [("127.0.0.4", ""), ("127.0.0.5", "PROXY TCP4 192.0.2.9 127.0.0.2 1 443\r\n")] {
        let mut stream = from_address(source, there);
        // Its end may come before all of it is sent.
        let _ = stream.write_all(&[header.as_bytes(), &hello].concat());
        assert!(is_cut(&mut stream), "{source}");
    }
    let metrics = server.ask("GET", "/metrics", "").1;
    assert!(metrics.contains("pixeld_http_rejected_total{reason=\"proxy\"} 2"), "{metrics}");
    assert!(metrics.contains("pixeld_tls_handshakes_total{result=\"full\"} 2\n"), "{metrics}");
}

#[test]
fn haproxy_passes_tls_on_and_announces_its_clients() {
    let authority = Authority::new();
    for how in ["send-proxy", "send-proxy-v2"] {
        let (_server, there) = start(&authority);
        let (directory, address) = (tempfile::tempdir().expect("a directory"), free_address());
        let text = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
             listen front\n bind {address}\n source 127.0.0.1\n server a {there} {how}\n"
        );
        let file = written(directory.path(), "haproxy.cfg", &text);
        let Some(_front) = front("haproxy", &["-f", &file], address) else { return };
        for source in ["127.0.0.2", "127.0.0.3"] {
            let stream = from_address(source, address);
            let mut stream = StreamOwned::new(authority.client(&[&TLS13]), stream);
            assert_eq!(statuses(&mut stream), [true; 3], "{how} from {source}");
            let mut rest = Vec::new();
            stream.conn.send_close_notify();
            stream.flush().expect("sent");
            stream.read_to_end(&mut rest).expect("an end that TLS announces, through the proxy");
        }
    }
}
