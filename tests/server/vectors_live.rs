//! The shared vectors against a live server, where they are at hand: conformance requests whole and a byte at a time,
//! JSON bodies, and the recorded answers of the service that the pixel service is compatible with.

use crate::process;

use std::path::PathBuf;
use std::process::Command;

use crate::skip::skip;
use process::Server;
use process::client::{plain, request};
use serde_json::{Value, json};

/// A file of the folder beside the repository; nothing, with a word about it, where it is not.
fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors").join(name);
    if !path.exists() {
        skip(format_args!("{} is not there", path.display()));
        return None;
    }
    Some(path)
}

/// Runs the folder's own judge, which ends with 1 when a vector that must hold does not.
fn judge(server: &Server, arguments: &[&str]) {
    let Some(runner) = shared("run_vectors.py") else { return };
    let port = server.address.port().to_string();
    let output = match Command::new("python3").arg(runner).args(["--port", &port]).args(arguments).output() {
        Ok(output) => output,
        Err(error) => return skip(format_args!("python3: {error}")),
    };
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("must-failures+dead: 0"), "{told}");
}

#[test]
fn requests_whole_and_a_byte_at_a_time() {
    let server = Server::fresh(&["--apps", "echo", "--durability", "memory"]);
    judge(&server, &["--files", "cowboy,lighttpd", "--split"]);
    judge(&server, &["--files", "servers", "--split"]);
}

#[test]
fn json_bodies() {
    let server = Server::fresh(&["--durability", "memory"]);
    judge(&server, &["--files", "json-bodies", "--json-path", "/pixel", "--health", "/health"]);
}

/// What counts of an answer: of malformed JSON only that it is, because every parser names the place differently.
fn comparable(mut answer: Value) -> Value {
    for entry in answer["detail"].as_array_mut().into_iter().flatten() {
        if entry["type"] == "json_invalid" {
            *entry = json!({"type": "json_invalid", "loc": [entry["loc"][0].clone()]});
        }
    }
    answer
}

#[test]
fn the_recorded_answers_row_for_row() {
    let Some(path) = shared("pixel-answers.jsonl") else { return };
    let server = Server::fresh(&["--durability", "memory"]);
    let mut client = server.connect();
    let rows = std::fs::read_to_string(path).expect("a file of vectors");
    let mut kept = 0;
    for (number, line) in (1..).zip(rows.lines()) {
        let row: Value = serde_json::from_str(line).expect("a vector a line");
        let body = row["body"].as_str().expect("a text");
        let bytes = match row.get("content_type").map_or(Some("application/json"), Value::as_str) {
            Some(content_type) => request("POST", "/pixel", content_type, body),
            None => {
                format!("POST /pixel HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                    .into_bytes()
            }
        };
        let answer = client.send(bytes).answer();
        assert_eq!(answer.field("content-type"), Some("application/json"));
        let found = (Some(u64::from(answer.status)), comparable(answer.json()));
        assert_eq!(
            found,
            (row["status"].as_u64(), comparable(row["answer"].clone())),
            "row {number}: {line}"
        );
        kept += u64::from(answer.status == 200);
    }
    let count = client.send(plain("GET", "/pixels/count")).answer();
    assert_eq!(count.json()["total"], kept, "what was answered 200 is kept, nothing else");
}
