//! How `pixeld bench` ends: interrupts, targets that go away, outputs that can't be written. No end throws the run away.

use crate::measured::command::{Null, bench, command, free_port, read, signal, told};
use crate::measured::{OK, Reply, serve};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A server that counts the requests with a body and never answers them.
fn silent() -> (String, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let address = serve(move |body, _| {
        counter.fetch_add(u64::from(!body.is_empty()), Ordering::SeqCst);
        Reply::Bytes(Vec::new())
    });
    (format!("http://{address}"), asked)
}

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        sleep(LOOK_EVERY);
    }
}

fn start(arguments: &[&str]) -> Child {
    command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_interrupt_cuts_off_what_is_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    // A schedule with a backlog and a closed loop, neither of which could end before its time-out.
    for load in [&["-r", "100k"][..], &[]] {
        let (url, asked) = silent();
        let json = folder.path().join("r.json");
        let own = [&url, "-c", "4", "-d", "600s", "--timeout", "600s", "--json", json.to_str().unwrap()];
        let child = start(&[&own[..], load].concat());
        until(|| asked.load(Ordering::SeqCst) == 4);
        signal(&child, "-INT");
        let told = told(child.wait_with_output().unwrap());
        assert_eq!(told.code, 130, "{}{}", told.out, told.err);
        assert!(told.out.contains("4 requests in flight were cut off"), "{}", told.out);
        let report = read(&json);
        assert_eq!((&report["sent"], &report["cut_off"]), (&4.into(), &4.into()));
        // What the schedule wanted by then and no connection came free for is missing, as it is at the end of a whole run.
        let unsent = report["errors_by_kind"]["unsent"].as_u64().expect("a number");
        assert_eq!(report["errors"], unsent);
        assert_eq!(unsent > 0, !load.is_empty(), "{unsent}");
    }
}

#[test]
fn two_signals_at_once_are_one_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let (url, asked) = silent();
    let child =
        start(&[&url, "-c", "2", "-d", "600s", "--timeout", "600s", "--json", json.to_str().unwrap()]);
    until(|| asked.load(Ordering::SeqCst) == 2);
    for name in ["-INT", "-TERM", "-INT"] {
        // It may have ended already, as it should.
        let _ = Command::new("kill").args([name, &child.id().to_string()]).stderr(Stdio::null()).status();
    }
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 130, "{}", told.err);
    assert!(told.out.contains("interrupted") && read(&json)["interrupted"] == true, "{}", told.out);
}

#[test]
fn an_interrupt_in_the_warm_up_makes_no_figures() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let address = serve(move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Bytes(OK.to_vec())
    });
    let child = start(&[&format!("http://{address}"), "-c", "2", "--warmup", "600s"]);
    until(|| asked.load(Ordering::SeqCst) > 100);
    signal(&child, "-INT");
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 130, "{}", told.err);
    assert!(told.out.contains("limit: FAULT") && !told.out.contains("MB/s"), "{}", told.out);
}

#[test]
fn interrupted_tools_end_with_130() {
    let cache = tempfile::tempdir().unwrap();
    let calibration = command(&["calibrate", "-d", "600s", "-c", "2"])
        .env("XDG_CACHE_HOME", cache.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (url, asked) = silent();
    let search = start(&["search", &url, "--goal", "errors=0", "-d", "600s", "--timeout", "600s", "-c", "2"]);
    until(|| asked.load(Ordering::SeqCst) > 0);
    // The responder of a calibration is a child of it.
    let children = format!("/proc/{0}/task/{0}/children", calibration.id());
    let has_child = || {
        let known = std::fs::read_to_string(&children).unwrap_or_default();
        let threads = Path::new("/proc").join(calibration.id().to_string()).join("task");
        !known.trim().is_empty() || std::fs::read_dir(threads).is_ok_and(|threads| threads.count() > 2)
    };
    until(has_child);
    for child in [calibration, search] {
        signal(&child, "-INT");
        let told = told(child.wait_with_output().unwrap());
        assert_eq!(told.code, 130, "{}{}", told.out, told.err);
        assert!((told.out + &told.err).contains("interrupted"), "{}", told.err);
    }
    assert!(!cache.path().join("pixeld/calibration.json").exists());
}

#[test]
fn an_interrupt_ends_the_build_of_a_peer() {
    let folder = tempfile::tempdir().unwrap();
    let begun = folder.path().join("begun");
    let peer = format!(
        "about = \"a\"\nkeeps = \"no\"\nurl = \"http://127.0.0.1:1/pixel\"\nstart = [\"true\"]\nbuild = [[\"sh\", \"-c\", \"touch {}; \
         sleep 600\"]]\n",
        begun.display()
    );
    std::fs::write(folder.path().join("slow.toml"), peer).unwrap();
    let child = start(&["compare", "slow", "slow", "--peers", folder.path().to_str().unwrap()]);
    until(|| begun.exists());
    signal(&child, "-INT");
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 130, "{}", told.err);
    assert!(told.err.contains("interrupted while"), "{}", told.err);
}

/// Returns true while the process runs: one that has ended may stay behind as a zombie.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn a_second_interrupt_ends_the_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let (script, pid) = (folder.path().join("start"), folder.path().join("pid"));
    let port = free_port();
    // It does not end when it is asked to, so that the first interrupt has to wait for it.
    let text = format!(
        "trap '' TERM\necho $$ > {}.new; mv {0}.new {0}\n{} bench null --listen 127.0.0.1:{port} &\nwhile :; do sleep 0.1; done\n",
        pid.display(),
        env!("CARGO_BIN_EXE_pixeld")
    );
    std::fs::write(&script, text).unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let child = start(&[&url, "--start", &format!("sh {}", script.display()), "-c", "2", "-d", "600s"]);
    until(|| pid.exists() && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    signal(&child, "-INT");
    // Further signals within half a second belong to the first one.
    sleep(Duration::from_millis(700));
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 130, "{}", told.err);
    let pid = std::fs::read_to_string(&pid).unwrap();
    until(|| !is_running(pid.trim()));
}

#[test]
fn a_check_that_fails_is_a_line_of_the_report() {
    let address = serve(|body, _| {
        let answer = if body.is_empty() { &b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"[..] } else { OK };
        Reply::Bytes(answer.to_vec())
    });
    let (url, folder) = (format!("http://{address}"), tempfile::tempdir().unwrap());
    let json = folder.path().join("r.json");
    let told = bench(&[&url, "-n", "50", "-c", "2", "--verify", "--json", json.to_str().unwrap()]);
    assert_eq!(told.code, 1, "{}", told.err);
    assert!(
        told.out.contains("failed     cannot read back") && told.out.contains("50 answers"),
        "{}",
        told.out
    );
    let report = read(&json);
    assert!(report["requests"] == 50 && report["verify"].is_null(), "{report}");
    assert!(report["faults"][0].as_str().unwrap().contains("cannot read back"), "{report}");
}

#[test]
fn a_path_that_cannot_be_written_is_refused_before_the_load() {
    let (url, asked) = silent();
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.json");
    let bad = folder.path().join("none/r").display().to_string();
    for arguments in [
        &[url.as_str(), "-d", "600s", "--json", good.to_str().unwrap(), "--html", &bad][..],
        &[&url, "-d", "600s", "--csv", &bad],
        &["search", &url, "--goal", "errors=0", "--json", &bad],
        &["compare", &url, &url, "--append", &bad],
    ] {
        let told = bench(arguments);
        assert_eq!(told.code, 2, "{arguments:?}: {}", told.err);
        assert!(told.err.contains("cannot write") && told.err.contains("none/r"), "{}", told.err);
    }
    assert!(asked.load(Ordering::SeqCst) == 0 && !good.exists());
}

#[test]
fn an_output_that_fails_takes_nothing_from_the_others() {
    let address = serve(|_, _| Reply::Bytes(OK.to_vec()));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, html) = (path("r.json"), path("r.html"));
    let url = format!("http://{address}");
    let told = bench(&[&url, "-n", "50", "-c", "2", "--json", &json, "--csv", "/dev/full", "--html", &html]);
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(told.err.contains("cannot write /dev/full") && told.out.contains("50 answers"), "{}", told.err);
    assert!(read(Path::new(&json))["requests"] == 50);
    assert!(std::fs::read_to_string(&html).unwrap().contains("</html>"));
}

#[test]
fn a_number_that_is_not_reached_because_the_target_is_gone_is_a_failure() {
    let mut null = Null::start(&[]);
    let child = start(&[&null.url, "-n", "1000M", "-c", "2", "--timeout", "100ms"]);
    sleep(Duration::from_millis(500));
    null.child.kill().unwrap();
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("gave up") || told.err.contains("refused"), "{}{}", told.out, told.err);
}

#[test]
fn a_ramp_keeps_the_steps_before_its_target_went() {
    let mut null = Null::start(&[]);
    let steps = vec!["50"; 200].join(",");
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let own = [
        &null.url,
        "--steps",
        &steps,
        "--step-duration",
        "200ms",
        "-c",
        "1",
        "--json",
        json.to_str().unwrap(),
    ];
    let child = start(&own);
    // The JSON's file is there, empty, from before the first step on.
    until(|| json.exists());
    sleep(Duration::from_millis(900));
    null.child.kill().unwrap();
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("the ramp ended before"), "{}{}", told.out, told.err);
    assert!(!read(&json)["steps"].as_array().unwrap().is_empty());
}
