//! Bounds for who asks: rates, connections, proxies in front, names and sites, and the address for operators.

use crate::process;
use crate::skip::skip;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use process::client::{Answer, Client, Next, post_pixel};
use process::pair::await_that;
use process::{PATIENCE, Server, free_address, pixeld};
use socket2::{Domain, Socket, Type};

/// Every address that a server says it listens on, in the order of its configuration.
fn addresses(server: &Server) -> Vec<SocketAddr> {
    let stderr = server.stderr();
    let line = stderr.lines().find(|line| line.contains("listens on")).expect("a line");
    let named = line.split("http://").skip(1);
    named.map(|text| text.trim_end_matches([',', ' ']).parse().expect("an address")).collect()
}

/// Connects from an address of this machine's own network.
fn from(source: &str, there: SocketAddr) -> Client {
    Client::over(from_address(source, there))
}

/// Connects from such an address, for bytes that are no requests.
pub fn from_address(source: &str, there: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let source: SocketAddr = format!("{source}:0").parse().expect("an address");
    socket.bind(&source.into()).expect("an address of this machine");
    socket.connect(&there.into()).expect("a connection");
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn ask(client: &mut Client, request: impl AsRef<[u8]>) -> Answer {
    client.send(request).answer()
}

/// The statuses of `count` requests that are the same.
fn statuses(client: &mut Client, request: &str, count: usize) -> Vec<u16> {
    (0..count).map(|_| ask(client, request).status).collect()
}

#[test]
fn an_address_may_ask_as_often_as_it_is_set_and_others_are_not_hindered() {
    let server = Server::fresh(&["--rate", "1/h:3"]);
    let mut client = from("127.0.0.2", server.address);
    assert_eq!(statuses(&mut client, &get("/pixels/count", ""), 2), [200, 200]);
    // The express lane counts as well: the third request is taken, those behind it are not.
    let posts: Vec<u16> = (0..3).map(|_| ask(&mut client, post_pixel(1, 2, 'R', 3)).status).collect();
    assert_eq!(posts, [200, 429, 429]);
    let refused = ask(&mut client, get("/pixels/count", ""));
    assert_eq!((refused.status, refused.closes()), (429, false));
    let wait: u64 = refused.field("retry-after").expect("a field").parse().expect("a number");
    assert!((3_590..=3_600).contains(&wait), "{wait}");
    assert_eq!(refused.field("ratelimit-policy"), Some("\"address\";q=3;w=10800"));
    assert_eq!(refused.field("ratelimit"), Some(&*format!("\"address\";r=0;t={wait}")));
    assert!(
        refused.text().starts_with("{\"detail\":\"Too many requests of this address"),
        "{}",
        refused.text()
    );
    let mut again = from("127.0.0.2", server.address);
    assert_eq!(
        ask(&mut again, get("/pixels/count", "")).status,
        429,
        "another connection is no other address"
    );
    let mut other = from("127.0.0.3", server.address);
    let total = ask(&mut other, get("/pixels/count", ""));
    assert_eq!((total.status, total.text()), (200, "{\"total\":1}"));
    // Nobody is believed who was not named.
    assert_eq!(ask(&mut client, get("/pixels/count", "X-Forwarded-For: 192.0.2.9\r\n")).status, 429);
}

#[test]
fn a_token_may_be_used_as_often_as_its_line_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("tokens");
    let new = |name: &str, rate: &[&str]| {
        let made =
            pixeld(&[&["token", "new", "--name", name, "--scope", "read,write"], rate].concat()).output();
        let text = String::from_utf8(made.expect("it runs").stdout).expect("a text");
        let (secret, line) = text.split_once('\n').expect("two lines");
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, before + line).expect("written");
        secret.to_owned()
    };
    let (slow, fast) = (new("slow", &["--rate", "1/h:2"]), new("fast", &[]));
    let server = Server::fresh(&["--tokens", file.to_str().expect("a path")]);
    let with = |secret: &str| {
        let text = String::from_utf8(post_pixel(1, 2, 'R', 3)).expect("a text");
        text.replacen("\r\n", &format!("\r\nAuthorization: Bearer {secret}\r\n"), 1)
    };
    let mut client = server.connect();
    assert_eq!(statuses(&mut client, &with(&slow), 4), [200, 200, 429, 429]);
    let refused = ask(&mut client, with(&slow));
    assert_eq!(refused.field("ratelimit-policy"), Some("\"token\";q=2;w=7200"));
    assert_eq!(statuses(&mut client, &with(&fast), 5), [200; 5]);
    assert_eq!(
        ask(&mut server.connect(), with(&slow)).status,
        429,
        "all connections and workers count together"
    );
}

#[test]
fn a_trusted_proxy_says_by_fields_whom_it_asks_for() {
    let server = Server::fresh(&["--rate", "1/h:2", "--trusted-proxies", "127.0.0.0/8"]);
    let mut proxy = server.connect();
    let count = |fields: &str| get("/pixels/count", fields);
    for fields in [
        "X-Forwarded-For: 192.0.2.1\r\n",
        "X-Forwarded-For: 198.51.100.1, 192.0.2.2, 127.0.0.9\r\n",
        "Forwarded: for=198.51.100.1, for=192.0.2.3;proto=http\r\n",
        "Forwarded: for=\"[2001:db8:1:2::7]:4711\"\r\n",
        // Nobody is named, or nobody but a proxy: it is bounded itself.
        "X-Forwarded-For: 198.51.100.1, unknown\r\n",
        "X-Forwarded-For: 127.0.0.8\r\n",
    ] {
        assert_eq!(statuses(&mut proxy, &count(fields), 3), [200, 200, 429], "{fields}");
    }
    for fields in ["Forwarded: for=_hidden\r\n", "X-Forwarded-For: fe80::1%eth0\r\n", "X-Forwarded-For: \r\n"]
    {
        assert_eq!(ask(&mut proxy, count(fields)).status, 429, "the same allowance: {fields}");
    }
    let same_network = count("Forwarded: for=\"[2001:db8:1:2::8]\"\r\n");
    assert_eq!(ask(&mut proxy, same_network).status, 429, "64 bits of IPv6 are one client");
    assert_eq!(statuses(&mut proxy, &count(""), 5), [200; 5], "the proxy looks whether the server is there");
}

#[test]
fn a_trusted_proxy_announces_connections_and_nobody_else_may() {
    let server = Server::fresh(&[
        "--listen",
        "http://127.0.0.2:0?proxy",
        "--rate",
        "1/h:2",
        "--trusted-proxies",
        "127.0.0.1,127.0.0.4",
    ]);
    let there = addresses(&server)[1];
    let version_1 = b"PROXY TCP4 192.0.2.7 127.0.0.2 56324 80\r\n".to_vec();
    let version_2 = |last: u8| {
        let addresses = [192, 0, 2, last, 127, 0, 0, 2, 0, 80, 0, 81];
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses].concat()
    };
    let request = get("/pixels/count", "");
    for header in [version_1.clone(), version_2(8)] {
        // In one piece with the request, in two, and byte for byte.
        let mut client = from("127.0.0.4", there);
        assert_eq!(ask(&mut client, [&header[..], request.as_bytes()].concat()).status, 200);
        let mut client = from("127.0.0.4", there);
        for byte in &header {
            client.send([*byte]);
        }
        assert_eq!(statuses(&mut client, &request, 2), [200, 429], "one client by two connections");
    }
    // A check of the proxy's own, and one of an address that is not said: nobody is counted.
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = from("127.0.0.4", there);
        assert_eq!(ask(&mut client, [header, request.as_bytes()].concat()).status, 200);
        assert_eq!(statuses(&mut client, &request, 4), [200; 4]);
    }
    let ends = |mut client: Client, bytes: &[u8]| {
        client.send_in_vain(bytes);
        !matches!(client.next(false), Next::Answer(_))
    };
    assert!(ends(from("127.0.0.4", there), request.as_bytes()), "the header is required");
    assert!(ends(from("127.0.0.4", there), b"PROXY TCP4 host 127.0.0.2 1 2\r\n"), "a malformed one");
    assert!(
        ends(from("127.0.0.5", there), &[&version_2(9)[..], request.as_bytes()].concat()),
        "of a stranger"
    );
    // Where it is not announced it is no request.
    assert_eq!(ask(&mut server.connect(), [&version_1[..], request.as_bytes()].concat()).status, 400);
    let metrics = server.ask("GET", "/metrics", "").1;
    assert!(metrics.contains("pixeld_http_rejected_total{reason=\"proxy\"} 3"), "{metrics}");
}

#[test]
fn a_listener_with_proxies_needs_to_know_whom_it_may_believe() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let ended = pixeld(&["serve", "--listen", "127.0.0.1:0?proxy", "--data-dir"]).arg(&data).output();
    let ended = ended.expect("it runs");
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!((ended.status.code(), data.exists()), (Some(2), false), "{stderr}");
    assert!(stderr.contains("trusted_proxies"), "{stderr}");
}

#[test]
fn an_address_has_so_many_connections_and_gets_another_for_each_that_ends() {
    let server = Server::fresh(&["--limit", "connections_per_address=2"]);
    let request = get("/livez", "");
    let mut open: Vec<Client> = (0..2).map(|_| from("127.0.0.2", server.address)).collect();
    for client in &mut open {
        assert_eq!(ask(client, &request).status, 200);
    }
    let refused = ask(&mut from("127.0.0.2", server.address), &request);
    assert!(refused.status == 503 && refused.closes() && refused.field("retry-after") == Some("1"));
    assert!(refused.text().contains("too many connections from this address"), "{}", refused.text());
    assert_eq!(ask(&mut from("127.0.0.3", server.address), &request).status, 200);
    drop(open.pop());
    let status = || ask(&mut from("127.0.0.2", server.address), &request).status;
    await_that("a place", status, |status| *status == 200);
}

#[test]
fn a_server_answers_to_its_names_only() {
    let server = Server::fresh(&["--allow-host", "example.org,localhost"]);
    let status = |host: &str| {
        let request = format!("GET /pixels/count HTTP/1.1\r\nHost: {host}\r\n\r\n");
        ask(&mut server.connect(), request).status
    };
    for (host, expected) in [
        ("example.org", 200),
        ("EXAMPLE.org:8000", 200),
        ("localhost:1", 200),
        ("evil.example", 421),
        ("example.org.evil.example", 421),
        ("127.0.0.1", 421),
        ("", 421),
    ] {
        assert_eq!(status(host), expected, "{host}");
    }
    // An absolute form says whom it means, whatever Host says.
    let absolute = |target: &str, version: &str, fields: &str| {
        ask(&mut server.connect(), format!("GET {target} HTTP/{version}\r\n{fields}\r\n")).status
    };
    assert_eq!(absolute("http://evil.example/livez", "1.1", "Host: localhost\r\n"), 421);
    assert_eq!(absolute("http://localhost:8/livez", "1.1", "Host: evil.example\r\n"), 200);
    assert_eq!(absolute("http://localhost/livez", "1.0", ""), 200);
    let nowhere = ask(&mut server.connect(), "GET /nowhere HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(nowhere.status, 421);
}

#[test]
fn pages_of_other_sites_may_look_at_nothing_and_change_nothing() {
    let server = Server::fresh(&[]);
    let post = |fields: &str| {
        let text = String::from_utf8(post_pixel(1, 2, 'R', 3)).expect("a text");
        let request = text.replacen("\r\n", &format!("\r\n{fields}"), 1);
        let mut client = server.connect();
        // The express lane remembers what was let in, and nothing else.
        statuses(&mut client, &request, 2)
    };
    let host = String::from_utf8(post_pixel(1, 2, 'R', 3)).expect("a text");
    let host = host.lines().find_map(|line| line.strip_prefix("Host: ")).expect("a field").to_owned();
    for (fields, status) in [
        ("Origin: http://evil.example\r\n".to_owned(), 403),
        ("Origin: null\r\n".to_owned(), 403),
        ("Sec-Fetch-Site: cross-site\r\n".to_owned(), 403),
        (format!("Origin: http://{host}\r\n"), 200),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: https://elsewhere\r\n".to_owned(), 200),
        ("Sec-Fetch-Site: none\r\n".to_owned(), 200),
    ] {
        assert_eq!(post(&fields), [status; 2], "{fields}");
    }
    let of = |path: &str, fields: &str| ask(&mut server.connect(), get(path, fields));
    assert_eq!(of("/next", "Sec-Fetch-Site: cross-site\r\n").status, 403, "a GET that makes a step");
    assert_eq!(of("/next", "").status, 200);
    let read = of("/pixels/count", "Origin: http://evil.example\r\n");
    assert_eq!(
        (read.status, read.field("access-control-allow-origin")),
        (200, None),
        "a browser shows it to nobody"
    );
    // The shop is for pages of all sites.
    let toy =
        of("/api/products?title=a&content=b", "Sec-Fetch-Site: cross-site\r\nOrigin: http://b.example\r\n");
    assert_eq!(toy.field("access-control-allow-origin"), Some("*"));
    assert_ne!(toy.status, 403);
    // So are the errors that the server makes in its name.
    let refused = of("/api/products?product=car", "Origin: http://b.example\r\nDurability: most\r\n");
    assert_eq!((refused.status, refused.field("access-control-allow-origin")), (400, Some("*")));
    let named = Server::fresh(&["--allow-origin", "http://b.example"]);
    let fields = "Origin: http://b.example\r\nDurability: most\r\n";
    let refused = ask(&mut named.connect(), get("/api/products?product=car", fields));
    let all = refused.head.to_lowercase().matches("access-control-allow-origin").count();
    assert_eq!((refused.status, all), (400, 1), "{}", refused.head);
}

/// A cache gives what it has kept to everybody, unless it is told that pages of other origins get other fields.
#[test]
fn what_caches_keep_varies_by_origin_where_some_are_named() {
    let server = Server::fresh(&["--allow-origin", "https://a.example"]);
    let of = |path: &str, fields: &str| ask(&mut server.connect(), get(path, fields));
    for path in ["/fib/5", "/", "/openapi.json"] {
        for (fields, shown) in [
            ("", None),
            ("Origin: https://b.example\r\n", None),
            ("Origin: https://a.example\r\n", Some("https://a.example")),
        ] {
            let answer = of(path, fields);
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.field("access-control-allow-origin"), shown, "{path} {fields}");
            let varies = answer.head.lines().any(|line| line.eq_ignore_ascii_case("vary: origin"));
            assert!(varies, "{path} {fields}: {}", answer.head);
        }
        assert!(!ask(&mut Server::fresh(&[]).connect(), get(path, "")).head.contains("Origin"));
    }
    let exposed = of("/canvas.png?w=4&h=4", "Origin: https://a.example\r\n");
    let exposed = exposed.field("access-control-expose-headers").expect("a field").to_owned();
    for name in ["Pixeld-Cursor", "Pixeld-Bounds", "Location", "ETag", "Durability"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[test]
fn pages_of_named_origins_may_ask_and_see() {
    let server = Server::fresh(&["--allow-origin", "https://a.example,http://b.example:8080"]);
    let of = |fields: &str| ask(&mut server.connect(), get("/pixels/count", fields));
    let shown = of("Origin: https://a.example\r\n");
    assert_eq!(shown.field("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(shown.field("vary"), Some("Origin"));
    for fields in ["", "Origin: https://c.example\r\n", "Origin: http://b.example\r\n"] {
        assert_eq!(of(fields).field("access-control-allow-origin"), None, "{fields}");
    }
    let question = "OPTIONS /pixel HTTP/1.1\r\nHost: a\r\nOrigin: http://b.example:8080\r\n\
        Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n\r\n";
    let answer = ask(&mut server.connect(), question);
    assert_eq!(
        (answer.status, answer.field("access-control-allow-origin")),
        (204, Some("http://b.example:8080"))
    );
    assert_eq!(answer.field("access-control-allow-methods"), Some("OPTIONS, POST"));
    assert!(
        answer.field("access-control-allow-headers").is_some_and(|fields| fields.contains("Authorization"))
    );
    // Each answer says so, also on the express lane; a list that is streamed does, too.
    let text = String::from_utf8(post_pixel(1, 2, 'R', 3)).expect("a text");
    let request = text.replacen("\r\n", "\r\nOrigin: https://a.example\r\n", 1);
    let mut client = server.connect();
    for _ in 0..3 {
        let answer = ask(&mut client, &request);
        assert_eq!(
            (answer.status, answer.field("access-control-allow-origin")),
            (200, Some("https://a.example"))
        );
    }
    let list = ask(&mut client, get("/pixels", "Origin: https://a.example\r\n"));
    assert_eq!(list.field("access-control-allow-origin"), Some("https://a.example"));
    let all = Server::fresh(&["--allow-origin", "*"]);
    let shown = ask(&mut all.connect(), get("/pixels/count", "Origin: https://c.example\r\n"));
    assert_eq!(shown.field("access-control-allow-origin"), Some("*"));
}

#[test]
fn a_page_of_a_named_origin_sees_that_it_asks_too_often() {
    let origin = "https://a.example";
    let server = Server::fresh(&["--allow-origin", origin, "--rate", "1/h:1"]);
    let mut client = server.connect();
    let question = format!(
        "OPTIONS /pixel HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\r\n"
    );
    let requests = [get("/pixels/count", &format!("Origin: {origin}\r\n")), question];
    for (request, status) in [(&requests[0], 200), (&requests[0], 429), (&requests[1], 429)] {
        let answer = ask(&mut client, request);
        assert_eq!((answer.status, answer.field("access-control-allow-origin")), (status, Some(origin)));
    }
    let other = ask(&mut client, get("/pixels/count", "Origin: https://b.example\r\n"));
    assert_eq!((other.status, other.field("access-control-allow-origin")), (429, None));
}

#[test]
fn each_field_of_the_answer_to_a_browsers_question_stands_there_once() {
    let server = Server::fresh(&["--allow-origin", "https://a.example"]);
    let names = ["origin", "methods", "headers"].map(|name| format!("access-control-allow-{name}"));
    for (origin, may_have_token) in [("https://a.example", true), ("https://b.example", false)] {
        let question = format!("OPTIONS /api/products HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\r\n");
        let answer = ask(&mut server.connect(), question);
        let head = answer.head.to_lowercase();
        for name in names.iter().map(String::as_str).chain(["access-control-max-age"]) {
            assert_eq!(head.matches(&format!("\n{name}:")).count(), 1, "{name}: {head}");
        }
        assert_eq!(head.contains("authorization"), may_have_token, "{head}");
    }
}

#[test]
fn operators_have_an_address_of_their_own() {
    let server = Server::fresh(&["--admin-listen", "127.0.0.2:0"]);
    let (public, admin) = (addresses(&server)[0], addresses(&server)[1]);
    let of = |there: SocketAddr, method: &str, path: &str| {
        ask(&mut Client::connect(there), format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
    };
    assert_eq!((of(public, "GET", "/metrics").status, of(admin, "GET", "/metrics").status), (404, 200));
    assert_eq!(of(public, "GET", "/health").text(), "{\"status\":\"healthy\"}");
    assert!(of(admin, "GET", "/health").text().contains("store_size"));
    let refused = of(public, "DELETE", "/pixels");
    assert_eq!(refused.status, 405);
    assert!(refused.field("allow").is_some_and(|allow| !allow.contains("DELETE")), "{}", refused.head);
    assert_eq!(of(admin, "DELETE", "/pixels").status, 200);
    for there in [public, admin] {
        assert_eq!(
            (of(there, "GET", "/pixels/count").status, of(there, "GET", "/readyz").status),
            (200, 200)
        );
    }
}

/// A proxy in front; ended when dropped.
pub struct Front(Child);

impl Drop for Front {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::TERM,
        );
        let _ = self.0.wait();
    }
}

/// Starts a program with a configuration that listens on `address`; nothing where it is not installed.
pub fn front(program: &str, arguments: &[&str], address: SocketAddr) -> Option<Front> {
    let Ok(child) = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    else {
        skip(format!("{program} is not installed here"));
        return None;
    };
    let front = Front(child);
    await_that("the proxy", || TcpStream::connect(address).is_ok(), |is_there| *is_there);
    Some(front)
}

pub fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).expect("written");
    path.to_str().expect("a path").to_owned()
}

/// Two clients behind one proxy have an allowance each.
fn assert_told_apart(front: SocketAddr) {
    let status = |source: &str| {
        let mut client = from(source, front);
        ask(&mut client, "GET /pixels/count HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status
    };
    assert_eq!([status("127.0.0.2"), status("127.0.0.2"), status("127.0.0.2")], [200, 200, 429]);
    assert_eq!([status("127.0.0.3"), status("127.0.0.3"), status("127.0.0.3")], [200, 200, 429]);
}

const LIMITED: [&str; 4] = ["--rate", "1/h:2", "--trusted-proxies", "127.0.0.1"];

#[test]
fn nginx_in_front_says_whom_it_asks_for() {
    let server = Server::fresh(&LIMITED);
    let (directory, address) = (tempfile::tempdir().expect("a directory"), free_address());
    let text = format!(
        "worker_processes 1;\npid nginx.pid;\nerror_log stderr warn;\nevents {{}}\nhttp {{\naccess_log off;\nserver {{\nlisten {address};\n\
         location / {{\nproxy_pass http://{};\nproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n}}\n}}\n}}\n",
        server.address
    );
    let file = written(directory.path(), "nginx.conf", &text);
    let place = directory.path().to_str().expect("a path");
    let arguments = ["-p", place, "-c", &file, "-g", "daemon off;"];
    let Some(_front) = front("nginx", &arguments, address) else { return };
    assert_told_apart(address);
    // nginx passes this field on as its client sent it.
    for chosen in ["192.0.2.99", "127.0.0.1"] {
        let request = get("/pixels/count", &format!("Forwarded: for={chosen}\r\n"));
        assert_eq!(ask(&mut from("127.0.0.2", address), request).status, 429, "nobody chooses his address");
    }
}

#[test]
fn haproxy_in_front_announces_or_says_whom_it_asks_for() {
    for (how, is_announced) in [("send-proxy", true), ("send-proxy-v2", true), ("", false)] {
        let listen: &[&str] = if is_announced { &["--listen", "http://127.0.0.2:0?proxy"] } else { &[] };
        let server = Server::fresh(&[&LIMITED, listen].concat());
        let there = *addresses(&server).last().expect("an address");
        let (directory, address) = (tempfile::tempdir().expect("a directory"), free_address());
        let mode = if is_announced { "mode tcp" } else { "mode http\n option forwardfor" };
        let text = format!(
            "defaults\n {mode}\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
             listen front\n bind {address}\n source 127.0.0.1\n server a {there} {how}\n"
        );
        let file = written(directory.path(), "haproxy.cfg", &text);
        let Some(_front) = front("haproxy", &["-f", &file], address) else { return };
        assert_told_apart(address);
    }
}

/// A reload changes what is asked of whom, without a restart.
#[test]
fn a_reload_takes_rates_and_names_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = written(directory.path(), "pixeld.toml", "");
    let server = Server::fresh(&["--config", &file]);
    let mut client = server.connect();
    assert_eq!(statuses(&mut client, &get("/pixels/count", ""), 5), [200; 5]);
    fs::write(&file, "rate = \"1/h:2\"\nallow_host = [\"a\"]\n").expect("written");
    server.signal(rustix::process::Signal::HUP);
    server.wait_for("configuration read again");
    let status = || ask(&mut server.connect(), get("/pixels/count", "").replace("Host: a", "Host: b")).status;
    await_that("the names", status, |status| matches!(status, 421 | 429));
    fs::write(&file, "rate = \"1 each day\"\n").expect("written");
    server.signal(rustix::process::Signal::HUP);
    server.wait_for("configuration refused; nothing has changed");
    let mut raw = TcpStream::connect(server.address).expect("a connection");
    raw.write_all(get("/pixels/count", "Connection: close\r\n").as_bytes()).expect("sent");
    let mut text = String::new();
    raw.read_to_string(&mut text).expect("read");
    assert!(text.starts_with("HTTP/1.1 200") || text.starts_with("HTTP/1.1 429"), "{text}");
}
