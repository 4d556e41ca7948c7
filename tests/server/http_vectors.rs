//! Requests from files, each fed whole and cut at every byte: the events are those expected, and always the same.
//!
//! `vectors/http.jsonl` is this project's own: a line for each rule of strict framing and for each limit, with its
//! answer. Next to a checkout there may be vectors from other servers' test suites, in `../shared/vectors`.

use crate::feed;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::skip::skip;
use base64::Engine;
use feed::Event;
use pixeld::base::limits::Limits;
use serde_json::Value;

/// A vector's input: text, one character per byte, or `[text, times]` to repeat it, or a list of these.
fn input_of(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => {
            text.chars().map(|byte| u8::try_from(u32::from(byte)).expect("a byte")).collect()
        }
        Value::Array(parts) => match &parts[..] {
            [text, Value::Number(times)] => {
                input_of(text).repeat(usize::try_from(times.as_u64().expect("a count")).expect("a small one"))
            }
            parts => parts.iter().flat_map(input_of).collect(),
        },
        other => panic!("no input: {other}"),
    }
}

/// Events as the vectors write them: `GET /path body`, a status for a refusal, `...` where the input breaks off.
fn written(event: &Event) -> Value {
    let text = |body: &[u8]| body.iter().map(|&byte| char::from(byte)).collect::<String>();
    match event {
        Event::Request { line, body, .. } if body.is_empty() => Value::from(line.as_str()),
        Event::Request { line, body, .. } => Value::from(format!("{line} {}", text(body))),
        Event::Begun { line } => Value::from(format!("{line} >")),
        Event::Ended { body } => Value::from(format!("> {}", text(body))),
        Event::Refused(status) => Value::from(*status),
        Event::Unread { line, .. } => Value::from(format!("{line} unread")),
        Event::Cut => Value::from("..."),
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The events of an input, the same whole and in parts.
fn events_of(name: &str, input: &[u8]) -> Vec<Event> {
    // A long run of equal bytes says nothing new at each of them; the same limits are tested exactly in `scan`.
    if input.len() < 2000 {
        return feed::assert_splits_agree(name, input, &Limits::default());
    }
    let events = feed::whole(input);
    assert_eq!(feed::events(input.chunks(1), &Limits::default()), events, "{name}, byte by byte");
    events
}

#[test]
fn own_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/http.jsonl");
    let vectors = lines(&path);
    assert!(vectors.len() > 100, "vectors got lost");
    for vector in vectors {
        let name = vector["name"].as_str().expect("a name");
        let input = input_of(&vector["input"]);
        let events: Vec<Value> = events_of(name, &input).iter().map(written).collect();
        assert_eq!(Value::from(events), vector["expect"], "{name}");
    }
}

/// The directory is looked up when the test runs, so that a checkout in another place can be tested as well.
fn shared_vectors() -> Option<PathBuf> {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let directory = Path::new(&manifest).join("../shared/vectors");
    if directory.is_dir() {
        return Some(directory);
    }
    skip(format_args!("there is no {}", directory.display()));
    None
}

/// Whether the events satisfy what a vector expects of a server, and why not.
fn judge(expect: &Value, events: &[Event]) -> Result<(), String> {
    let taken = |event: &&Event| matches!(event, Event::Request { .. } | Event::Ended { .. });
    let requests = events.iter().filter(taken).count() as u64;
    let is_unknown_method = matches!(events, [Event::Refused(501)]);
    let is_fine = match expect["k"].as_str().expect("a kind") {
        "ok" => {
            let answered = (1..=expect["n"].as_u64().unwrap_or(1)).contains(&requests)
                && !events.starts_with(&[Event::Cut]);
            // A method that nobody has registered need not be known.
            answered || is_unknown_method
        }
        "reject" => requests <= expect["after"].as_u64().unwrap_or(0),
        // One over a limit of this test is refused before it could be cut.
        "incomplete" | "timeout" => {
            requests == 0 && matches!(events.last(), Some(Event::Cut | Event::Refused(413)))
        }
        "noextra" => requests <= 1,
        "status" => {
            let any = expect["any"].as_array().expect("statuses");
            matches!(events, [Event::Refused(status)] if any.contains(&Value::from(*status)))
        }
        kind => return Err(format!("unknown kind {kind}")),
    };
    if is_fine { Ok(()) } else { Err(format!("{expect} but {events:?}")) }
}

/// Recommendations that are not followed, because each of these inputs is a complete, valid request and what comes
/// behind it is not known when it is answered.
const SHOULD_NOT_FOLLOWED: &[&str] =
    &["cowboy/no_empty_line_after_request_line/0", "cowboy/no_empty_line_in_headers/0"];

#[test]
fn vectors_of_other_servers() {
    let Some(directory) = shared_vectors() else { return };
    let mut counts: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for file in ["cowboy.jsonl", "lighttpd.jsonl", "servers.jsonl"] {
        for vector in lines(&directory.join(file)).iter().filter(|vector| vector["expect"].is_object()) {
            let (name, level) =
                (vector["id"].as_str().expect("an id"), vector["lvl"].as_str().expect("a level"));
            let encoded = vector["b64h"].as_str().or(vector["b64"].as_str()).expect("bytes");
            let input = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
            let events = events_of(name, &input);
            let is_over_limit = input.len() > feed::WHOLE_BYTES_MAX && events == [Event::Refused(413)];
            let verdict = if is_over_limit { Ok(()) } else { judge(&vector["expect"], &events) };
            let (passed, all) = counts.entry(format!("{file} {level}")).or_default();
            *all += 1;
            *passed += u32::from(verdict.is_ok());
            let Err(why) = verdict else { continue };
            println!("{level} {name}: {why}");
            assert!(level == "policy" || SHOULD_NOT_FOLLOWED.contains(&name), "{level} {name}: {why}");
        }
    }
    println!("passed of all: {counts:?}");
}
