//! JSONTestSuite against the readers of a pixel: nothing invalid gets through, nothing valid is called malformed.

use std::fs;
use std::path::Path;

use crate::skip::skip;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pixeld::app::application::Action;
use pixeld::apps::pixel::service::post_pixel;
use serde_json::Value;

/// Name, class (y, n, i) and body of each.
fn bodies() -> Vec<(String, String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/json-bodies.jsonl");
    let Ok(text) = fs::read_to_string(&path) else {
        skip(format_args!("{} is not there", path.display()));
        return Vec::new();
    };
    let body_of = |line: &str| {
        let row: Value = serde_json::from_str(line).ok()?;
        let request = STANDARD.decode(row["b64"].as_str()?).ok()?;
        let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let class = row["expect"]["cls"].as_str()?.to_owned();
        Some((row["id"].as_str()?.to_owned(), class, request[end..].to_vec()))
    };
    text.lines().filter_map(body_of).collect()
}

/// Whether it was accepted, and whether it was called malformed.
fn judge(body: &[u8]) -> (bool, bool) {
    match post_pixel(Some("application/json"), body) {
        Action::Append { .. } => (true, false),
        Action::Respond(response) => {
            // As text: an answer echoes numbers that no f64 holds.
            let answer = String::from_utf8(response.body.to_vec()).expect("an answer in UTF-8");
            serde_json::from_str::<serde::de::IgnoredAny>(&answer).expect("an answer in JSON");
            let is_malformed =
                response.status == 400 || answer.starts_with(r#"{"detail":[{"type":"json_invalid""#);
            (false, is_malformed)
        }
        _ => panic!("a pixel is a record, and its answer is known"),
    }
}

#[test]
fn the_suite_as_whole_bodies() {
    for (name, class, body) in bodies() {
        let (is_accepted, is_malformed) = judge(&body);
        assert!(!is_accepted, "{name}: none of them is a pixel");
        match class.as_str() {
            // An empty body is a missing one, not a malformed one.
            "n" => assert!(is_malformed || body.is_empty(), "{name}"),
            "y" => assert!(!is_malformed, "{name}"),
            _ => {}
        }
    }
}

#[test]
fn the_suite_inside_a_pixel() {
    for (name, class, body) in bodies() {
        let mut pixel = br#"{"x":1,"y":2,"channel":"R","value":3,"more":"#.to_vec();
        pixel.extend_from_slice(&body);
        pixel.push(b'}');
        // Some of the invalid ones end what stands before them, and are valid there.
        if class == "y" {
            assert_eq!(judge(&pixel), (true, false), "{name}");
        } else if serde_json::from_slice::<serde::de::IgnoredAny>(&pixel).is_err() {
            assert!(!judge(&pixel).0, "{name}");
        }
    }
}
