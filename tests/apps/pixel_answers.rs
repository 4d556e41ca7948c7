//! What `POST /pixel` answers, row for row: the project's own vectors, and those recorded from the service that it
//! is compatible with where they are at hand.

use std::fs;
use std::path::{Path, PathBuf};

use crate::skip::skip;
use pixeld::app::application::Action;
use pixeld::apps::pixel::service::post_pixel;
use serde_json::{Value, json};

/// Status and answer.
fn answer(content_type: Option<&str>, body: &[u8]) -> (u16, Value) {
    let response = match post_pixel(content_type, body) {
        Action::Respond(response) | Action::Append { response, .. } => response,
        _ => panic!("a pixel is a record, and its answer is known"),
    };
    assert_eq!(response.content_type, "application/json");
    (response.status, serde_json::from_slice(&response.body).expect("an answer in JSON"))
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

fn check(path: &Path) -> usize {
    let text = fs::read_to_string(path).expect("a file of vectors");
    for (number, line) in (1..).zip(text.lines()) {
        let row: Value = serde_json::from_str(line).expect("a vector a line");
        let content_type = row.get("content_type").map_or(Some("application/json"), Value::as_str);
        let body = row["body"].as_str().expect("a text");
        let (status, found) = answer(content_type, body.as_bytes());
        let expected = (row["status"].as_u64(), comparable(row["answer"].clone()));
        assert_eq!((Some(u64::from(status)), comparable(found)), expected, "row {number}: {line}");
    }
    text.lines().count()
}

#[test]
fn the_projects_own_rows() {
    assert!(check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/pixel.jsonl")) > 40);
}

/// A file beside the repository, or nothing, with a word about it.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors").join(name);
    if !path.exists() {
        skip(format_args!("{} is not there", path.display()));
        return None;
    }
    Some(path)
}

#[test]
fn the_recorded_rows() {
    if let Some(path) = shared("pixel-answers.jsonl") {
        assert_eq!(check(&path), 146);
    }
}

#[test]
fn a_body_that_is_not_utf8() {
    for content_type in [Some("application/json"), Some("text/plain"), None] {
        let expected = json!({"detail": "There was an error parsing the body"});
        assert_eq!(answer(content_type, b"{\"x\":\"\xff\"}"), (400, expected));
    }
}

#[test]
fn an_answer_has_no_spaces_between_its_tokens() {
    let Action::Respond(response) = post_pixel(Some("application/json"), b"{ \"x\" : [ 1 , \" \" ] }") else {
        panic!("an answer")
    };
    let text = String::from_utf8(response.body.to_vec()).expect("text");
    let again: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(text, again.to_string());
}
