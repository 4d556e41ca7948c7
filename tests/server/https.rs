//! HTTPS: requests of every form, strangers, certificates that are renewed or can't be used, and the way from HTTP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};

use crate::process::client::{Client, pixel, plain, post_pixel, post_pixels, request};
use crate::process::pair::await_that;
use crate::process::{PATIENCE, free_address, pixeld};
use crate::restart::{Last, pid, restart};
use crate::secured::{Authority, Secured, answer, ask, assert_announced_end, is_cut};
use crate::skip::skip;

#[test]
fn requests_are_served_as_without_tls() {
    let authority = Authority::new();
    let secured = Secured::start(&authority, &["--durability", "memory"]);
    for versions in [[&TLS12], [&TLS13]] {
        let mut stream = authority.connect(secured.https, &versions);
        for value in 0..20 {
            let (head, body) = ask(&mut stream, post_pixel(1, 2, 'R', value));
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert_eq!(body, br#"{"status":"ok"}"#);
        }
        // One record with many requests, then many records with one.
        let each = post_pixel(3, 4, 'G', 5);
        stream.write_all(&each.repeat(50)).expect("sent");
        let mut all = Vec::new();
        while all.windows(15).filter(|text| *text == br#"{"status":"ok"}"#).count() < 50 {
            let mut piece = [0; 9_000];
            let count = stream.read(&mut piece).expect("answers");
            assert!(count > 0, "an end");
            all.extend_from_slice(&piece[..count]);
        }
        for byte in post_pixel(5, 6, 'B', 7) {
            stream.write_all(&[byte]).expect("sent");
            stream.flush().expect("sent");
        }
        assert!(answer(&mut stream).0.starts_with("HTTP/1.1 200 "));
        let (head, _) = ask(&mut stream, post_pixels(100_000));
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let (_, listed) = ask(&mut stream, plain("GET", "/pixels"));
        assert!(listed.len() > 3_000_000, "{}", listed.len());
        let (head, page) = ask(&mut stream, plain("GET", "/"));
        assert!(head.contains("text/html") && page.len() > 5_000, "{head}");
        // A compressed page would tell its secrets by its length (BREACH).
        for (path, is_compressed) in [("/", false), ("/docs", false), ("/index.css", true)] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
            let (head, _) = ask(&mut stream, &request);
            assert_eq!(head.contains("Content-Encoding: gzip"), is_compressed, "{path}: {head}");
            let plain = secured.server.connect().send(&request).answer();
            assert_eq!(plain.field("content-encoding"), Some("gzip"), "{path}: {}", plain.head);
        }
    }
    let metrics = secured.server.ask("GET", "/metrics", "").1;
    assert!(metrics.contains("pixeld_tls_handshakes_total{result=\"full\"} 2\n"), "{metrics}");
    assert!(!metrics.contains("Strict-Transport-Security"));
}

#[test]
fn a_picture_is_sent_without_the_kernel_reading_its_file() {
    let authority = Authority::new();
    let secured = Secured::start(&authority, &[]);
    let picture = include_bytes!("../../docs/pictures/drawing.gif");
    let parts = [
        "--x\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nseen\r\n",
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.gif\"\r\n\r\n",
    ];
    let form = [parts.concat().as_bytes(), picture, b"\r\n--x--\r\n"].concat();
    let mut stream = authority.connect(secured.https, &[&TLS13]);
    let (head, body) = ask(&mut stream, request("POST", "/upload/", "multipart/form-data; boundary=x", form));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let path = format!("/media/{}", body["filename"].as_str().expect("a name"));
    let (head, by_tls) = ask(&mut stream, plain("GET", &path));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let by_kernel = secured.server.connect().send(plain("GET", &path)).answer().body;
    assert!(by_tls == by_kernel && by_tls.len() > 100_000, "{} {}", by_tls.len(), by_kernel.len());
}

#[test]
fn ends_are_announced_and_half_a_body_is_no_body() {
    let authority = Authority::new();
    let secured = Secured::start(&authority, &[]);
    let mut stream = authority.connect(secured.https, &[&TLS13]);
    let closing = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(ask(&mut stream, closing).0.contains("Connection: close"));
    assert_announced_end(&mut stream);
    // A client that has said its end is still answered.
    let mut stream = authority.connect(secured.https, &[&TLS13]);
    stream.write_all(&post_pixel(1, 1, 'R', 1)).expect("sent");
    stream.conn.send_close_notify();
    stream.flush().expect("sent");
    assert!(answer(&mut stream).0.starts_with("HTTP/1.1 200 "));
    assert_announced_end(&mut stream);
    // One that is cut off in the middle of a batch has sent nothing that counts as its end.
    let mut stream = authority.connect(secured.https, &[&TLS13]);
    let whole = post_pixel(7, 7, 'R', 7);
    stream.write_all(&whole[..whole.len() - 3]).expect("sent");
    stream.sock.shutdown(Shutdown::Write).expect("a socket");
    assert!(is_cut(&mut stream.sock));
    assert!(!secured.server.ask("GET", "/pixels", "").1.contains(&pixel(7, 7, 'R', 7)));
}

#[test]
fn whoever_speaks_the_other_protocol_is_told() {
    let authority = Authority::new();
    let secured = Secured::start(&authority, &[]);
    let mut client = Client::connect(secured.https);
    let told = client.send(plain("GET", "/livez")).answer();
    assert_eq!((told.status, told.closes()), (400, true));
    assert!(told.text().contains("plain HTTP request was sent to a port of HTTPS"), "{}", told.text());
    client.assert_end();
    let mut stranger = TcpStream::connect(secured.server.address).expect("a connection");
    stranger.write_all(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, b'\r', b'\n', b'\r', b'\n']).expect("sent");
    let mut told = String::new();
    stranger.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stranger.read_to_string(&mut told).expect("an answer");
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    // What is neither ends, and with it nobody else.
    let mut junk = TcpStream::connect(secured.https).expect("a connection");
    junk.write_all(&[0x16, 3, 1, 0, 4, 9, 9, 9, 9]).expect("sent");
    assert!(is_cut(&mut junk));
    assert!(
        ask(&mut authority.connect(secured.https, &[&TLS13]), plain("GET", "/livez")).0.contains(" 200 ")
    );
}

#[test]
fn those_that_never_finish_a_handshake_go_and_leave_room() {
    let authority = Authority::new();
    let bounds = ["--workers", "1", "--limit", "connections=20", "--limit", "first_byte_ms=2s"];
    let secured = Secured::start(&authority, &bounds);
    let mut known = authority.connect(secured.https, &[&TLS13]);
    assert!(ask(&mut known, plain("GET", "/livez")).0.contains(" 200 "));
    let silent = |_| {
        let mut stream = TcpStream::connect(secured.https).expect("a connection");
        stream.write_all(&[0x16, 3, 1, 2, 0, 1]).expect("sent");
        stream
    };
    let mut flood: Vec<TcpStream> = (0..18).map(silent).collect();
    let metric = "pixeld_http_rejected_total{reason=\"handshakes\"}";
    await_that(
        "those too many are turned away",
        || String::from_utf8(ask(&mut known, plain("GET", "/metrics")).1).expect("a text"),
        |metrics| metrics.lines().any(|line| line.strip_prefix(metric).is_some_and(|count| count != " 0")),
    );
    assert!(flood.iter_mut().all(is_cut), "the others are, when their time is up");
    assert!(ask(&mut known, plain("GET", "/livez")).0.contains(" 200 "));
    assert!(
        ask(&mut authority.connect(secured.https, &[&TLS13]), plain("GET", "/livez")).0.contains(" 200 ")
    );
}

/// Clients that post pixels over TLS: on one connection for as long as that is open, or on a new one for each.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(authority: &Arc<Authority>, secured: &Secured) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = secured.https;
        let client = |is_fresh: bool| {
            let (stop, answered, authority) = (stop.clone(), answered.clone(), authority.clone());
            thread::spawn(move || {
                let connect = || authority.connect(address, &[&TLS13]);
                let mut stream = connect();
                while !stop.load(Ordering::Relaxed) {
                    let (head, _) = ask(&mut stream, post_pixel(1, 2, 'R', 3));
                    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    if is_fresh || head.contains("Connection: close") {
                        stream = connect();
                    }
                }
            })
        };
        let clients = [false, false, true].map(client).into();
        Self { stop, answered, clients }
    }

    fn wait_for(&self, more: u64) {
        let (started, before) = (Instant::now(), self.answered.load(Ordering::Relaxed));
        while self.answered.load(Ordering::Relaxed) < before + more {
            assert!(started.elapsed() < PATIENCE, "no more answers");
            sleep(Duration::from_millis(2));
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().expect("no request failed"));
    }
}

#[test]
fn a_certificate_is_renewed_under_load_and_a_bad_one_leaves_the_old() {
    let authority = Arc::new(Authority::new());
    let secured = Secured::start(&authority, &[]);
    let load = Load::start(&authority, &secured);
    load.wait_for(20);
    let metric = |name: &str| {
        let metrics = secured.server.ask("GET", "/metrics", "").1;
        let line = metrics.lines().find(|line| line.starts_with(name)).expect(name).to_owned();
        line.rsplit_once(' ').expect("a value").1.parse::<i64>().expect("a number")
    };
    let before = metric("pixeld_tls_certificate_days_left{");
    // As certbot does, without a signal: the server finds out.
    authority.issue(2098);
    secured.server.wait_for("certificates read again");
    let after = metric("pixeld_tls_certificate_days_left{");
    assert!((360..=370).contains(&(before - after)), "{before} {after}");
    std::fs::write(authority.key(), "no key").expect("room");
    secured.server.signal(Signal::HUP);
    secured.server.wait_for("certificates refused");
    assert_eq!(metric("pixeld_tls_certificates_refused"), 1);
    let of_reload = || metric("pixeld_config_last_reload_successful");
    await_that("a reload that was refused in part", of_reload, |successful| *successful == 0);
    load.wait_for(20);
    authority.issue(2097);
    secured.server.signal(Signal::HUP);
    await_that(
        "the next one is taken",
        || metric("pixeld_tls_certificates_refused"),
        |refused| *refused == 0,
    );
    await_that("a reload that was taken", of_reload, |successful| *successful == 1);
    load.wait_for(20);
    load.end();
}

#[test]
fn a_hand_over_fails_no_request() {
    let (authority, directory) = (Arc::new(Authority::new()), tempfile::tempdir().expect("a directory"));
    let secured = Secured::start_in(&authority, directory.path(), &[]);
    let load = Load::start(&authority, &secured);
    let mut idle = authority.connect(secured.https, &[&TLS13]);
    assert!(ask(&mut idle, plain("GET", "/livez")).0.contains(" 200 "));
    for _ in 0..3 {
        load.wait_for(20);
        let _last = pid(secured.server.address);
        std::mem::forget(Last(restart(secured.server.address)));
    }
    load.wait_for(20);
    assert_announced_end(&mut idle);
    load.end();
    drop(Last(pid(secured.server.address)));
}

#[test]
fn what_can_not_be_used_refuses_the_start_and_says_what_to_do() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a directory");
    let data = folder.path().join("data");
    let refusal = |flags: &[String]| {
        let output =
            pixeld(&["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data).args(flags).output();
        let output = output.expect("the binary");
        assert!(!data.exists(), "a refused start changes nothing");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let flags = authority.flags("https://127.0.0.1:0");
    let (code, told) = refusal(&flags);
    assert!(code == Some(2) && told.contains("let this user read"), "{told}");
    authority.issue(2020);
    let (code, told) = refusal(&flags);
    assert!(code == Some(2) && told.contains("days ago; renew it"), "{told}");
    authority.issue(2099);
    let certificate = std::fs::read(authority.certificate()).expect("a file");
    authority.issue(2099);
    std::fs::write(authority.certificate(), certificate).expect("room");
    let (code, told) = refusal(&flags);
    assert!(code == Some(2) && told.contains("is not the key of the certificate"), "{told}");
    let (code, told) = refusal(&flags[..2]);
    assert!(code == Some(2) && told.contains("--tls-cert FILE --tls-key FILE"), "{told}");
    let (code, told) = refusal(&flags[2..]);
    assert!(code == Some(2) && told.contains("none without --listen https://ADDR"), "{told}");
    let (code, told) = refusal(&["--redirect".to_owned(), "127.0.0.1:0".to_owned()]);
    assert!(code == Some(2) && told.contains("tls.redirect"), "{told}");
}

#[test]
fn operators_may_have_https_where_everybody_else_has_none() {
    let authority = Authority::new();
    authority.issue(2099);
    let checked = |more: &[&str]| {
        let mut command = pixeld(&["serve", "--check-config", "--listen", "127.0.0.1:0", "--admin-listen"]);
        command.args(["https://127.0.0.1:0", "--tls-cert"]).arg(authority.certificate());
        let output = command.arg("--tls-key").arg(authority.key()).args(more).output().expect("the binary");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = checked(&[]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = checked(&["--redirect", "127.0.0.1:0"]);
    assert!(code == Some(2) && told.contains("where it leads to"), "{told}");
    // The kernel would give each some of the connections.
    let twice = [
        ["--listen", "127.0.0.1:4711", "--admin-listen", "127.0.0.1:4711"],
        ["--listen", "https://127.0.0.1:4711", "--redirect", "127.0.0.1:4711"],
        ["--listen", "https://127.0.0.1:4711", "--listen", "http://127.0.0.1:4711"],
    ];
    for flags in twice {
        let (code, told) = checked(&flags);
        assert!(code == Some(2) && told.contains("that no other listener has"), "{told}");
    }
}

#[test]
fn http_leads_to_https_and_answers_challenges() {
    let authority = Authority::new();
    let (gate, folder) = (free_address(), tempfile::tempdir().expect("a directory"));
    let challenges = folder.path().join(".well-known/acme-challenge");
    std::fs::create_dir_all(&challenges).expect("room");
    std::fs::write(challenges.join("a-Token_1"), "a-Token_1.thumb").expect("room");
    std::fs::write(folder.path().join("secret"), "x").expect("room");
    // Links within the directory lead on, those out of it lead nowhere.
    let outside = tempfile::tempdir().expect("a directory");
    std::fs::write(outside.path().join("secret"), "x").expect("room");
    std::os::unix::fs::symlink("a-Token_1", challenges.join("inside")).expect("a link");
    std::os::unix::fs::symlink(outside.path().join("secret"), challenges.join("outside")).expect("a link");
    let (at, directory) = (gate.to_string(), folder.path().to_str().expect("a text"));
    let flags = ["--redirect", &at, "--acme-dir", directory, "--hsts", "180d"];
    let secured = Secured::start(&authority, &flags);
    let port = secured.https.port();
    // A usual write, whose head its worker remembers.
    for _ in 0..8 {
        assert_eq!(secured.server.connect().send(post_pixel(1, 2, 'R', 3)).answer().status, 200);
    }
    let mut client = Client::connect(gate);
    for (request, status, path) in [
        (plain("GET", "/pixels?limit=1&x=%20"), 301, "/pixels?limit=1&x=%20"),
        (plain("DELETE", "/pixels"), 308, "/pixels"),
        (post_pixel(1, 2, 'R', 9), 308, "/pixel"),
        (plain("GET", "//evil.test/"), 301, "//evil.test/"),
    ] {
        let told = client.send(request).answer();
        assert_eq!((told.status, told.closes()), (status, false), "{}", told.head);
        assert_eq!(told.field("location"), Some(&*format!("https://x:{port}{path}")));
        assert_eq!(told.field("strict-transport-security"), None);
    }
    assert_eq!(client.send(plain("HEAD", "/")).head_answer().status, 301);
    let told = client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer();
    assert_eq!(told.status, 400, "{}", told.text());
    let told = client.send("GET http://y:80/p HTTP/1.1\r\nHost: x\r\n\r\n").answer();
    assert_eq!(told.field("location"), Some(&*format!("https://y:{port}/p")), "whom the target names");
    let answer = |client: &mut Client, name: &str| {
        let told = client.send(plain("GET", &format!("/.well-known/acme-challenge/{name}"))).answer();
        (told.status, told.text().to_owned())
    };
    assert_eq!(answer(&mut client, "a-Token_1"), (200, "a-Token_1.thumb".to_owned()));
    assert_eq!(answer(&mut client, "inside"), (200, "a-Token_1.thumb".to_owned()));
    for bad in ["outside", "other", "../../secret", "..%2f..%2fsecret", "", ".", "a-Token_1/"] {
        assert_eq!(answer(&mut client, bad).0, 404, "{bad}");
    }
    let mut stream = authority.connect(secured.https, &[&TLS13]);
    let (head, _) = ask(&mut stream, plain("GET", "/"));
    assert!(head.contains("Strict-Transport-Security: max-age=15552000\r\n"), "{head}");
    assert_eq!(
        secured.server.connect().send(plain("GET", "/")).answer().field("strict-transport-security"),
        None
    );
}

#[test]
fn who_is_led_to_https_is_bounded_as_elsewhere() {
    let authority = Authority::new();
    let (gate, folder) = (free_address(), tempfile::tempdir().expect("a directory"));
    let challenges = folder.path().join(".well-known/acme-challenge");
    std::fs::create_dir_all(&challenges).expect("room");
    std::fs::write(challenges.join("token"), "token.thumb").expect("room");
    let (at, directory) = (gate.to_string(), folder.path().to_str().expect("a text"));
    let flags = ["--redirect", &at, "--acme-dir", directory, "--allow-host", "x", "--rate", "1/h:5"];
    let _secured = Secured::start(&authority, &flags);
    let mut client = Client::connect(gate);
    let mut ask = |path: &str, host: &str| {
        let told = client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).answer();
        (told.status, told.closes())
    };
    assert_eq!(ask("/", "x"), (301, false));
    assert_eq!(ask("/", "evil.test"), (421, false));
    assert_eq!(ask("/.well-known/acme-challenge", "evil.test"), (421, false));
    assert_eq!(ask("/.well-known/acme-challenge/token", "y"), (200, false));
    assert_eq!(ask("/.well-known/acme-challenge/other", "y"), (404, false));
    for path in ["/", "/.well-known/acme-challenge/token"] {
        assert_eq!(ask(path, "x"), (429, false), "{path}");
    }
}

#[test]
fn curl_openssl_and_our_own_clients_come_through() {
    let authority = Authority::new();
    let secured = Secured::start(&authority, &[]);
    let (url, ca) =
        (format!("https://localhost:{}", secured.https.port()), authority.file.to_str().expect("a text"));
    let ask = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).env("SSL_CERT_FILE", ca).output().ok()?;
        Some((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    match ask(
        "curl",
        &[
            "-s",
            "--cacert",
            ca,
            "-d",
            "@/dev/null",
            "-w",
            "%{http_code} %{http_version}",
            &format!("{url}/livez"),
        ],
    ) {
        Some((code, told)) => assert!(code == Some(0) && told.ends_with("405 1.1"), "{told}"),
        None => skip("needs curl"),
    }
    let at = secured.https.to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let first = [
            "s_client",
            "-connect",
            &at,
            "-CAfile",
            ca,
            "-verify_return_error",
            "-alpn",
            "h2,http/1.1",
            version,
        ];
        match ask("openssl", &first) {
            Some((_, told)) => {
                assert!(
                    told.contains("ALPN protocol: http/1.1") && told.contains("Verify return code: 0"),
                    "{told}"
                );
            }
            None => skip("needs openssl"),
        }
    }
    let by_address = format!("https://{}", secured.https);
    for (arguments, code) in [
        (&["healthy", &url, "--cacert", ca][..], 0),
        (&["healthy", &by_address, "--insecure"], 0),
        (&["healthy", &url], 1),
    ] {
        let healthy = pixeld(arguments).output().expect("the binary");
        assert_eq!(healthy.status.code(), Some(code), "{}", String::from_utf8_lossy(&healthy.stderr));
    }
    let load = ["bench", &format!("{url}/livez"), "--cacert", ca, "-n", "200", "-c", "4", "--no-probe"];
    let load = pixeld(&load).output().expect("the binary");
    assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
}

/// Every command that asks a server asks one of HTTPS, too, and says what to do about a certificate that it does not trust.
#[test]
fn send_top_and_film_speak_https() {
    let authority = Authority::new();
    let secured = Secured::start(&authority, &["--apps", "pixel"]);
    let ca = authority.file.to_str().expect("a text");
    let url = format!("https://localhost:{}", secured.https.port());
    let place = tempfile::tempdir().expect("a directory");
    let at = |name: &str| place.path().join(name).to_str().expect("UTF-8").to_owned();
    let drawn = image::RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8, y as u8, 7]));
    drawn.save(at("a.png")).expect("written");
    let (picture, film) = (at("a.png"), at("a.gif"));
    for words in [
        &["send", &picture, &url][..],
        &["top", "--once", "--interval", "100ms", &url],
        &["film", &url, "-o", &film],
    ] {
        for (more, is_trusted) in [(&[][..], false), (&["--cacert", ca], true), (&["--insecure"], true)] {
            let _ = std::fs::remove_file(&film);
            let done = pixeld(&[words, more].concat()).output().expect("the binary");
            let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.success(), is_trusted, "{words:?} {more:?}: {said}");
            assert!(is_trusted || said.contains("--cacert FILE"), "{words:?}: {said}");
        }
    }
}
