//! A host that joins: it takes no writes before it has met the first host, and a snapshot where segments are gone. Both
//! are compared by `pixeld inspect`.

use crate::process;

use process::client::{pixel, request};
use process::pair::{Host, Pair, await_connected, await_ready, await_same, await_that};
use process::{Server, pixeld};
use rustix::process::Signal;

fn post(server: &Server, count: i32, y: i32) {
    let mut client = server.connect();
    for x in 0..count {
        let answer = client.send(request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1))).answer();
        assert_eq!(answer.status, 200);
    }
}

fn inspect(a: &Host, b: &Host) -> (Option<i32>, serde_json::Value) {
    let dirs = [&a.data_dir, &b.data_dir].map(|dir| dir.to_str().expect("a path").to_owned());
    let output = pixeld(&["inspect", &dirs[0], &dirs[1], "--json"]).output().expect("it runs");
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), told)
}

#[test]
fn a_newcomer_takes_a_snapshot_where_segments_are_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (a, cluster) = Host::found(directory.path(), "a", None);
    let server = a.start_alone(&[]);
    let mut client = server.connect();
    let body = format!("{}\n", pixel(1, 2, 'R', 3)).repeat(250_000);
    for _ in 0..3 {
        let answer = client.send(request("POST", "/pixels", "application/x-ndjson", &body)).answer();
        assert!((200..300).contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    post(&server, 100, 1);
    let first = a.data_dir.join("0000000001.seg");
    await_that("the first segment is removed", || first.exists(), |is_there| !is_there);
    post(&server, 100, 2);
    drop(server);

    let (b, _) = Host::found(directory.path(), "b", Some(&cluster));
    // Clients that try again and again find it closed until it has joined, and take nothing away from that.
    let mut other = b.start(&a, &[]);
    let mut client = other.connect();
    let mut refused = 0;
    let mut try_to_post = || {
        let answer = client.send(request("POST", "/pixel", "application/json", pixel(0, 3, 'R', 1))).answer();
        refused += i32::from(answer.status == 503);
        answer.status
    };
    assert_eq!(try_to_post(), 503);
    let mut one = a.start(&b, &[]);
    await_that("the first write that is taken", &mut try_to_post, |status| *status == 200);
    assert!(refused > 0 && !b.data_dir.join("joining").exists() && !b.data_dir.join("newcomer").exists());
    await_same(&one, &other, 201);
    post(&other, 9, 3);
    await_same(&one, &other, 210);
    // It has joined for good: a kill and a start change nothing.
    other.kill();
    drop(other);
    other = b.start(&a, &[]);
    post(&one, 10, 4);
    await_same(&one, &other, 220);
    for server in [&mut one, &mut other] {
        server.signal(Signal::TERM);
        assert!(server.wait().success(), "{}", server.stderr());
    }
    let (code, told) = inspect(&a, &b);
    assert_eq!((code, &told["verdict"]), (Some(0), &"same".into()), "{told:#}");
    let alone = a.start_alone(&[]);
    post(&alone, 1, 5);
    drop(alone);
    let (code, told) = inspect(&a, &b);
    assert_eq!((code, &told["verdict"]), (Some(3), &"behind".into()), "{told:#}");
    assert_eq!(inspect(&a, &Host::found(directory.path(), "c", None).0).0, Some(4), "another cluster");
}

#[test]
fn a_newcomer_takes_no_writes_before_it_has_met_the_first_host() {
    let pair = Pair::found();
    let mut b = pair.b.start(&pair.a, &[]);
    for round in 0..2 {
        let answer =
            b.connect().send(request("POST", "/pixel", "application/json", pixel(round, 1, 'R', 1))).answer();
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{}", answer.text());
        assert!(answer.text().contains("joining") && answer.text().contains("nothing was stored"));
        assert_eq!(b.ask("DELETE", "/pixels", "").0, 503);
        assert_eq!(
            b.ask("GET", "/readyz", ""),
            (503, "joining: no writes before the first host is met\n".to_owned())
        );
        assert_eq!(b.ask("GET", "/livez", "").0, 200);
        assert_eq!(b.ask("GET", "/pixels/count", "").1, "{\"total\":0}");
        let metrics = b.ask("GET", "/metrics", "").1;
        for line in ["pixeld_ready 0", "pixeld_http_rejected_total{reason=\"joining\"} 2"] {
            assert!(metrics.lines().any(|found| found == line), "no {line} in {metrics}");
        }
        b.wait_for("look at /health, --peer and --peer-key");
        // A crash makes it no less new.
        b.kill();
        drop(b);
        b = pair.b.start(&pair.a, &[]);
    }
    let a = pair.a.start(&pair.b, &[]);
    await_ready(&b);
    b.wait_for("met the first host");
    post(&a, 5, 1);
    post(&b, 5, 2);
    await_same(&a, &b, 10);
    drop((a, b));
    // From now on it is a host like the other one.
    let b = pair.b.start(&pair.a, &[]);
    post(&b, 5, 3);
    let a = pair.a.start(&pair.b, &[]);
    await_connected(&b);
    await_same(&a, &b, 15);
}

#[test]
fn a_newcomer_without_anybody_to_join_is_told_what_to_do() {
    let pair = Pair::found();
    let told = pair.b.refusal();
    assert!(told.contains("has not met the first host yet") && told.contains("pixeld forget-peer"), "{told}");
    // The first host is lost for good.
    let output = pixeld(&["forget-peer", "--data-dir"]).arg(&pair.b.data_dir).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("takes writes by itself"), "{told}");
    assert!(!told.contains("no second host"), "{told}");
    let b = pair.b.start_alone(&[]);
    post(&b, 5, 1);
}
