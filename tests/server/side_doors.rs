//! Ways around the tokens that a stranger may try: other spellings of a path, other methods, other places for a token, and
//! requests behind those that are allowed.

use std::path::Path;

use crate::process::client::{Client, post_pixel};
use crate::process::{Server, pixeld};

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "DELETE"];

const GUARDED: [&str; 4] = ["/pixels", "/metrics", "/next", "/images"];

/// A token of these scopes, and the file of a server that knows it.
fn token(directory: &Path, scopes: &str) -> (String, String) {
    let made = pixeld(&["token", "new", "--name", "a", "--scope", scopes]).output().expect("it runs");
    let text = String::from_utf8(made.stdout).expect("a text");
    let (secret, line) = text.split_once('\n').expect("two lines");
    let file = directory.join("tokens");
    std::fs::write(&file, line).expect("written");
    (secret.to_owned(), file.to_str().expect("a path").to_owned())
}

/// Spellings of a path that some server, or some proxy before it, takes for the same.
fn spellings(path: &str, secret: &str) -> Vec<String> {
    let name = &path[1..];
    let encoded = format!("%{:02x}{}", name.as_bytes()[0], &name[1..]);
    let (doubly, upper) = (encoded.replace('%', "%25"), path.to_uppercase());
    vec![
        path.to_owned(),
        format!("/{encoded}"),
        format!("/{doubly}"),
        format!("/{path}"),
        format!("{path}/"),
        format!("{path}."),
        format!("{path}%20"),
        format!("{path}%00"),
        format!("{path};x"),
        format!("{path}?"),
        format!("/./{name}"),
        format!("/livez/../{name}"),
        format!("/livez/%2e%2e/{name}"),
        format!("/livez%2f..%2f{name}"),
        format!("/livez\\..\\{name}"),
        upper,
        format!("http://a{path}"),
        format!("HTTPS://a{path}"),
        format!("http://{secret}@a{path}"),
        format!("{path}?access_token={secret}"),
        format!("{path}?token={secret}&Authorization=Bearer%20{secret}"),
    ]
}

#[test]
fn no_spelling_of_a_path_and_no_method_is_a_way_around() {
    let directory = tempfile::tempdir().expect("a directory");
    let (secret, file) = token(directory.path(), "read,write,delete,admin");
    let server = Server::fresh(&["--tokens", &file, "--log-level", "trace"]);
    let before = server.connect().send(ask_for("GET", "/pixels/count", &bearer(&secret))).answer().body;
    let mut client = server.connect();
    for method in METHODS {
        for target in GUARDED.iter().flat_map(|path| spellings(path, &secret)) {
            client.send(ask_for(method, &target, ""));
            let answer = if method == "HEAD" { client.head_answer() } else { client.answer() };
            // What methods a path has is in the document that everybody may read.
            let is_told = method == "OPTIONS" && answer.status == 204 && answer.body.is_empty();
            assert!(answer.status >= 400 || is_told, "{method} {target}: {}", answer.head);
            if answer.closes() {
                client = server.connect();
            }
        }
    }
    let other = [
        format!("Proxy-Authorization: Bearer {secret}\r\n"),
        format!("Cookie: token={secret}; Authorization=Bearer {secret}\r\n"),
        format!("X-Original-URL: /livez\r\nX-Api-Key: {secret}\r\n"),
        format!("Authorization: Basic {secret}\r\n"),
        format!("Authorization: Bearer {secret}, Bearer {secret}\r\n"),
        format!("Authorization: Bearer {}\r\n", secret.to_uppercase()),
        format!("Authorization: Bearer {}\r\n", &secret[..secret.len() - 1]),
        "Authorization: Bearer \r\n".to_owned(),
    ];
    for fields in other {
        let answer = server.connect().send(ask_for("GET", "/metrics", &fields)).answer();
        assert_eq!(answer.status, 401, "{fields}");
    }
    let after = server.connect().send(ask_for("GET", "/pixels/count", &bearer(&secret))).answer().body;
    assert_eq!(before, after);
    let metrics = server.connect().send(ask_for("GET", "/metrics", &bearer(&secret))).answer();
    assert!(metrics.status == 200 && !metrics.text().contains(&secret));
    assert!(!server.stderr().contains(&secret), "a token in a query is in no log");
}

#[test]
fn a_token_is_for_the_request_that_has_it_and_for_none_behind_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (secret, file) = token(directory.path(), "read,write");
    let server = Server::fresh(&["--tokens", &file]);
    let with = |request: &[u8]| {
        let text = String::from_utf8(request.to_vec()).expect("a text");
        text.replacen("\r\n", &format!("\r\n{}", bearer(&secret)), 1).into_bytes()
    };
    let usual = post_pixel(1, 2, 'R', 3);
    // Often enough that the worker remembers the head; then the same without the token, and a head that is open.
    let mut requests = vec![(with(&usual), 200); 5];
    requests.push((usual.clone(), 401));
    requests.push((with(&usual), 200));
    requests.push((ask_for("GET", "/livez", &bearer(&secret)).into_bytes(), 200));
    requests.push((ask_for("GET", "/pixels/count", "").into_bytes(), 401));
    requests.push((ask_for("DELETE", "/pixels", &bearer(&secret)).into_bytes(), 403));
    requests.push((usual, 401));
    let mut client: Client = server.connect();
    client.send(requests.iter().flat_map(|(request, _)| request.clone()).collect::<Vec<u8>>());
    for (place, (_, status)) in requests.iter().enumerate() {
        assert_eq!(client.answer().status, *status, "request {place}");
    }
    // Another method in a field, as some frameworks take it.
    let hidden = format!("{}X-HTTP-Method-Override: DELETE\r\n", bearer(&secret));
    assert_eq!(
        server.connect().send(ask_for("GET", "/pixels/count", &hidden)).answer().text(),
        "{\"total\":6}"
    );
}

fn bearer(secret: &str) -> String {
    format!("Authorization: Bearer {secret}\r\n")
}

fn ask_for(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{fields}\r\n")
}
