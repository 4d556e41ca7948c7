//! How `pixeld bench` reaches its target: servers that take few connections, names with several addresses, hosts that are
//! out of ports, and whether it is the server that it started which is measured.

use crate::measured::command::{Null, bench, free_port, read};
use crate::measured::{OK, Reply, serve};
use crate::skip::skip;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const CLOSING: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A listener whose queue holds a few connections only, as those of small servers do.
fn short_queue() -> TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(5).unwrap();
    socket.into()
}

/// Reads one request's head and body away; false at the end of the input.
fn takes_request(stream: &mut TcpStream, input: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, body)) = crate::measured::whole_request(input) {
            input.drain(..head + body);
            return true;
        }
        match stream.read(&mut buffer) {
            Ok(bytes @ 1..) => input.extend_from_slice(&buffer[..bytes]),
            _ => return false,
        }
    }
}

/// A server of one thread: `serve_one` has a connection to itself until it returns.
fn one_by_one(serve_one: impl Fn(TcpStream, u64) + Send + 'static) -> String {
    let listener = short_queue();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming().flatten()) {
            serve_one(stream, number);
        }
    });
    url
}

fn reported(arguments: &[&str]) -> (i32, String, Value) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let told = bench(&[arguments, &["--json", json.to_str().unwrap()]].concat());
    (told.code, told.out + &told.err, if json.exists() { read(&json) } else { Value::Null })
}

#[test]
fn a_server_of_one_thread_is_measured_with_the_usual_connections() {
    let url = one_by_one(|mut stream, _| {
        if takes_request(&mut stream, &mut Vec::new()) {
            let _ = stream.write_all(CLOSING);
        }
    });
    let (code, said, report) = reported(&[&url, "-d", "1s"]);
    assert_eq!(code, 0, "{said}");
    assert!(report["requests"].as_u64().unwrap() > 10, "{said}");
}

/// Listens at one port twice, and has the kernel choose: one listener is served, the queue of the other is full. The
/// connections that fill it are given back.
fn half_open() -> (String, Vec<TcpStream>) {
    let listen = |address: SocketAddr, queue| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(queue).unwrap();
        TcpListener::from(socket)
    };
    let served = listen("127.0.0.1:0".parse().unwrap(), 1024);
    let address = served.local_addr().unwrap();
    let full = listen(address, 5);
    thread::spawn(move || {
        let _full = full;
        for mut stream in served.incoming().flatten() {
            thread::spawn(move || {
                let mut input = Vec::new();
                while takes_request(&mut stream, &mut input) && stream.write_all(OK).is_ok() {}
            });
        }
    });
    let (mut waiting, mut dropped) = (Vec::new(), 0);
    while dropped < 3 {
        match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            Ok(stream) => waiting.push(stream),
            Err(_) => dropped += 1,
        }
    }
    (format!("http://{address}/"), waiting)
}

#[test]
fn connections_that_never_open_are_counted_and_take_nothing_from_the_others() {
    let (url, _waiting) = half_open();
    let (code, said, report) = reported(&[&url, "-d", "1s", "-t", "1", "--no-probe"]);
    assert_eq!(code, 0, "{said}");
    assert!(report["requests"].as_u64().unwrap() > 10, "{said}");
    // Half of 64, by a hash of their ports.
    assert!(report["errors_by_kind"]["connect"].as_u64().unwrap() > 10, "{said}");
    let reasons = report["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["reason"].as_str().unwrap().contains("not open")), "{said}");
}

#[test]
fn a_failure_does_not_slow_down_what_follows_it() {
    let rate_after = |resets: u64| {
        let served = Arc::new(AtomicU64::new(0));
        let address = serve(move |_, _| match served.fetch_add(1, Ordering::SeqCst) {
            number if number < resets => Reply::Reset,
            _ => Reply::Bytes(CLOSING.to_vec()),
        });
        let url = format!("http://{address}/");
        let (code, said, report) = reported(&[&url, "-n", "2000", "-c", "1", "--no-probe"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(report["errors_by_kind"]["reset"], resets, "{said}");
        // The pauses between the resets, a quarter of a second, are a part of it.
        let series = report["series"].as_array().unwrap();
        series.iter().map(|point| point["rate"].as_f64().unwrap()).fold(0.0, f64::max)
    };
    let (smooth, after_resets) = (rate_after(0), rate_after(6));
    // A connection that waits for 5 ms to 100 ms before each request would have some 10 to 100 a second.
    assert!(after_resets > smooth / 5.0, "{after_resets} after resets, {smooth} without");
}

/// Runs a script in network and mount namespaces of its own; false where this system does not let a test have them.
fn apart(script: &str) -> Option<std::process::Output> {
    let program = env!("CARGO_BIN_EXE_pixeld");
    let script = format!("ip link set lo up || exit 99\n{script}");
    let output = Command::new("unshare").args(["-nm", "sh", "-c", &script, program]).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(99) || said.starts_with("unshare:") {
        skip(format_args!("no namespaces can be had here: {said}"));
        return None;
    }
    Some(output)
}

#[test]
fn a_host_without_free_ports_is_the_bottleneck_itself_and_says_so() {
    let Some(output) = apart(
        r#"echo "50000 50039" > /proc/sys/net/ipv4/ip_local_port_range || exit 99
        "$0" bench null --listen 127.0.0.1:22000 >/dev/null & null=$!
        until "$0" bench http://127.0.0.1:22000 -n 1 -c 1 >/dev/null 2>&1; do sleep 0.1; done
        "$0" bench http://127.0.0.1:22000 -c 64 -t 1 -d 500ms; code=$?
        kill $null; exit $code"#,
    ) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("limit: CLIENT") && said.contains("all local ports are taken"), "{said}");
    assert!(!said.contains("may give more") && !said.contains("refused by"), "{said}");
}

#[test]
fn every_address_of_a_name_is_tried() {
    let Some(output) = apart(
        r#"hosts=$(mktemp); printf '::1 twofaced\n127.0.0.1 twofaced\n' > "$hosts"
        mount --bind "$hosts" /etc/hosts || exit 99
        "$0" bench null --listen 127.0.0.1:22000 >/dev/null & null=$!
        until "$0" bench http://127.0.0.1:22000 -n 1 -c 1 >/dev/null 2>&1; do sleep 0.1; done
        url=http://twofaced:22000
        "$0" bench $url -n 100 -c 4 >/dev/null && "$0" bench search $url --goal 'errors<1000' -d 100ms --precision 2 \
            -c 4 >/dev/null && "$0" bench compare $url http://127.0.0.1:22000 --rounds 2 -d 100ms -c 4 >/dev/null
        code=$?; umount /etc/hosts; rm "$hosts"; kill $null; exit $code"#,
    ) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 5)), "{:?}: {errors}", output.status);
    assert!(!errors.contains("refused"), "{errors}");
}

#[test]
fn the_reason_of_garbage_is_shown() {
    let address = serve(|_, _| Reply::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()));
    let url = format!("http://{address}/");
    let (code, said, report) = reported(&[&url, "-d", "300ms", "-c", "2"]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(report["limit"]["verdict"], "FAULT", "{said}");
    assert!(report["reasons"][0]["reason"].as_str().unwrap().contains("SSH-2.0-OpenSSH_9.2"), "{said}");
}

#[test]
fn the_target_is_asked_for_its_metrics_once_and_not_at_all_if_that_is_off() {
    for (flag, times) in [(&[][..], 1), (&["--no-probe"], 0)] {
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        let address = serve(move |body, _| {
            counter.fetch_add(u64::from(body.is_empty()), Ordering::SeqCst);
            Reply::Bytes(OK.to_vec())
        });
        let told = bench(&[&[&format!("http://{address}"), "-n", "10", "-c", "2"], flag].concat());
        assert_eq!((told.code, asked.load(Ordering::SeqCst)), (0, times), "{}", told.err);
        assert_eq!(told.out.matches("/metrics was asked").count() as u64, times, "{}", told.out);
    }
}

#[test]
fn nothing_is_started_where_another_server_answers() {
    let (null, folder) = (Null::start(&[]), tempfile::tempdir().unwrap());
    let data = folder.path().join("data");
    let address = null.url.trim_start_matches("http://");
    let start =
        format!("{} serve --listen {address} --data-dir {}", env!("CARGO_BIN_EXE_pixeld"), data.display());
    let told =
        bench(&[&null.url, "--start", &start, "--verify", "--chaos", "kill server@100ms", "-d", "300ms"]);
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.err.contains("answers at") && !data.exists(), "{}", told.err);

    let peer = format!(
        "about = \"a\"\nkeeps = \"no\"\nurl = \"{}/pixel\"\nstart = [\"touch\", \"{}\"]\n",
        null.url,
        data.display()
    );
    std::fs::write(folder.path().join("a.toml"), peer).unwrap();
    let peers = folder.path().to_str().unwrap();
    let told = bench(&["compare", "a", &null.url, "--peers", peers, "--run-dir", peers, "-d", "100ms"]);
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.err.contains("answers at") && !data.exists(), "{}", told.err);
}

#[test]
fn a_server_that_ends_by_itself_is_a_failure_although_another_answers() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("start");
    let port = free_port();
    let program = env!("CARGO_BIN_EXE_pixeld");
    // It leaves a successor behind, outside of its group.
    let text = format!(
        "timeout 0.7 {program} bench null --listen 127.0.0.1:{port}\nsetsid sh -c 'echo $$ > {0}/pid; exec timeout 20 {program} \
         bench null --listen 127.0.0.1:{port}' &\nexit 0\n",
        folder.path().display()
    );
    std::fs::write(&script, text).unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let told = bench(&[&url, "--start", &format!("sh {}", script.display()), "-d", "3s", "-c", "2"]);
    let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap_or_default();
    let _ = Command::new("kill").arg(pid.trim()).status();
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("failed") && told.out.contains("ended by itself"), "{}", told.out);
}

#[test]
fn chaos_comes_within_the_load_and_its_server_s_counters_are_not_mixed() {
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let start = format!("{} bench null --listen 127.0.0.1:{port}", env!("CARGO_BIN_EXE_pixeld"));
    let with = ["--start", &start, "-c", "2", "--chaos"];
    let told = bench(&[&[url.as_str()], &with[..], &["kill server@5s", "-d", "1s"]].concat());
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(told.err.contains("after the end of the load"), "{}", told.err);
    let (code, said, report) =
        reported(&[&[url.as_str()], &with[..], &["kill server@200ms", "-d", "1s"]].concat());
    assert_eq!(code, 0, "{said}");
    assert!(report["server"].is_null() && report["chaos"][0]["recovery_ns"].is_u64(), "{said}");
    let (code, said, report) =
        reported(&[&[url.as_str()], &with[..], &["kill server@9s", "-n", "10"]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(report["faults"][0].as_str().unwrap().contains("not done"), "{said}");
}

#[test]
fn another_server_in_the_place_of_one_that_is_started_again_is_not_taken_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (gone, there) = (folder.path().join("gone"), folder.path().join("there"));
    let (script, port) = (folder.path().join("start"), free_port());
    // Ends when it is told to, but not before the other one has its port.
    let text = format!(
        "{} bench null --listen 127.0.0.1:{port} &\ntrap 'kill $!; wait $!; touch {}; until [ -e {} ]; do sleep 0.01; done; exit' \
         TERM\nwait\n",
        env!("CARGO_BIN_EXE_pixeld"),
        gone.display(),
        there.display()
    );
    std::fs::write(&script, text).unwrap();
    thread::spawn(move || {
        while !gone.exists() {
            thread::yield_now();
        }
        let other = TcpListener::bind(("127.0.0.1", port)).unwrap();
        std::fs::write(there, "").unwrap();
        for mut stream in other.incoming().flatten() {
            thread::spawn(move || {
                let mut input = Vec::new();
                while takes_request(&mut stream, &mut input) && stream.write_all(OK).is_ok() {}
            });
        }
    });
    let url = format!("http://127.0.0.1:{port}/pixel");
    let start = format!("sh {}", script.display());
    let (code, said, report) = reported(&[
        &url,
        "--start",
        &start,
        "--chaos",
        "stop server@300ms",
        "-c",
        "2",
        "-d",
        "1s",
        "--no-probe",
    ]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another server does"), "{said}");
    assert!(
        report["faults"].as_array().unwrap().iter().any(|fault| fault.as_str().unwrap().contains("another"))
    );
}

/// A peer's file may say https where the command line only names it.
#[test]
fn options_of_tls_mean_something_where_a_named_peer_speaks_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, scheme) in [("open", "http"), ("encrypted", "https")] {
        let url = format!("{scheme}://127.0.0.1:{}/", free_port());
        let peer = format!("about = \"a\"\nkeeps = \"no\"\nurl = \"{url}\"\nstart = [\"false\"]\n");
        std::fs::write(folder.path().join(format!("{name}.toml")), peer).unwrap();
    }
    let peers = folder.path().to_str().unwrap();
    for (name, code, said) in
        [("open", 2, "--insecure does nothing without TLS"), ("encrypted", 1, "exit status: 1")]
    {
        let told = bench(&["compare", name, name, "--peers", peers, "--insecure", "-d", "100ms"]);
        assert_eq!(told.code, code, "{}{}", told.out, told.err);
        assert!(told.err.contains(said), "{}", told.err);
    }
}
