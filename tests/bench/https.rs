//! https: who is trusted, what is said to the server, and that TLS changes nothing of what is counted.

use crate::measured::command::{Told, bench, read};
use crate::measured::encrypted::Encrypted;
use crate::measured::{OK, Reply, serve};
use rustls::version::{TLS12, TLS13};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

fn measured(server: &Encrypted, more: &[&str]) -> Told {
    let url = format!("https://localhost:{}/x", server.address.port());
    bench(&[&[&url, "--no-probe", "--cacert", server.authority.to_str().unwrap()], more].concat())
}

fn requests(server: &Encrypted) -> usize {
    server.seen.lock().unwrap().iter().map(|seen| seen.requests.len()).sum()
}

#[test]
fn a_run_over_tls_counts_as_one_without() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    for versions in [[&TLS13], [&TLS12]] {
        for load in [&["-p", "1"][..], &["-p", "7"], &["-r", "20k", "-p", "3"]] {
            let server = Encrypted::start(folder.path(), &versions, OK.to_vec());
            let own = ["-n", "500", "-c", "3", "--json", json.to_str().unwrap()];
            let told = measured(&server, &[&own[..], load].concat());
            assert_eq!(told.code, 0, "{}{}", told.out, told.err);
            let report = read(&json);
            assert_eq!((&report["status"]["200"], &report["errors"]), (&500.into(), &0.into()), "{load:?}");
            assert_eq!((requests(&server), &report["connects"]), (500, &3.into()), "{load:?}");
            assert!(report["connect_ns"]["p50"].as_u64().unwrap() > 0 && told.out.contains("\nconnect "));
            for seen in server.seen.lock().unwrap().iter() {
                assert_eq!(seen.name.as_deref(), Some("localhost"));
                assert_eq!(seen.protocol.as_deref(), Some(&b"http/1.1"[..]));
            }
        }
    }
}

#[test]
fn answers_and_bodies_of_many_records_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    let size = 1_000_000;
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + size, b'a');
    let length = answer.len() as u64;
    let server = Encrypted::start(folder.path(), &[&TLS13], answer);
    let (json, body) = (folder.path().join("r.json"), "b".repeat(100_000));
    let file = folder.path().join("body");
    std::fs::write(&file, &body).unwrap();
    let body_argument = format!("@{}", file.display());
    let more = ["-n", "20", "-c", "2", "-p", "2", "-b", &body_argument, "--json", json.to_str().unwrap()];
    let told = measured(&server, &more);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    let report = read(&json);
    assert_eq!((&report["status"]["200"], &report["errors"]), (&20.into(), &0.into()), "{}", told.out);
    assert_eq!(report["bytes_in"], 20 * length, "bytes of HTTP, not of TLS");
    let seen = server.seen.lock().unwrap();
    assert!(seen.iter().flat_map(|seen| &seen.requests).all(|request| request.ends_with(&body)));
}

/// Answers everybody with a complaint in plain HTTP.
fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut hello = [0; 1024];
            let _ = stream.read(&mut hello);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address
}

/// (what the target is, further arguments, exit code, what is said).
#[test]
fn who_is_trusted_and_what_is_said_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let server = Encrypted::start(folder.path(), &[&TLS13, &TLS12], OK.to_vec());
    let stranger = Encrypted::start(other.path(), &[&TLS13], OK.to_vec());
    // One without TLS that waits for the end of a head, and one that says at once what is wrong.
    let (silent, plain) = (serve(|_, _| Reply::Bytes(OK.to_vec())), refusing());
    let port = server.address.port();
    let (authority, foreign) = (server.authority.to_str().unwrap(), stranger.authority.to_str().unwrap());
    let nothing = folder.path().join("nothing.pem");
    std::fs::write(&nothing, "no certificate").unwrap();
    let url = |host: &str| format!("https://{host}:{port}/");
    for (url, more, code, said) in [
        (url("localhost"), &["--insecure"][..], 0, ""),
        (url("127.0.0.1"), &["--cacert", authority], 0, ""),
        (url("127.0.0.1"), &["--insecure"], 0, ""),
        (url("localhost"), &["--cacert", foreign], 1, "--insecure"),
        (url("localhost"), &[], 1, "--cacert"),
        // The certificate is not for the name that the address has here.
        (format!("https://[::ffff:127.0.0.1]:{port}/"), &["--cacert", authority], 1, "not valid for name"),
        (url("localhost"), &["--cacert", nothing.to_str().unwrap()], 2, "no certificate"),
        (url("localhost"), &["--cacert", "/nowhere/x.pem"], 2, "/nowhere/x.pem"),
        (url("localhost"), &["--cacert", authority, "--insecure"], 2, "cannot be used with"),
        (format!("https://{plain}/"), &["--insecure"], 1, "http://"),
        (format!("https://{silent}/"), &["--insecure", "--timeout", "300ms", "-d", "1s"], 1, "http://"),
    ] {
        let told = bench(&[&[&url, "-n", "5", "-c", "1", "--no-probe"], more].concat());
        assert_eq!(told.code, code, "{url} {more:?}: {}{}", told.out, told.err);
        let all = told.out + &told.err;
        assert!(all.contains(said), "{url} {more:?}: {all}");
    }
}

#[test]
fn the_servers_figures_and_the_read_back_are_asked_over_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    let page = "process_cpu_seconds_total 1.5\n";
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    let server = Encrypted::start(folder.path(), &[&TLS13], answer.into_bytes());
    let url = format!("https://localhost:{}/x", server.address.port());
    let told = bench(&[&url, "--cacert", server.authority.to_str().unwrap(), "-n", "5", "-c", "1"]);
    assert!(told.out.contains("/metrics was asked and has figures"), "{}{}", told.out, told.err);
    let asked =
        |seen: &crate::measured::encrypted::Seen| seen.requests.iter().any(|r| r.contains("/metrics"));
    assert!(server.seen.lock().unwrap().iter().any(asked));
}

/// Connections are made again after N requests, whoever closes them, with and without TLS, pipelined and paced.
#[test]
fn a_connection_carries_as_many_requests_as_it_may() {
    let folder = tempfile::tempdir().unwrap();
    for (limit, load, per_connection, connections) in [
        (&["--no-keepalive"][..], &[][..], 1, 60),
        (&["--requests-per-connection", "4"], &[], 4, 15),
        (&["--requests-per-connection", "4"], &["-p", "3"], 4, 15),
        (&["--requests-per-connection", "4"], &["-r", "5k", "-p", "16"], 4, 15),
        (&["--no-keepalive"], &["-r", "5k"], 1, 60),
    ] {
        let server = Encrypted::start(folder.path(), &[&TLS13], OK.to_vec());
        let told = measured(&server, &[&["-n", "60", "-c", "1"], limit, load].concat());
        assert_eq!(told.code, 0, "{}{}", told.out, told.err);
        let seen = server.seen.lock().unwrap();
        let mut counts: Vec<usize> = seen.iter().map(|seen| seen.requests.len()).collect();
        counts.retain(|&requests| requests > 0);
        assert_eq!(counts, vec![per_connection; connections], "{limit:?} {load:?}");
        for requests in seen.iter().map(|seen| &seen.requests) {
            let closing = requests.iter().map(|request| request.contains("Connection: close\r\n"));
            let last = (1..=requests.len()).map(|number| number == per_connection);
            assert!(closing.eq(last), "{requests:?}");
        }
    }
}

#[test]
fn the_client_closes_where_the_server_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    // This one never closes, whatever it is asked.
    let address = serve(|_, _| Reply::Bytes(OK.to_vec()));
    for (limit, reconnects) in [("1", 12), ("5", 2), ("6", 2), ("13", 0)] {
        let own = ["-n", "12", "-c", "1", "--no-probe", "--json", json.to_str().unwrap()];
        let told =
            bench(&[&[&format!("http://{address}/"), "--requests-per-connection", limit], &own[..]].concat());
        let report = read(Path::new(&json));
        assert_eq!((told.code, &report["errors"]), (0, &0.into()), "{}{}", told.out, told.err);
        let seen = report["reconnects"].as_u64().unwrap();
        assert!(
            seen == reconnects || seen + 1 == reconnects,
            "{limit}: {seen}, the last one may come or not"
        );
    }
    let told = bench(&["http://127.0.0.1:1/", "--requests-per-connection", "0"]);
    assert_eq!(told.code, 2);
    let told = bench(&["compare", "http://127.0.0.1:1/", "--wrk", "--no-keepalive"]);
    assert!(told.code == 2 && told.err.contains("--no-keepalive"), "{}", told.err);
}

/// A server that says its end within TLS and waits for ours before it closes the socket, as openssl's does.
#[test]
fn an_end_within_tls_ends_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Encrypted::start_lingering(folder.path(), b"HTTP/1.0 200 OK\r\n\r\nabc".to_vec());
    let told = measured(&server, &["-n", "6", "-c", "2", "--goal", "status_200=6", "--goal", "errors=0"]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
}

/// Serves the first handshakes with a certificate that says it is an authority's, as `openssl req -x509` makes it.
fn own_authority(file: &Path) -> SocketAddr {
    let mut params = rcgen::CertificateParams::new(["localhost".to_string()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    std::fs::write(file, cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    let config = std::sync::Arc::new(config.with_single_cert(vec![cert.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
            let _ = rustls::StreamOwned::new(session, stream).read(&mut [0; 1024]);
        }
    });
    address
}

#[test]
fn a_certificate_of_an_authority_is_reported_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let url = format!("https://localhost:{}/", own_authority(&file).port());
    let told = bench(&[&url, "--no-probe", "-c", "1", "-d", "300ms", "--cacert", file.to_str().unwrap()]);
    assert!(told.code == 1 && told.err.contains("CA:FALSE"), "{}{}", told.out, told.err);
    assert!(!told.err.contains("--cacert FILE"), "it was given and can't help: {}", told.err);
}
