//! Who may do what: every route with no token, a wrong one, and one of each scope; files of tokens, reloads, and what never
//! shows a token.

use crate::process;
use crate::secured::Authority;
use crate::skip::skip;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use process::client::{Answer, post_pixel};
use process::{Server, pixeld};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use serde_json::Value;

/// Every operation with the scope that it needs. A route that is not here fails the test: whoever adds one decides.
const SCOPES: &str = include_str!("../data/scopes.txt");
const NAMES: [&str; 4] = ["read", "write", "delete", "admin"];

/// A file of tokens, and the secrets by the names in it.
struct Keys {
    directory: tempfile::TempDir,
    secrets: BTreeMap<String, String>,
    lines: Vec<String>,
}

fn run(arguments: &[&str]) -> Output {
    pixeld(arguments).output().expect("the binary runs")
}

impl Keys {
    /// Makes a token for each of these scopes, named after them.
    fn of(scopes: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keys = Self { directory, secrets: BTreeMap::new(), lines: Vec::new() };
        scopes.iter().for_each(|scope| keys.add(scope));
        keys
    }

    fn add(&mut self, scope: &str) {
        let name = scope.replace([',', ':'], "-");
        let made = run(&["token", "new", "--name", &name, "--scope", scope]);
        let text = String::from_utf8(made.stdout).expect("a text");
        let lines: Vec<&str> = text.lines().collect();
        assert!(made.status.success() && lines.len() == 2 && made.stderr.is_empty(), "{text}");
        assert!(lines[1].starts_with(&format!("{name} {scope} ")) && !lines[1].contains(lines[0]), "{text}");
        self.secrets.insert(scope.to_owned(), lines[0].to_owned());
        self.lines.push(lines[1].to_owned());
        fs::write(self.path(), self.lines.join("\n") + "\n").expect("a file");
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("tokens")
    }

    fn serve(&self, arguments: &[&str]) -> Server {
        let path = self.path();
        Server::fresh(&[&["--tokens", path.to_str().expect("a path")], arguments].concat())
    }
}

fn ask_with(server: &Server, method: &str, path: &str, fields: &str) -> Answer {
    let mut client = server.connect();
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{fields}Connection: close\r\n\r\n"
    ));
    if method == "HEAD" { client.head_answer() } else { client.answer() }
}

fn ask(server: &Server, method: &str, path: &str, secret: Option<&str>) -> Answer {
    let field = secret.map_or(String::new(), |secret| format!("Authorization: Bearer {secret}\r\n"));
    ask_with(server, method, path, &field)
}

/// Method, path and scope of every operation that a server describes.
fn described(server: &Server) -> Vec<(String, String, String)> {
    let (status, text) = server.ask("GET", "/openapi.json", "");
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let scope = operation["security"][0]["token"][0].as_str().unwrap_or("open");
            found.push((method.to_uppercase(), path.clone(), scope.to_owned()));
        }
    }
    found.sort();
    found
}

/// A path that the pattern fits, and that costs nothing.
fn example(path: &str) -> String {
    path.replace("{n}", "7").replace("{name}", "none.png").replace("{id}", "4711")
}

/// The streams are asked for by HEAD alone, and a form of the board by its head: all else is called as it is.
#[test]
fn every_route_is_for_those_who_have_its_scope() {
    let keys = Keys::of(&NAMES);
    let server = keys.serve(&["--toys-heavy-ms", "0"]);
    let routes = described(&server);
    // Files of the shop have their hash in their path.
    let row = |(method, path, scope): &(String, String, String)| {
        let parts: Vec<&str> = path.split('.').collect();
        let path = match parts.as_slice() {
            [name, _, end] if path.starts_with("/static/") => format!("{name}.HASH.{end}"),
            _ => path.clone(),
        };
        format!("{method} {path} {scope}\n")
    };
    let mut rows: Vec<String> = routes.iter().map(row).collect();
    rows.sort();
    let table = rows.concat();
    if std::env::var_os("PIXELD_TESTS_REWRITE").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scopes.txt"), &table)
            .expect("written");
    } else {
        assert_eq!(table, SCOPES, "a route came, went or changed: who may call it?");
    }
    for (method, path, scope) in &routes {
        let path = example(path);
        let streams = ["/events", "/canvas/live", "/board/events", "/api/misc/heavy"].contains(&&*path);
        let methods: &[&str] = match &**method {
            "GET" if streams => &["HEAD"],
            "GET" => &["GET", "HEAD"],
            method => &[method],
        };
        for method in methods {
            let status = |secret| ask(&server, method, &path, secret).status;
            let is_open = scope == "open";
            let refused = |status: u16| if is_open { status != 401 && status != 403 } else { status == 401 };
            assert!(refused(status(None)) && refused(status(Some("pixeld_wrong"))), "{method} {path}");
            for name in NAMES {
                let status = status(keys.secrets.get(name).map(String::as_str));
                let is_let_in = status != 401 && status != 403;
                assert_eq!(is_let_in, is_open || name == scope, "{method} {path} with {name}: {status}");
                assert!(is_let_in || status == 403, "{method} {path} with {name}: {status}");
            }
        }
    }
}

#[test]
fn a_token_for_one_application_is_for_no_other_and_a_mirror_goes_by_the_method() {
    let keys = Keys::of(&["pixel:read,pixel:write", "echo:delete", "read"]);
    let server = keys.serve(&["--apps", "pixel,board,echo"]);
    let status =
        |method, path, scope| ask(&server, method, path, keys.secrets.get(scope).map(String::as_str)).status;
    let of_pixel = "pixel:read,pixel:write";
    assert_eq!((status("GET", "/pixels", of_pixel), status("GET", "/messages", of_pixel)), (200, 403));
    assert_eq!((status("POST", "/pixel", of_pixel), status("DELETE", "/pixels", of_pixel)), (422, 403));
    for (method, scope, expected) in [
        ("DELETE", "echo:delete", 200),
        ("GET", "echo:delete", 403),
        ("GET", "read", 200),
        ("PUT", "read", 403),
        ("PROPFIND", "read", 403),
        ("OPTIONS", "read", 200),
    ] {
        assert_eq!(status(method, "/mirror", scope), expected, "{method} {scope}");
    }
}

#[test]
fn refusals_are_in_the_style_of_each_application_and_say_what_is_missing() {
    let keys = Keys::of(&["admin"]);
    let server = keys.serve(&[]);
    for (path, content_type, part) in [
        ("/pixels", "application/json", "{\"detail\":\"A token is needed"),
        ("/messages", "application/json", "{\"detail\":\"A token is needed"),
        ("/images", "application/json", "{\"message\": \"A token is needed"),
        ("/state", "text/plain; charset=utf-8", "A token is needed"),
        ("/api/ping", "text/html; charset=utf-8", "<h1>Unauthorized</h1>\n<p>A token is needed"),
        ("/metrics", "text/plain; charset=utf-8", "A token is needed"),
    ] {
        let answer = ask(&server, "GET", path, None);
        assert_eq!((answer.status, answer.field("content-type")), (401, Some(content_type)), "{path}");
        assert!(answer.text().starts_with(part) || answer.text().contains(part), "{}", answer.text());
        assert_eq!(answer.field("www-authenticate"), Some("Bearer realm=\"pixeld\""));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
    }
    let wrong = ask(&server, "GET", "/pixels", Some("wrong"));
    assert_eq!(wrong.field("www-authenticate"), Some("Bearer realm=\"pixeld\", error=\"invalid_token\""));
    let lacking = ask(&server, "DELETE", "/pixels", keys.secrets.get("admin").map(String::as_str));
    assert_eq!(lacking.status, 403);
    let field = lacking.field("www-authenticate").expect("a field");
    assert!(field.ends_with("error=\"insufficient_scope\", scope=\"pixel:delete\""), "{field}");
    // A browser that posts a form gets a page with the way back.
    let form = "Accept: text/html\r\n";
    let page = ask_with(&server, "POST", "/upload/", form);
    assert_eq!((page.status, page.field("content-type")), (401, Some("text/html; charset=utf-8")));
    // Whoever comes with another scheme has not sent a wrong token.
    for (field, error) in [("Authorization: Basic YTpi", false), ("authorization: Bearer", true)] {
        let answer = ask_with(&server, "GET", "/pixels", &format!("{field}\r\n"));
        let told = answer.field("www-authenticate").expect("a field");
        assert_eq!((answer.status, told.contains("error=")), (401, error), "{field}");
    }
    // A refusal is counted as what it is.
    let admin = keys.secrets.get("admin").map(String::as_str);
    let metrics = ask(&server, "GET", "/metrics", admin);
    for code in ["401", "403"] {
        assert!(metrics.text().contains(&format!("code=\"{code}\"")), "{code}");
    }
    assert!(!metrics.text().contains("code=\"500\""));
}

/// A GET that lists or adds, as it is asked, needs the scope of what it does.
#[test]
fn the_list_of_toys_is_for_those_who_read() {
    let keys = Keys::of(&["read", "write"]);
    let server = keys.serve(&[]);
    let status = |path: &str, more: &str, scope: &str| {
        let fields = format!("Authorization: Bearer {}\r\n{more}", keys.secrets[scope]);
        ask_with(&server, "GET", path, &fields).status
    };
    let json = "Accept: application/json\r\n";
    for (path, more, reads) in [
        ("/api/products", json, true),
        ("/api/products?limit=5", "", true),
        ("/api/products?after=0&limit=5", "", true),
        ("/api/products", "", false),
        ("/api/products?product=car", json, false),
        ("/api/products?product=car&limit=5", json, false),
    ] {
        let let_in = ["read", "write"].map(|scope| status(path, more, scope) != 403);
        assert_eq!(let_in, [reads, !reads], "{path} {more}");
    }
}

/// A body that is not wanted is not taken: neither kept in memory, nor asked for by 100, nor logged.
#[test]
fn a_body_without_a_token_is_not_taken() {
    let keys = Keys::of(&["read", "write"]);
    let server = keys.serve(&[]);
    for path in ["/pixel", "/pixels", "/upload/", "/images"] {
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\
             Expect: 100-continue\r\n\r\n"
        ));
        let answer = client.answer();
        assert!(answer.status == 401 && answer.closes(), "{path}: {}", answer.head);
    }
    let mut client = server.connect();
    for _ in 0..3 {
        client.send(post_pixel(1, 2, 'R', 3));
        let answer = client.answer();
        assert!(answer.status == 401 && !answer.closes(), "a small one leaves the connection");
    }
    let total =
        |secret: &str| ask(&server, "GET", "/pixels/count", keys.secrets.get(secret).map(String::as_str));
    assert_eq!(total("read").text(), "{\"total\":0}");
}

/// The express lane remembers heads that were let in: a token that is taken away is out with the next request.
#[test]
fn a_reload_takes_tokens_away_and_a_bad_file_keeps_the_old_ones() {
    let mut keys = Keys::of(&["write", "read,admin"]);
    let server = keys.serve(&[]);
    let post = |secret: &str| {
        let body = post_pixel(1, 2, 'R', 3);
        let text = String::from_utf8(body).expect("a text");
        text.replacen("\r\n", &format!("\r\nAuthorization: Bearer {secret}\r\n"), 1)
    };
    let mut client = server.connect();
    let request = post(&keys.secrets["write"]);
    for _ in 0..4 {
        assert_eq!(client.send(&request).answer().status, 200);
    }
    let good = fs::read_to_string(keys.path()).expect("a file");
    fs::write(keys.path(), "ci all 12\n").expect("written");
    server.signal(Signal::HUP);
    server.wait_for("configuration refused; nothing has changed");
    let stderr = server.stderr();
    assert!(
        stderr.contains("tokens:1: it has")
            || stderr.contains("tokens:1: \"all\"")
            || stderr.contains("tokens:1: "),
        "{stderr}"
    );
    assert_eq!(client.send(&request).answer().status, 200, "the old ones hold");
    fs::write(keys.path(), good.lines().skip(1).collect::<String>() + "\n").expect("written");
    server.signal(Signal::HUP);
    server.wait_for("tokens=1");
    // Workers hear of it with their next turn.
    process::pair::await_that(
        "the token is out",
        || client.send(&request).answer().status,
        |status| *status == 401,
    );
    keys.add("pixel:write");
    server.signal(Signal::HUP);
    server.wait_for("tokens=3");
    let other = post(&keys.secrets["pixel:write"]);
    process::pair::await_that(
        "another is in",
        || client.send(&other).answer().status,
        |status| *status == 200,
    );
    for secret in keys.secrets.values() {
        assert!(!server.stderr().contains(secret), "the log has a token");
        let metrics = ask(&server, "GET", "/metrics", keys.secrets.get("read,admin").map(String::as_str));
        assert!(metrics.status == 200 && !metrics.text().contains(secret), "the metrics have a token");
    }
}

/// Whoever has lost his token sees no more, and who still has one comes back.
#[test]
fn a_reload_that_takes_a_token_away_ends_the_streams() {
    let keys = Keys::of(&["read", "pixel:read", "admin"]);
    let server = keys.serve(&[]);
    let stream = |scope: &str| {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(process::PATIENCE)).expect("a socket");
        let secret = &keys.secrets[scope];
        write!(stream, "GET /canvas/live HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n")
            .expect("sent");
        let mut head = [0; 13];
        stream.read_exact(&mut head).expect("an answer");
        (stream, String::from_utf8_lossy(&head).into_owned())
    };
    let (mut lost, mut kept) = (stream("read"), stream("pixel:read"));
    assert_eq!([&*lost.1, &*kept.1], ["HTTP/1.1 200 "; 2]);
    fs::write(keys.path(), keys.lines[1..].join("\n")).expect("written");
    server.signal(Signal::HUP);
    for (stream, _) in [&mut lost, &mut kept] {
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n0\r\n\r\n") {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).expect("the end of the stream");
            assert!(count > 0, "the answer is whole");
            seen.extend_from_slice(&piece[..count]);
        }
    }
    // Each worker hears of it with its next turn, and this may be another one.
    process::pair::await_that("the token is out", || stream("read").1, |head| head == "HTTP/1.1 401 ");
    assert_eq!(stream("pixel:read").1, "HTTP/1.1 200 ");
}

#[test]
fn health_tells_how_the_host_does_to_operators_only() {
    let keys = Keys::of(&["read", "admin"]);
    let server = keys.serve(&[]);
    let health =
        |scope| ask(&server, "GET", "/health", keys.secrets.get(scope).map(String::as_str)).text().to_owned();
    for scope in ["nobody", "read"] {
        assert_eq!(health(scope), "{\"status\":\"healthy\"}");
    }
    assert!(health("admin").contains("\"store_size\":0"));
    let open = Server::fresh(&[]);
    assert!(open.ask("GET", "/health", "").1.contains("\"store_size\":0"));
}

/// What many may fetch and keep for good may still not be shown to somebody else.
#[test]
fn what_needs_a_token_is_in_no_shared_cache() {
    let keys = Keys::of(&["read"]);
    let server = keys.serve(&[]);
    let fib = |server: &Server, secret: Option<&str>| {
        ask(server, "GET", "/fib/7", secret).field("cache-control").expect("a field").to_owned()
    };
    assert_eq!(
        fib(&server, keys.secrets.get("read").map(String::as_str)),
        "private, max-age=31536000, immutable"
    );
    assert_eq!(fib(&Server::fresh(&[]), None), "public, max-age=31536000, immutable");
}

/// The first lines of a body that may go on.
fn begin_body(server: &Server, secret: &str, lines: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(process::PATIENCE)).expect("a socket");
    write!(
        stream,
        "POST /pixels HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
    .expect("sent");
    (0..lines).for_each(|_| send_line(&mut stream));
    stream
}

fn send_line(stream: &mut TcpStream) {
    let line = "{\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":3}\n";
    write!(stream, "{:x}\r\n{line}\r\n", line.len()).expect("sent");
}

/// The answer to a body, and what came behind it until the end.
fn end_of(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn a_reload_that_takes_a_token_away_ends_its_bodies_and_no_others() {
    let keys = Keys::of(&["write", "pixel:write", "write,delete", "read"]);
    let server = keys.serve(&[]);
    let count = || ask(&server, "GET", "/pixels/count", Some(&keys.secrets["read"])).text().to_owned();
    let [lost, narrowed, mut kept] =
        ["write", "write,delete", "pixel:write"].map(|scope| begin_body(&server, &keys.secrets[scope], 7));
    let empty = begin_body(&server, &keys.secrets["write"], 0);
    process::pair::await_that("all lines", count, |text| text == "{\"total\":21}");
    let lines = [&keys.lines[1], &keys.lines[2].replace("write,delete", "delete"), &keys.lines[3]];
    fs::write(keys.path(), lines.map(|line| format!("{line}\n")).concat()).expect("written");
    server.signal(Signal::HUP);
    for (stream, status, part) in [
        (lost, "HTTP/1.1 401 ", "the token was taken away"),
        (narrowed, "HTTP/1.1 403 ", "the token lost the scope"),
    ] {
        let told = end_of(stream);
        assert!(told.starts_with(status) && told.contains(part), "{told}");
        assert!(
            told.contains("\"accepted\":7") && told.to_lowercase().contains("connection: close"),
            "{told}"
        );
    }
    let told = end_of(empty);
    assert!(told.starts_with("HTTP/1.1 401 ") && told.contains("nothing was done"), "{told}");
    assert_eq!(count(), "{\"total\":21}", "what was stored stays stored");
    send_line(&mut kept);
    kept.write_all(b"0\r\n\r\n").expect("sent");
    let mut head = [0; 13];
    kept.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200 ");
}

#[test]
fn a_bad_file_is_a_refused_start_that_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (tokens, data) = (directory.path().join("tokens"), directory.path().join("data"));
    let start = || {
        let paths = [&tokens, &data].map(|path| path.to_str().expect("a path"));
        run(&["serve", "--listen", "127.0.0.1:0", "--tokens", paths[0], "--data-dir", paths[1]])
    };
    let hash = "0".repeat(64);
    for (text, part) in [
        (None, "cannot be read"),
        (Some(String::new()), "tokens: there is no token; `pixeld token new"),
        (Some(format!("\n# ci\nci all {hash}\n")), "tokens:3: the second field: \"all\" is no scope"),
        (Some("ci read 1234\n".to_owned()), "tokens:1: the third field is no SHA-256"),
    ] {
        if let Some(text) = text {
            fs::write(&tokens, text).expect("written");
        }
        let ended = start();
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
        assert!(!data.exists(), "nothing was made");
    }
}

#[test]
fn a_server_that_is_open_to_others_says_so_once() {
    let warning = "everybody who can reach these may read, write and delete everything";
    let start = |listen: &str, arguments: &[&str]| {
        let server = Server::fresh(&[&["--listen", listen], arguments].concat());
        let stderr = server.stderr();
        stderr.matches(warning).count()
    };
    assert_eq!(start("0.0.0.0:0", &[]), 1);
    assert_eq!((start("0.0.0.0:0", &["--open"]), start("127.0.0.2:0", &[])), (0, 0));
    let keys = Keys::of(&["read"]);
    assert_eq!(start("0.0.0.0:0", &["--tokens", keys.path().to_str().expect("a path")]), 0);
}

/// A line taken out of the configuration by mistake opens the server, which nobody would see.
#[test]
fn a_reload_that_opens_the_server_to_others_says_so() {
    let keys = Keys::of(&["read"]);
    let file = keys.directory.path().join("pixeld.toml");
    let configure = |text: &str| fs::write(&file, text).expect("written");
    configure(&format!("tokens = {:?}\n", keys.path()));
    let server = Server::fresh(&["--listen", "0.0.0.0:0", "--config", file.to_str().expect("a path")]);
    let warning = "everybody who can reach these may read, write and delete everything";
    assert!(!server.stderr().contains(warning));
    configure("");
    server.signal(Signal::HUP);
    server.wait_for(warning);
}

/// A pipe that nobody writes into would hold the reload, and the stop behind it.
#[test]
fn a_pipe_in_the_place_of_the_tokens_holds_nothing() {
    let keys = Keys::of(&["read"]);
    let mut server = keys.serve(&[]);
    fs::remove_file(keys.path()).expect("it was there");
    mkfifoat(CWD, keys.path(), Mode::RUSR | Mode::WUSR).expect("a pipe");
    server.signal(Signal::HUP);
    server.wait_for("it is not a regular file");
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn clients_of_the_program_take_the_token_from_a_file() {
    let keys = Keys::of(&["read,write,admin"]);
    let server = keys.serve(&[]);
    let url = format!("http://{}", server.address);
    let token = keys.directory.path().join("token");
    fs::write(&token, format!("{}\n", keys.secrets["read,write,admin"])).expect("written");
    let token = token.to_str().expect("a path");
    let picture = keys.directory.path().join("a.png");
    image::RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 9]))
        .save(&picture)
        .expect("a picture");
    let picture = picture.to_str().expect("a path");
    let film = keys.directory.path().join("a.gif");
    let film = film.to_str().expect("a path");
    let commands: [&[&str]; 4] = [
        &["send", picture, &url, "--draw", "never"],
        &["bench", &format!("{url}/pixel"), "-n", "50", "-c", "1"],
        &["top", "--once", "--interval", "100ms", &url],
        &["film", &url, "--out", film, "--area", "0,0,4,4"],
    ];
    for arguments in commands {
        // The load generator has a flag of that name for its agents.
        let flag = if arguments[0] == "bench" { "--server-token-file" } else { "--token-file" };
        let with = run(&[arguments, &[flag, token]].concat());
        let text = String::from_utf8_lossy(&[&with.stdout[..], &with.stderr].concat()).into_owned();
        assert_eq!(with.status.code(), Some(0), "{arguments:?}: {text}");
        assert!(!text.contains(&keys.secrets["read,write,admin"]), "{text}");
        let without = run(arguments);
        // What is measured is no failure of the load generator: it says that all answers were refusals.
        let is_told = String::from_utf8_lossy(&without.stdout).contains("100 % failed");
        assert!(!without.status.success() || is_told, "{arguments:?}");
        assert!(!text.contains("100 % failed"), "{text}");
        let by_variable = pixeld(arguments).env("PIXELD_TOKEN_FILE", token).stdout(Stdio::null()).status();
        assert!(by_variable.expect("it runs").success(), "{arguments:?}");
    }
    assert!(run(&["healthy", &url]).status.success(), "it needs no token");
    let missing = run(&["top", "--once", &url, "--token-file", "/nowhere"]);
    assert_eq!(missing.status.code(), Some(2));
}

/// A crash may not leave requests with their tokens in a file, nor the key of a certificate.
#[test]
fn no_core_is_written_where_there_are_tokens_or_keys() {
    let keys = Keys::of(&["read"]);
    let dumps = |arguments: &str| {
        let data = tempfile::tempdir().expect("a directory");
        let program = pixeld(&[]).get_program().to_owned();
        let script = format!(
            "ulimit -c unlimited; cd '{}' && exec '{}' serve --listen 127.0.0.1:0 --data-dir data --workers 1 {arguments}",
            data.path().display(),
            program.display()
        );
        let mut child =
            Command::new("sh").args(["-c", &script]).stderr(Stdio::piped()).spawn().expect("a shell");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("piped")));
        assert!(lines.any(|line| line.is_ok_and(|line| line.contains("listens on"))), "it starts");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::ABORT).expect("it runs");
        child.wait().expect("it ends").core_dumped()
    };
    if !dumps("") {
        return skip("this machine writes no cores at all");
    }
    assert!(!dumps(&format!("--tokens '{}'", keys.path().display())));
    let authority = Authority::new();
    authority.issue(2099);
    let flags: Vec<String> =
        authority.flags("https://127.0.0.1:0").iter().map(|flag| format!("'{flag}'")).collect();
    assert!(!dumps(&flags.join(" ")));
}
