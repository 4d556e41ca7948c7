//! What a measurement leaves: a report that other tools read and that its schema describes, a command that can be run again, no
//! secrets, and no files but those that were asked for.

use crate::measured::command::{Agent, Null, bench, command, free_port, read, signal, told};
use crate::measured::{OK, Reply, serve, serve_by_head};
use crate::schema::{breaches, published, unseen};
use crate::skip::skip;
use pixeld_bench::report::json::decode;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// Takes pixels and lists none, answers each fifth with an error and some with garbage, and has counters and a stage in /metrics.
fn server() -> SocketAddr {
    let answers = AtomicU64::new(0);
    serve_by_head(move |head, _, _| {
        let number = answers.fetch_add(1, Ordering::SeqCst);
        let body = match head.split(' ').nth(1) {
            Some("/metrics") => {
                let stage = |name: &str, value: &str| format!("pixeld_{name}{{stage=\"sync\"{value}\n");
                format!("pixeld_worker_syscalls_total {number}\npixeld_journal_syncs_total {number}\n")
                    + &format!("pixeld_journal_written_bytes_total {number}\n")
                    + &stage("request_seconds_count", &format!("}} {number}"))
                    + &stage("request_seconds_sum", &format!("}} {number}"))
                    + &stage("request_seconds_bucket", &format!(",le=\"+Inf\"}} {number}"))
            }
            Some("/pixels") => "{\"total\":0,\"data\":[]}".into(),
            _ if number % 40 == 39 => return Reply::Bytes(b"SSH-2.0-x\r\n".to_vec()),
            _ if number % 5 == 4 => {
                return Reply::Bytes(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy".to_vec());
            }
            _ => return Reply::Bytes(OK.to_vec()),
        };
        Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_published_schema_describes_every_report() {
    let (folder, root) = (tempfile::tempdir().unwrap(), published());
    let (url, port) = (format!("http://{}", server()), free_port());
    let started = format!("http://127.0.0.1:{port}");
    let start = format!("{} bench null --listen 127.0.0.1:{port}", env!("CARGO_BIN_EXE_pixeld"));
    let (secret, dead) = ("Authorization: x", format!("http://127.0.0.1:{}", free_port()));
    let requests = folder.path().join("requests").display().to_string();
    fs::write(&requests, "2 GET /a\nPOST /b -b 'x'\n").unwrap();
    let (one, other) = (Agent::start(&[]), Agent::start(&[]));
    let agents = format!("{},{}", one.address, other.address);
    let mut reports = Vec::new();
    for (at, arguments) in [
        &[url.as_str(), "-d", "300ms", "-c", "2", "-H", secret, "--goal", "p99<1s"][..],
        &[&url, "-r", "500", "-d", "300ms", "-c", "2", "--warmup", "50ms", "--pin", "0"],
        &[&url, "--steps", "100,200", "--step-duration", "200ms", "-c", "2"],
        &[&url, "-n", "50", "-c", "2", "--verify", "-t", "1"],
        &[&started, "--start", &start, "-d", "1s", "-c", "2", "--chaos", "pause server@100ms for 50ms"],
        &[&url, "-n", "1", "-m", "GET", "-c", "1"],
        &[&url, "--requests", &requests, "-n", "30", "-c", "1"],
        &[&url, "-d", "300ms", "-c", "2", "--agents", &agents],
        &[&dead, "-d", "100ms"],
    ]
    .iter()
    .enumerate()
    {
        let json = folder.path().join(format!("{at}.json"));
        let told = bench(&[*arguments, &["--json", json.to_str().unwrap()]].concat());
        // Nothing listens there, so there is no report.
        assert_eq!(json.exists(), arguments[0] != dead, "{arguments:?}: {}", told.err);
        if json.exists() {
            let report = read(&json);
            let found = breaches(&root, &root, &report, "report");
            assert!(found.is_empty(), "{arguments:?}: {found:#?}");
            reports.push(report);
        }
    }
    let unseen = unseen(&root, &root, &reports.iter().collect::<Vec<_>>(), "report");
    assert!(unseen.is_empty(), "the schema describes what no report has: {unseen:#?}");
    validate_elsewhere(folder.path());
}

/// Lets the usual validator have the last word, where it is installed.
fn validate_elsewhere(folder: &Path) {
    let script = "import glob, json, sys\n\
        try:\n    import jsonschema\nexcept ImportError:\n    sys.exit(99)\n\
        schema = json.load(open(sys.argv[1]))\n\
        jsonschema.Draft202012Validator.check_schema(schema)\n\
        for name in glob.glob(sys.argv[2] + '/*.json'):\n    jsonschema.validate(json.load(open(name)), schema)\n";
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bench-report.schema.json");
    match Command::new("python3").args(["-c", script, schema]).arg(folder).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) if output.status.code() != Some(99) => {
            panic!("{}", String::from_utf8_lossy(&output.stderr))
        }
        _ => skip(format_args!("Python's jsonschema is not installed")),
    }
}

#[test]
fn the_histogram_is_read_by_other_tools() {
    let (null, folder) = (Null::start(&[]), tempfile::tempdir().unwrap());
    let json = folder.path().join("r.json");
    let told = bench(&[&null.url, "-n", "500", "-c", "2", "--json", json.to_str().unwrap()]);
    assert_eq!(told.code, 0, "{}", told.err);
    let report = read(&json);
    let text = report["histogram"].as_str().unwrap();
    // How the compressed encoding begins, which all of HdrHistogram's tools tell by.
    assert!(text.starts_with("HISTFAAA"), "{text}");
    let ours = decode(text).unwrap();
    assert_eq!(ours.len(), 500);

    let packages = folder.path().join("packages");
    let installed = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
        .arg(&packages)
        .arg("hdrhistogram==0.10.8")
        .output();
    if !installed.is_ok_and(|output| output.status.success()) {
        skip(format_args!("hdrhistogram can't be had from PyPI"));
        return;
    }
    let script = "import json, sys\nfrom hdrh.histogram import HdrHistogram\n\
        h = HdrHistogram.decode(json.load(open(sys.argv[1]))['histogram'])\n\
        print(h.total_count, h.get_value_at_percentile(50), h.get_value_at_percentile(99), h.get_max_value())\n";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(&json)
        .env("PYTHONPATH", &packages)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs = String::from_utf8(output.stdout).unwrap();
    let values = [0.5, 0.99, 1.0].map(|quantile| ours.value_at_quantile(quantile));
    assert_eq!(theirs.trim(), format!("500 {} {} {}", values[0], values[1], values[2]));
}

#[test]
fn no_secret_stands_in_any_output() {
    let address = serve(|_, _| Reply::Bytes(OK.to_vec()));
    let url = format!("http://{address}/pixel");
    let with_user = format!("http://me:s3cr3t@{address}/pixel");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, html, csv, hgrm) = (path("r.json"), path("r.html"), path("r.csv"), path("r.hgrm"));
    let (results, found) = (path("results.jsonl"), path("search.json"));
    let outputs = ["--json", &json, "--html", &html, "--csv", &csv, "--hgrm", &hgrm];
    let fields: &[&str] = &[
        "-H",
        "Authorization: Bearer s3cr3t",
        "-HCookie: id=s3cr3t",
        "--header",
        "x-auth-token: s3cr3t",
        "--header=X-CSRF-Token: s3cr3t",
        "-H",
        "Proxy-Authorization:s3cr3t",
        "-H",
        "X-Api-Key: s3cr3t",
    ];
    let load = ["-c", "1", "-d", "100ms", "--no-probe"];
    let mut said = String::new();
    for (arguments, code) in [
        ([&[url.as_str()], &load[..], fields, &outputs].concat(), 0),
        ([&["compare", &url, &url, "--rounds", "1", "--append", &results], &load[..], fields].concat(), 0),
        (
            [&["search", &url, "--goal", "p99<1ns", "--from", "20", "--json", &found], &load[..], fields]
                .concat(),
            3,
        ),
        ([&[with_user.as_str()], &load[..]].concat(), 2),
        ([&["search", &with_user, "--goal", "errors=0"], &load[..]].concat(), 2),
        ([&["compare", &with_user, &with_user], &load[..]].concat(), 2),
        ([&[url.as_str(), "--verify", "--verify-host", &with_user], &load[..]].concat(), 2),
    ] {
        let told = bench(&arguments);
        assert_eq!(told.code, code, "{arguments:?}: {}{}", told.out, told.err);
        said += &(told.out + &told.err);
    }
    assert!(said.contains("Authorization: Basic"), "{said}");
    for file in files(folder.path()) {
        said += &fs::read_to_string(file).unwrap();
    }
    assert!(!said.contains("s3cr3t"), "{}", said.lines().find(|line| line.contains("s3cr3t")).unwrap());
    assert!(said.contains("Authorization: [hidden]"));
}

#[test]
fn no_secret_that_an_answer_repeats_stands_in_an_output() {
    // The request's head comes back in a body, in a redirect's target, and as what is no HTTP.
    let address = serve_by_head(|head, _, number| {
        let echo = format!("X: {} {head}", head.len());
        Reply::Bytes(match number % 3 {
            0 => format!("HTTP/1.1 401 No\r\nContent-Length: {}\r\n\r\n{echo}", echo.len()).into_bytes(),
            1 => b"HTTP/1.1 302 Go\r\nLocation: http://me:s3cr3t@h/?s3cr3t\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
            _ => b"s3cr3t".to_vec(),
        })
    });
    let url = format!("http://{address}/");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, html, markdown, junit) = (path("r.json"), path("r.html"), path("r.md"), path("r.xml"));
    let requests = tempfile::NamedTempFile::new().unwrap();
    fs::write(requests.path(), "GET /a -H 'X-Own-Token: s3cr3t'\n").unwrap();
    let outputs = ["--json", &json, "--html", &html, "--markdown", &markdown, "--junit", &junit];
    let own = [&url, "-c", "1", "-n", "9", "--no-probe"];
    for (more, code) in [
        (&["-H", "Authorization: Bearer s3cr3t", "-H", "X-Auth-Token: s3cr3t"][..], 0),
        (&["--requests", requests.path().to_str().unwrap()], 0),
        (&["-H", "Cookie: s3cr3t{{what}}"], 2),
    ] {
        let told = bench(&[&own[..], more, &outputs].concat());
        assert_eq!(told.code, code, "{more:?}: {}{}", told.out, told.err);
        let mut said = told.out + &told.err;
        for file in files(folder.path()) {
            said += &fs::read_to_string(file).unwrap();
        }
        assert!(!said.contains("s3cr3t"), "{}", said.lines().find(|line| line.contains("s3cr3t")).unwrap());
        assert!(said.contains("[hidden]"), "{said}");
    }
}

#[test]
fn the_recorded_command_can_be_run_again() {
    let address = serve(|_, _| Reply::Bytes(OK.to_vec()));
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("it's r.json");
    let told = bench(&[
        &format!("http://{address}/pixel?a=1&b='2'"),
        "-n",
        "20",
        "-c",
        "2",
        "-b",
        "{\"a\": \"$HOME `id` {{n}}\"}\n",
        "--goal",
        "p99<60s",
        "-H",
        "X-A: b \"c\"",
        "--json",
        json.to_str().unwrap(),
    ]);
    assert_eq!(told.code, 0, "{}", told.err);
    let first = read(&json);
    fs::remove_file(&json).unwrap();
    let output = Command::new("sh").args(["-c", first["command"].as_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = read(&json);
    for key in ["command", "url", "scenario", "requests"] {
        assert_eq!(first[key], again[key], "{key}");
    }
}

/// A peer that answers, and one that ends at once; their files are in the folder.
fn peers() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let exe = env!("CARGO_BIN_EXE_pixeld");
    for (name, start) in [
        ("good", format!("[\"{exe}\", \"bench\", \"null\", \"--listen\", \"127.0.0.1:PORT\"]")),
        ("bad", "[\"sh\", \"-c\", \"echo no luck; exit 3\"]".to_string()),
    ] {
        let port = free_port();
        let text = format!(
            "about = \"a\"\nkeeps = \"no\"\nurl = \"http://127.0.0.1:{port}/pixel\"\nstart = {}\n",
            start.replace("PORT", &port.to_string())
        );
        fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
    }
    folder
}

fn in_temporary(folder: &Path, arguments: &[&str]) -> crate::measured::command::Told {
    told(
        command(arguments)
            .env("TMPDIR", folder)
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .output()
            .unwrap(),
    )
}

#[test]
fn what_is_started_leaves_nothing_behind() {
    let (temporary, peers) = (tempfile::tempdir().unwrap(), peers());
    let (place, port) = (temporary.path(), free_port());
    let start = format!("{} bench null --listen 127.0.0.1:{port}", env!("CARGO_BIN_EXE_pixeld"));
    let url = format!("http://127.0.0.1:{port}");
    let peers = peers.path().to_str().unwrap();
    // A folder of the user's that has the name of a peer.
    let runs = tempfile::tempdir().unwrap();
    fs::create_dir(runs.path().join("good")).unwrap();
    fs::write(runs.path().join("good/mine"), "1").unwrap();
    let load = ["-d", "100ms", "-c", "1", "--no-probe"];
    let compare = ["compare", "good", "good", "--rounds", "1", "--peers", peers];
    for arguments in [
        [&[url.as_str(), "--start", &start], &load[..]].concat(),
        [&compare[..], &load[..]].concat(),
        [&compare[..], &["--run-dir", runs.path().to_str().unwrap()], &load[..]].concat(),
        vec!["calibrate", "-d", "100ms", "-c", "1"],
    ] {
        let told = in_temporary(place, &arguments);
        assert_eq!(told.code, 0, "{arguments:?}: {}{}", told.out, told.err);
        let _ = fs::remove_dir_all(place.join("cache"));
        assert_eq!(files(place), Vec::<PathBuf>::new(), "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(runs.path().join("good/mine")).unwrap(), "1");
    assert_eq!(files(runs.path()).len(), 1);
}

#[test]
fn the_log_of_a_server_that_failed_stays_and_is_named() {
    let (temporary, peers) = (tempfile::tempdir().unwrap(), peers());
    let peers = peers.path().to_str().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    for arguments in [
        &[url.as_str(), "--start", "sh -c 'echo no luck; exit 3'"][..],
        &["compare", "good", "bad", "--peers", peers, "-d", "100ms", "--no-probe"],
    ] {
        let told = in_temporary(temporary.path(), arguments);
        assert_eq!(told.code, 1, "{}{}", told.out, told.err);
        let named = told.err.split("all of it is in ").nth(1).unwrap().split(')').next().unwrap();
        let log = Path::new(named);
        assert_eq!(fs::read_to_string(log).unwrap(), "no luck\n");
        let folder = log.parent().unwrap();
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_second_interrupt_leaves_no_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let port = free_port();
    let start = format!(
        "sh -c \"trap '' TERM; {} bench null --listen 127.0.0.1:{port}\"",
        env!("CARGO_BIN_EXE_pixeld")
    );
    let url = format!("http://127.0.0.1:{port}");
    let child = command(&[&url, "--start", &start, "-c", "1", "-d", "600s"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        sleep(Duration::from_millis(5));
    }
    signal(&child, "-INT");
    sleep(Duration::from_millis(700));
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 130, "{}", told.err);
    assert_eq!(files(temporary.path()), Vec::<PathBuf>::new());
}
