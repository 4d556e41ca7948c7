//! Two thousand hostile strings, posted as messages and as names of files: each is stored as the text that it is, none
//! leaves the data directory, none breaks a line of the log.

use crate::board;
use crate::process;

use std::path::{Path, PathBuf};

use board::{HOSTILE, blob_files, form, hostile, part, png, post_bytes, quoted, with_plain_breaks};
use process::Server;
use process::client::{Client, plain};
use serde_json::Value;

fn everything_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(everything_below(&path));
        }
        found.push(path);
    }
    found
}

fn all_messages(client: &mut Client) -> Vec<Value> {
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = client.send(plain("GET", &format!("/messages?limit=100{before}"))).answer().json();
        found.extend(page["messages"].as_array().expect("a list").iter().cloned());
        match page["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => return found,
        }
    }
}

#[test]
fn hostile_strings_stay_texts() {
    let parent = tempfile::tempdir().expect("a directory");
    let data_dir = parent.path().join("data");
    let server = Server::start(process::ANY_PORT, &data_dir, &["--apps", "board", "--durability", "memory"]);
    let mut client = server.connect();
    let content = png(1);
    for seed in 0..HOSTILE {
        let (text, name) = (hostile(seed), hostile(HOSTILE + seed));
        let file = part(&format!("name=\"file\"; filename=\"x{}\"", quoted(&name)), &content);
        let body = form(&[part("name=\"message\"", text.as_bytes()), file]);
        let answer = client.send(post_bytes(body)).answer();
        // A control byte in a part's header is no form at all; everything else is a text.
        let is_form = !name.bytes().any(|byte| byte.is_ascii_control() && !b"\r\n\t".contains(&byte));
        assert_eq!(answer.status, if is_form { 200 } else { 400 }, "{name:?}");
        if is_form {
            let filename = answer.json()["filename"].as_str().expect("a name").to_owned();
            assert!(
                !filename.contains(['/', '\\']) && !filename.chars().any(char::is_control),
                "{filename:?}"
            );
        }
    }
    let messages = all_messages(&mut client);
    assert!(messages.len() > HOSTILE / 2, "{}", messages.len());
    let sent: std::collections::BTreeSet<String> =
        (0..HOSTILE).map(|seed| with_plain_breaks(&hostile(seed))).collect();
    for message in &messages {
        assert!(sent.contains(message["message"].as_str().expect("a text")), "{message}");
        let url = message["image_url"].as_str().expect("an address");
        assert!(url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte)), "{url}");
        assert_eq!(client.send(plain("HEAD", url)).head_answer().status, 200, "{url}");
    }
    let blobs = blob_files(&data_dir);
    assert_eq!(blobs.len(), 1, "one content, one file: {blobs:?}");
    for path in everything_below(parent.path()) {
        assert!(path.starts_with(&data_dir), "{}", path.display());
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)), "{name:?}");
    }
    for line in server.stderr().lines() {
        assert!(!line.contains("forged") && !line.bytes().any(|byte| byte < 0x20), "{line:?}");
    }
}
