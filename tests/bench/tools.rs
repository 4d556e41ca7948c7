//! The tools around a measurement through the real binary: what they print, what they write, how they end.

use crate::measured::command::{Null, bench, command, free_port, read, told};
use crate::measured::{OK, Reply, serve};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// A report as `--json` writes it, as far as `diff` looks at it.
fn report(rate: f64, kernel: &str) -> String {
    let series: Vec<Value> = (0..20)
        .map(|at| json!({"rate": rate + f64::from(at % 3), "p50_ns": 1000 + at % 3, "p99_ns": 2000 + at % 5}))
        .collect();
    json!({
        "schema": 2,
        "environment": {"host": "h", "kernel": kernel},
        "scenario": {"load": "closed", "connections": 64},
        "series": series,
        "requests": 1000,
        "errors": 0,
        "server_cpu_ns_per_request": 4000.0,
    })
    .to_string()
}

#[test]
fn diff_ends_with_5_when_the_new_run_is_slower() {
    let folder = tempfile::tempdir().unwrap();
    let (fast, slow) = (file(&folder, "a", &report(1e5, "k")), file(&folder, "b", &report(0.8e5, "k")));
    let (other, none) = (file(&folder, "c", &report(1e5, "l")), file(&folder, "d", "{}"));
    let missing = folder.path().join("e");
    for (old, new, force, code, said) in [
        (&fast, &fast, false, 0, "NO DIFFERENCE"),
        (&slow, &fast, false, 0, "the new run is: FASTER"),
        (&fast, &slow, false, 5, "the new run is: SLOWER"),
        (&fast, &other, false, 2, "--force"),
        (&fast, &other, true, 0, "NO DIFFERENCE"),
        (&fast, &none, false, 2, "schema 2"),
        (&fast, &missing, false, 2, "cannot read"),
    ] {
        let force = if force { &["--force"][..] } else { &[] };
        let told = bench(&[&["diff", old.to_str().unwrap(), new.to_str().unwrap()], force].concat());
        assert_eq!(told.code, code, "{}{}", told.out, told.err);
        assert!((told.out.clone() + &told.err).contains(said), "{}{}", told.out, told.err);
    }
}

#[test]
fn the_help_shows_placeholders_as_they_are_written() {
    let told = bench(&["--help"]);
    assert_eq!(told.code, 0);
    for part in ["{{ n }}", "--scenario", "130 interrupted", "Examples:"] {
        // Lines end where the terminal's width has them end.
        let words = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(part), "{part}: {}", told.out);
    }
}

#[test]
fn diff_takes_what_a_run_wrote() {
    let (null, folder) = (Null::start(&[]), tempfile::tempdir().unwrap());
    let json = folder.path().join("r.json").display().to_string();
    assert_eq!(bench(&[&null.url, "-d", "1s", "-c", "4", "--json", &json]).code, 0);
    let told = bench(&["diff", &json, &json]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains("rate") && told.out.contains("the new run is: NO DIFFERENCE"), "{}", told.out);
}

/// A folder with two peers, both null responders, one of which answers late.
fn peers() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, delay) in [("prompt", "0s"), ("late", "20ms")] {
        let port = free_port();
        let text = format!(
            "about = \"{name} answers\"\nkeeps = \"no\"\nurl = \"http://127.0.0.1:{port}/pixel\"\nstart = [\"{{exe}}\", \
             \"bench\", \"null\", \"--listen\", \"127.0.0.1:{port}\", \"--delay\", \"{delay}\"]\n"
        );
        file(&folder, &format!("{name}.toml"), &text);
    }
    folder
}

#[test]
fn compare_runs_its_servers_in_turns_and_its_code_is_its_verdict() {
    let (peers, runs) = (peers(), tempfile::tempdir().unwrap());
    let (folder, results) = (peers.path().to_str().unwrap(), runs.path().join("results.jsonl"));
    let load = ["--rounds", "8", "-d", "150ms", "-c", "4", "--peers", folder];
    let kept = ["--append", results.to_str().unwrap(), "--run-dir", folder];
    let told = bench(&[&["compare", "prompt", "late"], &load[..], &kept[..]].concat());
    let order: Vec<&str> = told.err.lines().filter_map(|line| line.split([' ', ':']).nth(2)).collect();
    let turns = ["prompt", "late", "late", "prompt"].repeat(4);
    assert_eq!(order, turns, "{}", told.err);
    let is_slower = told.out.contains("  late: SLOWER");
    assert_eq!(told.code, if is_slower { 5 } else { 0 }, "{}{}", told.out, told.err);
    // Four connections that wait 20 ms for each answer get at most 200 a second, however busy this host is.
    let rate_row = told.out.lines().find(|line| line.starts_with("  rate")).unwrap();
    assert!(rate_row.ends_with("SLOWER"), "{}", told.out);

    let lines: Vec<Value> = fs::read_to_string(&results)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[1]["name"], &lines[1]["rounds"]), (&"late".into(), &8.into()));
    assert!(lines[1]["medians"]["rate"].as_f64().unwrap() <= 201.0, "{}", lines[1]["medians"]);
    assert!(lines[0]["medians"]["server_cpu"].as_f64().unwrap() > 0.0);

    let readme = file(
        &runs,
        "README.md",
        "# T\n<!-- made by `pixeld bench table` -->\n<!-- end of what is made -->\n",
    );
    let told = bench(&["table", results.to_str().unwrap(), "--readme", readme.to_str().unwrap()]);
    assert_eq!(told.code, 0, "{}", told.err);
    let table = fs::read_to_string(readme).unwrap();
    assert!(table.contains("| prompt answers |") && table.contains("| late answers |"), "{table}");
}

#[test]
fn compare_says_what_is_missing() {
    let peers = peers();
    let folder = peers.path().to_str().unwrap();
    for (targets, code, said) in [
        (&["prompt"][..], 2, "--wrk"),
        (&["prompt", "nobody"], 2, "there are late, prompt"),
        (&["http://127.0.0.1:1/pixel", "prompt"], 1, "refused"),
    ] {
        let told = bench(&[&["compare", "--peers", folder, "-d", "100ms"], targets].concat());
        assert_eq!(told.code, code, "{}", told.err);
        assert!(told.err.contains(said), "{}", told.err);
    }
}

#[test]
fn search_ends_between_what_holds_and_what_does_not() {
    // One connection that waits 10 ms for each answer has at most 100 a second.
    let url = format!(
        "http://{}",
        serve(|_, _| {
            std::thread::sleep(Duration::from_millis(10));
            Reply::Bytes(OK.to_vec())
        })
    );
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("search.json");
    let load =
        ["-c", "1", "-d", "500ms", "--from", "40", "--precision", "0.5", "--json", json.to_str().unwrap()];
    let told = bench(&[&["search", &url, "--goal", "errors=0"], &load[..]].concat());
    let found = read(&json);
    assert_eq!(told.code, if found["holds"].is_null() { 3 } else { 0 }, "{}{}", told.out, told.err);
    assert!(
        found["fails"].as_f64().unwrap() <= 320.0 && found["curve"].as_array().unwrap().len() > 1,
        "{found}"
    );
    if let Some(holds) = found["holds"].as_f64() {
        assert!(holds <= 101.0 && told.out.contains("highest rate: between"), "{}", told.out);
    }
    let told = bench(&[&["search", &url, "--goal", "p50<1ns"], &load[..]].concat());
    assert_eq!(told.code, 3, "{}", told.err);
    assert!(told.out.contains("no rate that was tried holds the goal"), "{}", told.out);
}

#[test]
fn a_client_that_is_the_wall_ends_with_4_when_that_counts() {
    let null = Null::start(&[]);
    // Which part is the bottleneck depends on what else the host does; that the code says the same as the report does not.
    for (arguments, wall_counts) in
        [(&["-p", "64", "--strict"][..], true), (&["-p", "64"], false), (&["-r", "50", "--strict"], true)]
    {
        let told = bench(&[&[&null.url, "-t", "1", "-d", "500ms"], arguments].concat());
        let is_client = told.out.contains("limit: CLIENT");
        let is_wall = is_client || told.out.contains("limit: SHARED CPU");
        assert_eq!(told.code, if is_wall && wall_counts { 4 } else { 0 }, "{}{}", told.out, told.err);
        let is_bound = told.out.lines().any(|line| line.starts_with("rate       at least"));
        let is_open = arguments.contains(&"-r");
        assert_eq!(is_bound, is_wall && !is_open, "{}", told.out);
    }
}

#[test]
fn a_late_null_responder_is_as_late_as_was_asked() {
    let (null, folder) = (Null::start(&["--delay", "20ms"]), tempfile::tempdir().unwrap());
    let json = folder.path().join("r.json");
    let told = bench(&[&null.url, "-c", "3", "-p", "2", "-n", "30", "--json", json.to_str().unwrap()]);
    assert_eq!(told.code, 0, "{}", told.err);
    let report = read(&json);
    assert_eq!((&report["requests"], &report["errors"]), (&30.into(), &0.into()));
    assert!(report["latency_ns"]["p50"].as_u64().unwrap() >= 19_900_000, "{}", report["latency_ns"]);
}

#[test]
fn calibration_is_kept_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let with_cache =
        |arguments: &[&str]| told(command(arguments).env("XDG_CACHE_HOME", folder.path()).output().unwrap());
    let told = with_cache(&["calibrate", "-d", "100ms", "-c", "4"]);
    assert_eq!(told.code, 0, "{}", told.err);
    for part in ["floor latency", "highest rate", "CPU per request", "writing", "pacing error", "kept in"] {
        assert!(told.out.contains(part), "{}", told.out);
    }
    let known = read(&folder.path().join("pixeld/calibration.json"));
    assert!(
        known["rate"].as_f64().unwrap() > 0.0 && known["host"].as_str().unwrap().contains(" x "),
        "{known}"
    );
    let null = Null::start(&[]);
    let told = with_cache(&[&null.url, "-n", "100"]);
    assert!(told.out.contains("% of what the generator can do here"), "{}", told.out);
}

#[test]
fn every_scenario_of_the_project_runs_and_the_command_line_overrules_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/scenarios");
    let null = Null::start(&[]);
    let out = tempfile::tempdir().unwrap();
    let json = out.path().join("r.json").display().to_string();
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path).unwrap();
        let (verifies, is_ramp) = (text.contains("verify = true"), text.contains("steps ="));
        let (length, other) = if is_ramp { ("--step-duration", "-d") } else { ("-d", "--step-duration") };
        let load = ["-c", "3", "-t", "1", length, "200ms", "--warmup", "0s", "-n", "9"];
        let told =
            bench(&[&[&null.url, "--scenario", path.to_str().unwrap(), "--json", &json], &load[..]].concat());
        // The null responder keeps nothing, so all that it acknowledged is lost; goals may be missed on a busy host.
        let codes = if verifies { &[6][..] } else { &[0, 3] };
        assert!(codes.contains(&told.code), "{}: {} {}", path.display(), told.code, told.err);
        if !verifies {
            assert_eq!(read(Path::new(&json))["scenario"]["connections"], 3);
        }
        // The length that the scenario has no use for is refused.
        let told = bench(&[&null.url, "--scenario", path.to_str().unwrap(), other, "200ms"]);
        assert_eq!(told.code, 2, "{}: {}", path.display(), told.err);
    }
    assert!(seen >= 4);
    let wrong = file(&out, "wrong.toml", "connectons = 5\n");
    let told = bench(&["--scenario", wrong.to_str().unwrap()]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("wrong.toml") && told.err.contains("--connections"), "{}", told.err);
}
