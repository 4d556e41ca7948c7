//! What is refused before the load, with exit code 2 and a sentence that says what to do instead.

use crate::measured::command::{Told, bench, command, read, told};
use crate::measured::{OK, Reply, serve, serve_by_head};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// A server that counts what it is asked.
fn counting() -> (String, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let address = serve(move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Bytes(OK.to_vec())
    });
    (format!("http://{address}/pixel"), asked)
}

fn file(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn refused(told: &Told, said: &str) {
    assert_eq!(told.code, 2, "{}{}", told.out, told.err);
    assert!(told.err.contains(said) && told.out.is_empty(), "{said}: {}{}", told.out, told.err);
}

#[test]
fn a_file_without_an_end_is_an_error() {
    let (url, asked) = counting();
    let zero = "/dev/zero";
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(zero, folder.path().join("peer.toml")).unwrap();
    let peers = folder.path().to_str().unwrap();
    let https = "https://127.0.0.1:1/";
    for (arguments, said) in [
        (&[url.as_str(), "--against", "/dev/../dev/zero"][..], "no text"),
        (&[&url, "--requests", zero], "no text"),
        (&[&url, "--body-lines", zero], "no text"),
        (&[&url, "--scenario", zero], "no text"),
        (&[https, "--cacert", zero], "more than 16 MiB"),
        (&[&url, "-s", zero], "no Lua scripts"),
        (&["diff", zero, zero], "no text"),
        (&["table", zero], "no text"),
        (&["compare", "peer", "peer", "--peers", peers], "no text"),
    ] {
        refused(&bench(arguments), said);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_line_that_compare_did_not_write_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (text, said) in [
        ("{\"schema\":1}\n", "line 1: it has no `name`"),
        ("{\"schema\":2,\"rate\":1}\n", "its schema is 2"),
        ("[]\n", "it has no `schema`"),
        ("\n", "no result"),
    ] {
        let results = file(&folder, "results.jsonl", text);
        refused(&bench(&["table", &results]), said);
    }
}

#[test]
fn a_cpu_that_is_not_there_is_a_usage_error() {
    let (url, asked) = counting();
    for arguments in [
        &[url.as_str(), "--pin", "99"][..],
        &[&url, "--pin", "0,99999"],
        &[&url, "--start", "true", "--start-pin", "99"],
        &["search", &url, "--goal", "errors=0", "--pin", "99"],
        &["compare", &url, &url, "--pin", "99"],
        &["calibrate", "--pin", "99"],
        &["calibrate", "--server-pin", "99"],
    ] {
        let told = bench(arguments);
        refused(&told, "lscpu");
        assert!(told.err.contains("pin: "), "{}", told.err);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_number_of_requests_is_refused_where_a_rate_has_to_last() {
    for arguments in [
        &["search", "http://127.0.0.1:1", "--goal", "errors=0", "-n", "5"][..],
        &["search", "http://127.0.0.1:1", "--goal", "errors=0", "--requests", "5"],
        &["calibrate", "-n", "5"],
    ] {
        refused(&bench(arguments), "-n does nothing");
    }
}

#[test]
fn what_is_wrong_with_a_field_is_told_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = "http://127.0.0.1:1/";
    let scenario = file(&folder, "s.toml", "header = [\"Authorization Bearer s3cr3t\"]\n");
    let requests = file(&folder, "requests", "GET /a -H 'Authorization Bearer s3cr3t'\n");
    let json = file(&folder, "json", "{\"path\":\"/\",\"headers\":\"Authorization: s3cr3t\"}\n");
    for arguments in [
        &[url, "-H", "Authorization Bearer s3cr3t"][..],
        &[url, "-H", "A: b", "-HAuthorization Bearer s3cr3t"],
        &[url, "--header=Bearer s3cr3t: x"],
        &[url, "-H", "Authorization: s3cr3t\nX: y"],
        &["search", url, "--goal", "errors=0", "-H", "Bearer s3cr3t"],
        &["compare", url, url, "-H", "Bearer s3cr3t"],
        &[url, "--scenario", &scenario],
        &[url, "--requests", &requests],
        &[url, "--requests", &json],
        // The option was forgotten.
        &[url, "Authorization: Bearer s3cr3t"],
    ] {
        let told = bench(arguments);
        assert_eq!(told.code, 2, "{arguments:?}: {}", told.err);
        assert!(!told.err.contains("s3cr3t") && !told.out.contains("s3cr3t"), "{arguments:?}: {}", told.err);
    }
    let told = bench(&[url, "-H", "A: b", "-H", "nocolon"]);
    refused(&told, "-H, field 2 of 2: write 'Name: value'");
}

#[test]
fn two_names_of_one_place_are_one_place() {
    let (url, asked) = counting();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::os::unix::fs::symlink(folder.path().join("x"), folder.path().join("link")).unwrap();
    let own = [url.as_str(), "-n", "20", "-c", "1", "--no-probe"];
    for (one, other) in [
        (path("x"), path("./x")),
        (path("x"), path("link")),
        (path("link"), path("x")),
        ("/dev/stdout".into(), "/dev/stdout".into()),
        ("-".into(), "/dev/stdout".into()),
        ("/dev/fd/1".into(), "-".into()),
    ] {
        let told = bench(&[&own[..], &["--json", &one, "--html", &other]].concat());
        refused(&told, "both go to");
        assert!(!Path::new(&path("x")).exists(), "{one} {other}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let told = bench(&[&own[..], &["--json", "/dev/null", "--html", "/dev/null"]].concat());
    assert!(told.code == 0 && told.out.contains("20 answers"), "{}", told.err);
}

#[test]
fn an_output_on_stdout_is_all_that_stands_there() {
    let (url, _) = counting();
    let folder = tempfile::tempdir().unwrap();
    let own = [url.as_str(), "-n", "20", "-c", "1", "--no-probe"];
    let search =
        ["search", &url, "--goal", "errors=0", "--from", "50", "-c", "1", "-d", "200ms", "--no-probe"];
    for (arguments, key) in [(&own[..], "requests"), (&search[..], "curve")] {
        let told = bench(&[arguments, &["--json", "-"]].concat());
        assert!(
            serde_json::from_str::<serde_json::Value>(&told.out).unwrap()[key] != serde_json::Value::Null
        );
        // The file that a shell made stdout of, under its own name.
        let out = folder.path().join("out");
        let status = command(&[arguments, &["--json", out.to_str().unwrap()]].concat())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok());
        assert!(!read(&out)[key].is_null());
    }
    assert!(!Path::new("-").exists());
}

#[test]
fn conditions_that_differ_from_the_baseline_s_are_told_before_the_load() {
    let (url, asked) = counting();
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("main.json").display().to_string();
    let own = ["-c", "2", "-d", "300ms", "--no-probe"];
    assert_eq!(bench(&[&[url.as_str(), "--save", &name], &own[..]].concat()).code, 0);
    let before = asked.load(Ordering::SeqCst);
    for (more, said) in [
        (&["-p", "3"][..], "pipeline"),
        (&["-H", "X-A: b"], "headers"),
        (&["-r", "100"], "load"),
        (&["--warmup", "1s"], "warmup_ns"),
    ] {
        let told = bench(&[&[url.as_str(), "--against", &name], &own[..], more].concat());
        refused(&told, said);
        assert!(told.err.contains("--force") && told.err.contains(&name), "{}", told.err);
    }
    let steps = ["--steps", "50,100", "--step-duration", "300ms"];
    let told = bench(&[&[url.as_str(), "--against", &name, "-c", "2", "--no-probe"], &steps[..]].concat());
    refused(&told, "can't be compared");
    assert_eq!(asked.load(Ordering::SeqCst), before, "no load");

    let ramp = folder.path().join("ramp.json").display().to_string();
    let own = [url.as_str(), "-c", "2", "--no-probe"];
    assert_eq!(bench(&[&own[..], &steps[..], &["--save", &ramp]].concat()).code, 0);
    let told = bench(&[&own[..], &steps[..], &["--against", &ramp, "--fail-if", "p50>1000"]].concat());
    assert_eq!(told.code, 0, "the same ramp: {}{}", told.out, told.err);
    let other = ["--steps", "50,150", "--step-duration", "300ms", "--against", &ramp];
    refused(&bench(&[&own[..], &other[..]].concat()), "the ramp");
}

/// Runs a file of requests and returns what the server was asked.
fn asked_by(text: impl AsRef<[u8]>, number: &str) -> (Told, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let requests = file(&folder, "requests", text);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let address = serve_by_head(move |head, _, _| {
        all.lock().unwrap().push(head.lines().next().unwrap().to_string());
        Reply::Bytes(OK.to_vec())
    });
    let url = format!("http://{address}");
    let told = bench(&[&url, "--requests", &requests, "-n", number, "-c", "1", "--no-probe"]);
    let seen = seen.lock().unwrap().clone();
    (told, seen)
}

#[test]
fn oddities_of_a_file_of_requests_are_sent_as_meant_or_refused() {
    for (text, asked) in [
        ("\u{feff}GET /a\r\n", "GET /a HTTP/1.1"),
        ("GET /a?b#c\n", "GET /a?b HTTP/1.1"),
        ("GET /ä b\n", ""),
        ("GET /ä\n", "GET /%C3%A4 HTTP/1.1"),
        ("10.0.0.1 - - [x] \"GET /\\xC3\\xA4 HTTP/1.1\" 200 5\n", "GET /%C3%A4 HTTP/1.1"),
    ] {
        let (told, seen) = asked_by(text, "1");
        match asked {
            "" => assert_eq!(told.code, 2, "{text}: {}", told.err),
            asked => assert_eq!((told.code, seen.as_slice()), (0, &[asked.to_string()][..]), "{}", told.err),
        }
    }
    let logged = |request: &str| format!("10.0.0.1 - - [x] \"{request}\" 400 0\n");
    for (text, said) in [
        ("-3 GET /a\n".to_string(), "`-3` is no weight"),
        ("CONNECT /a\n".into(), "tunnel"),
        ("18446744073709551615 GET /a\n1 GET /b\n".into(), "a turn of all requests"),
        (logged("-") + &logged("CONNECT h:1 HTTP/1.1"), "2 of 2 lines hold no request"),
        ("10.0.0.1 GET /a 200\n".into(), "looks like a log"),
    ] {
        let (told, seen) = asked_by(&text, "1");
        refused(&told, said);
        assert!(seen.is_empty(), "{text}");
    }
    let (told, seen) = asked_by(logged("-") + &logged("GET /a HTTP/1.1"), "2");
    assert_eq!((told.code, seen.len()), (0, 2), "{}", told.err);
    assert!(told.err.contains("1 of 2 lines hold no request and are left out"), "{}", told.err);
    refused(&bench(&["http://127.0.0.1:1/", "-m", "CONNECT"]), "tunnel");
}

#[test]
fn a_url_is_read_as_a_browser_reads_it() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let address = serve_by_head(move |head, _, _| {
        all.lock().unwrap().push(head.lines().next().unwrap().to_string());
        Reply::Bytes(OK.to_vec())
    });
    for url in [format!("HTTP://{address}/ä?b#c"), format!("{address}/%C3%A4?b")] {
        let told = bench(&[&url, "-n", "1", "-c", "1", "--no-probe"]);
        assert_eq!(told.code, 0, "{}", told.err);
    }
    assert_eq!(*seen.lock().unwrap(), ["GET /%C3%A4?b HTTP/1.1"; 2]);
    // With TLS, which this server does not speak.
    let told = bench(&[&format!("HTTPS://{address}/"), "-n", "1", "-c", "1", "--no-probe", "--insecure"]);
    assert!(told.code == 1 && (told.out + &told.err).contains("TLS"), "not an unknown scheme");
}

/// The report's files of a run whose body comes from stdin: what is read there is bounded too.
#[test]
fn stdin_without_an_end_is_an_error() {
    let (url, _) = counting();
    let endless: PathBuf = "/dev/zero".into();
    for arguments in
        [&[url.as_str(), "--requests", "-"][..], &[&url, "--body-lines", "-"], &["diff", "-", "-"]]
    {
        let output = command(arguments).stdin(fs::File::open(&endless).unwrap()).output().unwrap();
        refused(&told(output), "stdin is no text");
    }
}
