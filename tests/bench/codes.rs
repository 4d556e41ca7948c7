//! Every exit code of `pixeld bench`, provoked through the program, and the list of them in its help.

use crate::measured::command::{Null, Told, bench, command, free_port, signal, told};
use crate::measured::{OK, Reply, serve};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

const LOAD: [&str; 5] = ["-c", "2", "-d", "300ms", "--no-probe"];

fn answering(reply: impl Fn(u64) -> Reply + Send + Sync + 'static) -> String {
    let asked = AtomicU64::new(0);
    let address = serve(move |_, _| reply(asked.fetch_add(1, Ordering::SeqCst)));
    format!("http://{address}/pixel")
}

fn fine() -> String {
    answering(|_| Reply::Bytes(OK.to_vec()))
}

fn run(url: &str, more: &[&str]) -> Told {
    bench(&[&[url], &LOAD[..], more].concat())
}

fn coded(told: &Told, code: i32, what: &str) {
    assert_eq!(told.code, code, "{what}: {}{}", told.out, told.err);
}

#[test]
fn the_help_lists_every_code() {
    let text = bench(&["--help"]).out;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let list = words.split("Exit: ").nth(1).unwrap().split(" If several").next().unwrap();
    let number = |part: &str| part.split(' ').next()?.parse::<u32>().ok();
    let listed: BTreeSet<u32> = list.split(", ").filter_map(number).collect();
    // The tests of this file, each of one code or of several.
    assert_eq!(listed, BTreeSet::from([0, 1, 2, 3, 4, 5, 6, 130, 141]), "{list}");
}

#[test]
fn zero_and_one() {
    coded(&run(&fine(), &[]), 0, "answers");
    let closed = format!("http://127.0.0.1:{}", free_port());
    coded(&run(&closed, &[]), 1, "nothing listens");
    coded(&run(&answering(|_| Reply::Close), &[]), 1, "nothing is answered");
    coded(&run(&answering(|_| Reply::Close), &["--goal", "errors=0"]), 1, "and a goal is missed");
    coded(&run(&fine(), &["--json", "/dev/full"]), 1, "an output can't be written");
    let unreadable = serve(|body, _| {
        let no = &b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"[..];
        Reply::Bytes(if body.is_empty() { no } else { OK }.to_vec())
    });
    coded(&run(&format!("http://{unreadable}"), &["--verify"]), 1, "what was stored can't be read back");
    let port = free_port();
    let started = format!("http://127.0.0.1:{port}");
    coded(&run(&started, &["--start", "sh -c 'exit 3'"]), 1, "the server that was started ended");
    let errors = answering(|_| Reply::Bytes(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let compared = bench(&[&["compare", &fine(), &errors, "--rounds", "3"], &LOAD[..]].concat());
    coded(&compared, 1, "only one side has errors");
    coded(&bench(&["null", "--listen", "192.0.2.1:1"]), 1, "an address of another host");
}

#[test]
fn two() {
    for arguments in [
        &["--no-such-option"][..],
        &["-c", "0"],
        &["ftp://h/"],
        &["search"],
        &["compare", "http://h/"],
        &["diff", "/nowhere", "/nowhere"],
        &["table", "/nowhere"],
        &["--scenario", "/nowhere"],
        &["http://127.0.0.1:1", "--json", "/nowhere/x"],
    ] {
        coded(&bench(arguments), 2, &arguments.join(" "));
    }
}

#[test]
fn three() {
    coded(&run(&fine(), &["--goal", "p50<1ns"]), 3, "a goal is missed");
    coded(&run(&fine(), &["--abort-if", "rate<1000000M"]), 3, "a condition ended the run");
    let silent = answering(|_| Reply::Bytes(Vec::new()));
    let own = ["-d", "600s", "--timeout", "100ms", "--abort-if", "errors>1"];
    let told = bench(&[&[&silent, "-c", "2", "--no-probe"], &own[..]].concat());
    coded(&told, 3, "a condition ended a run in which nothing was answered");
    assert!(told.out.contains("ended early, since errors>1"), "{}", told.out);
    let own = ["search", &silent, "--goal", "p50<1ns", "--from", "100"];
    coded(&bench(&[&own[..], &LOAD, &["--timeout", "100ms"]].concat()), 1, "a search of nothing but errors");
    let own = ["search", &fine(), "--goal", "p50<1ns", "--from", "100"];
    coded(&bench(&[&own[..], &LOAD].concat()), 3, "no rate holds");
}

#[test]
fn four() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let url = answering(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Bytes(OK.to_vec())
    });
    let own = [&url, "-c", "2", "-d", "1s", "--no-probe", "--no-keepalive", "--strict"];
    let child = command(&own).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while asked.load(Ordering::SeqCst) < 100 {
        sleep(Duration::from_millis(1));
    }
    // From now on the generator can open no further connection: its host is what limits the rate.
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(3), maximum: Some(3) }).unwrap();
    let told = told(child.wait_with_output().unwrap());
    coded(&told, 4, "the generator has no files left");
    assert!(told.out.contains("limit: CLIENT") && told.out.contains("ulimit -n"), "{}", told.out);
}

/// What was stopped for a while must not pass for a target that was slow for a while.
#[test]
fn four_of_a_generator_that_stood_still() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let url = answering(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Bytes(OK.to_vec())
    });
    for load in [&["-r", "500"][..], &[]] {
        let own = [&[&url, "-c", "2", "-d", "2s", "--no-probe", "--strict"], load].concat();
        let before = asked.load(Ordering::SeqCst);
        let child = command(&own).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while asked.load(Ordering::SeqCst) < before + 100 {
            sleep(Duration::from_millis(1));
        }
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        sleep(Duration::from_millis(400));
        kill_process(pid, Signal::CONT).unwrap();
        let told = told(child.wait_with_output().unwrap());
        coded(&told, 4, "the generator stood still");
        assert!(told.out.contains("the generator stood still for"), "{}", told.out);
    }
}

#[test]
fn five() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("main.json").display().to_string();
    let wait = Arc::new(AtomicU64::new(0));
    let own = Arc::clone(&wait);
    let url = answering(move |_| {
        sleep(Duration::from_millis(own.load(Ordering::SeqCst)));
        Reply::Bytes(OK.to_vec())
    });
    let load = ["-c", "2", "-d", "1s", "--no-probe"];
    coded(&bench(&[&[url.as_str(), "--save", &name], &load[..]].concat()), 0, "the baseline");
    wait.store(100, Ordering::SeqCst);
    let slow = folder.path().join("slow.json").display().to_string();
    let told = bench(&[&[url.as_str(), "--against", &name, "--json", &slow], &load[..]].concat());
    coded(&told, 5, "slower than the baseline");
    coded(&bench(&["diff", &name, &slow]), 5, "a report of a slower run");
    let prompt = fine();
    let told = bench(&[&["compare", &prompt, &url, "--rounds", "6"], &LOAD[..]].concat());
    coded(&told, 5, "the slower one of two");
}

#[test]
fn six() {
    // It takes every pixel and keeps nothing.
    let null = Null::start(&[]);
    coded(&bench(&[&null.url, "-n", "50", "-c", "2", "--verify"]), 6, "what was acknowledged is lost");
    let told = bench(&[&null.url, "-n", "50", "-c", "2", "--verify", "--goal", "p50<1ns"]);
    coded(&told, 6, "and a goal is missed");
}

#[test]
fn a_hundred_and_thirty() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        let url = answering(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Reply::Bytes(OK.to_vec())
        });
        let own = [&url, "-c", "2", "-d", "600s", "--no-probe", "--goal", "p50<1ns"];
        let child = command(&own).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while asked.load(Ordering::SeqCst) < 100 {
            sleep(Duration::from_millis(1));
        }
        signal(&child, name);
        let told = told(child.wait_with_output().unwrap());
        coded(&told, 130, name);
        assert!(told.out.contains("interrupted"), "{}", told.out);
    }
}

#[test]
fn a_hundred_and_forty_one() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("r.jsonl").display().to_string();
    let line = r#"{"schema":1,"name":"a","scenario":{},"environment":{},"medians":{},"rounds":3}"#;
    fs::write(&results, line).unwrap();
    let url = fine();
    for (arguments, code) in [
        ([&[url.as_str()], &LOAD[..]].concat(), 141),
        (vec!["table", &results], 141),
        // What was found out weighs more than that nobody reads it.
        ([&[url.as_str(), "--goal", "p50<1ns"], &LOAD[..]].concat(), 3),
    ] {
        let mut child = command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let told = told(child.wait_with_output().unwrap());
        coded(&told, code, &arguments.join(" "));
    }
}
