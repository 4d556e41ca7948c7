//! What operators and their programs ask a server for: is it alive, is it ready, what runs, what it counts, what it
//! serves.

use crate::process;

use std::collections::{BTreeMap, BTreeSet};

use process::Server;
use process::client::{plain, post_pixel, request};
use process::pair::await_that;
use rustix::process::Signal;
use serde_json::Value;

/// Every metric there is; dashboards and alerts hang on these names.
const METRICS: &str = include_str!("../data/metrics.txt");

/// One family of the exposition: its type, and its samples by name and labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<(String, String, f64)>,
}

/// Reads the text format as strictly as Prometheus does: HELP and TYPE once and before the samples, families
/// unbroken, no sample twice.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut current, mut helped) = (String::new(), BTreeSet::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, told) = help.split_once(' ').expect(line);
            assert!(helped.insert(name.to_owned()) && !told.is_empty(), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert!(["counter", "gauge", "histogram"].contains(&kind) && helped.contains(name), "{line}");
            let family = Family { kind: kind.to_owned(), samples: Vec::new() };
            assert!(families.insert(name.to_owned(), family).is_none(), "twice: {line}");
            name.clone_into(&mut current);
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let (name, labels) = series
                .split_once('{')
                .map_or((series, ""), |(name, rest)| (name, rest.strip_suffix('}').expect(line)));
            let family = families.get_mut(&current).expect("a TYPE before its samples");
            let suffix = name.strip_prefix(&*current).expect("families are not mixed");
            let allowed: &[&str] =
                if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(allowed.contains(&suffix) && labels_are_sound(labels), "{line}");
            assert!(
                !family.samples.iter().any(|sample| sample.0 == name && sample.1 == labels),
                "twice: {line}"
            );
            family.samples.push((name.to_owned(), labels.to_owned(), value.parse().expect(line)));
        }
    }
    families
}

fn labels_are_sound(labels: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_value = |value: &str| value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    labels.is_empty()
        || labels
            .split(',')
            .all(|label| label.split_once('=').is_some_and(|(name, value)| is_name(name) && is_value(value)))
}

/// The buckets of one histogram rise and end with its count.
fn assert_histogram(name: &str, family: &Family) {
    let labels_of = |labels: &str| {
        let parts = labels.split(',').filter(|label| !label.starts_with("le="));
        parts.collect::<Vec<_>>().join(",")
    };
    let mut last: BTreeMap<String, f64> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        let of = labels_of(labels);
        if sample.ends_with("_bucket") {
            assert!(*value >= last.get(&of).copied().unwrap_or(0.0), "{name} {labels}");
            last.insert(of, *value);
        } else if sample.ends_with("_count") {
            assert_eq!(last.get(&of), Some(value), "{name}: the last bucket is le=\"+Inf\"");
        }
    }
}

fn value(families: &BTreeMap<String, Family>, name: &str, labels: &str) -> f64 {
    let samples = &families.get(name).unwrap_or_else(|| panic!("no {name}")).samples;
    let sample = samples.iter().find(|sample| sample.1 == labels);
    sample.unwrap_or_else(|| panic!("no {name}{{{labels}}} in {samples:?}")).2
}

#[test]
fn the_metrics_are_these_and_sound() {
    for durability in ["disk", "memory"] {
        let server = Server::fresh(&["--durability", durability]);
        let mut client = server.connect();
        for value in 0..10 {
            assert_eq!(client.send(post_pixel(1, 1, 'R', value)).answer().status, 200);
        }
        let answer = client.send(plain("GET", "/metrics")).answer();
        assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let families = families(answer.text());
        let names: Vec<String> =
            families.iter().map(|(name, family)| format!("{name} {}", family.kind)).collect();
        assert_eq!(names.join("\n"), METRICS.trim_end(), "tests/data/metrics.txt");
        for (name, family) in &families {
            assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
            if family.kind == "histogram" {
                assert_histogram(name, family);
            }
        }
    }
}

#[test]
fn what_happens_is_counted() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    for value in 0..10 {
        assert_eq!(client.send(post_pixel(1, 1, 'R', value)).answer().status, 200);
    }
    let rows = [process::client::pixel(1, 1, 'R', 1), "{}".to_owned()].join("\n");
    assert_eq!(client.send(request("POST", "/pixels", "application/x-ndjson", rows)).answer().status, 207);
    assert_eq!(client.send(plain("DELETE", "/pixels")).answer().status, 200);
    assert_eq!(client.send(request("POST", "/pixel", "application/json", "{}")).answer().status, 422);
    assert_eq!(client.send(plain("GET", "/nowhere")).answer().status, 404);
    assert_eq!(client.send(plain("GET", "/pixels")).answer().status, 200);
    assert_eq!(server.connect().send("nonsense\r\n\r\n").answer().status, 400);
    // That client has closed, which its worker sees a little later.
    let before = await_that(
        "the other connection's end",
        || families(client.send(plain("GET", "/metrics")).answer().text()),
        |metrics| value(metrics, "pixeld_http_connections", "") == 1.0,
    );
    for (name, labels, expected) in [
        ("pixeld_http_requests_total", r#"route="POST /pixel",code="200""#, 10.0),
        ("pixeld_http_requests_total", r#"route="POST /pixel",code="422""#, 1.0),
        ("pixeld_http_requests_total", r#"route="POST /pixels",code="207""#, 1.0),
        ("pixeld_http_requests_total", r#"route="GET /pixels",code="200""#, 1.0),
        ("pixeld_http_requests_total", r#"route="DELETE /pixels",code="200""#, 1.0),
        ("pixeld_http_rejected_total", r#"reason="bad_request""#, 1.0),
        ("pixeld_journal_records_total", "", 12.0),
        ("pixeld_ingest_pixels_total", r#"outcome="accepted""#, 11.0),
        ("pixeld_ready", "", 1.0),
        ("pixeld_journal_no_space", "", 0.0),
    ] {
        assert_eq!(value(&before, name, labels), expected, "{name}{{{labels}}}");
    }
    let synced = value(&before, "pixeld_journal_synced_offset", "");
    assert_eq!(synced, value(&before, "pixeld_journal_written_offset", ""));
    assert!(value(&before, "process_resident_memory_bytes", "") > 1e6);
    let after = families(client.send(plain("GET", "/metrics")).answer().text());
    for (name, family) in before.iter().filter(|(_, family)| family.kind != "gauge") {
        for (sample, labels, earlier) in &family.samples {
            let later = after[name].samples.iter().find(|later| later.0 == *sample && later.1 == *labels);
            assert!(later.expect("it stays").2 >= *earlier, "{sample}{{{labels}}} goes back");
        }
    }
}

#[test]
fn alive_ready_and_which_version() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    assert_eq!(client.send(plain("GET", "/livez")).answer().text(), "live\n");
    assert_eq!(client.send(plain("GET", "/readyz")).answer().text(), "ready\n");
    let version = client.send(plain("GET", "/version")).answer().json();
    assert_eq!(
        (&version["name"], &version["version"]),
        (&Value::from("pixeld"), &Value::from(env!("CARGO_PKG_VERSION")))
    );
    // While it drains it is alive and not ready.
    let mut draining = [server.connect(), server.connect()];
    for (client, path) in draining.iter_mut().zip(["/livez", "/readyz"]) {
        client.send(format!("GET {path} HTTP/1.1\r\n"));
    }
    assert_eq!(client.send(plain("GET", "/livez")).answer().status, 200);
    server.signal(Signal::TERM);
    client.assert_end();
    let answers = draining.each_mut().map(|client| client.send("Host: x\r\n\r\n").answer());
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 503]);
    assert_eq!(answers[1].text(), "draining\n");
}

#[test]
fn the_openapi_document_and_the_index_name_every_route() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let answer = client.send(plain("GET", "/openapi.json")).answer();
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let document = answer.json();
    let reference = client.send(plain("GET", "/docs")).answer();
    let page = client.send(plain("GET", "/")).answer();
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    for (path, method) in [
        ("/pixel", "post"),
        ("/pixels", "get"),
        ("/pixels", "post"),
        ("/pixels", "delete"),
        ("/pixels/count", "get"),
        ("/health", "get"),
        ("/livez", "get"),
        ("/readyz", "get"),
        ("/version", "get"),
        ("/metrics", "get"),
        ("/openapi.json", "get"),
    ] {
        assert!(document["paths"][path][method]["summary"].is_string(), "{method} {path}");
        assert!(reference.text().contains(path), "{path} in the reference");
    }
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    // What the page loads is there.
    let parts = [page.text(), reference.text()].into_iter().flat_map(|text| text.split(['"', '\'']));
    for part in parts.filter(|part| part.ends_with(".css") || part.ends_with(".js")) {
        let path = format!("/{}", part.trim_start_matches('/'));
        assert_eq!(client.send(plain("GET", &path)).answer().status, 200, "{path}");
    }
}

#[test]
fn openapi_describes_only_what_is_served() {
    let server = Server::fresh(&["--apps", "echo"]);
    let answer = server.connect().send(plain("GET", "/health")).answer();
    assert_eq!((answer.status, answer.text()), (200, ""), "echo answers there");
    assert_eq!(server.connect().send(plain("GET", "/livez")).answer().text(), "live\n");
}
