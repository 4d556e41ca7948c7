//! `--verify` against servers that lose, repeat and alter; the outputs and exit codes of the whole command.

use crate::measured::command::free_port;
use crate::measured::{OK, Reply, SECOND, scenario, serve};
use pixeld_bench::report::{Verified, json};
use pixeld_bench::scenario::Scenario;
use pixeld_bench::scenario::pacer::Arrivals;
use pixeld_bench::scenario::request::Bodies;
use pixeld_bench::scenario::template::Template;
use pixeld_bench::tools::outputs::Outputs;
use pixeld_bench::tools::session::{Order, measure};
use pixeld_bench::tools::verify;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

fn listed(kept: &[String]) -> Reply {
    let list = format!("{{\"total\":{},\"data\":[{}]}}", kept.len(), kept.join(","));
    Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len()).into_bytes())
}

/// A server that keeps what `keep` makes of each posted body, and lists it; a request without a body asks for the list.
fn store<F>(keep: F) -> SocketAddr
where
    F: Fn(u64, String) -> Vec<String> + Send + Sync + 'static,
{
    let kept: Mutex<(u64, Vec<String>)> = Mutex::default();
    serve(move |body, _| {
        let mut kept = kept.lock().unwrap();
        if body.is_empty() {
            return listed(&kept.1);
        }
        let made = keep(kept.0, String::from_utf8(body.to_vec()).unwrap());
        kept.0 += 1;
        kept.1.extend(made);
        Reply::Bytes(OK.to_vec())
    })
}

fn verified(address: SocketAddr, requests: u64) -> Verified {
    let run = 77;
    let mut scenario = scenario(address);
    scenario.form.bodies = Bodies::One(Template::compile(&verify::template(run)).unwrap());
    let order = Order {
        agents: None,
        verify: Some((run, vec![scenario.target.clone()])),
        scenario: Scenario { requests: Some(requests), duration_ns: 60 * SECOND, pipeline: 8, ..scenario },
        steps: Vec::new(),
        arrivals: Arrivals::Constant,
        goals: Vec::new(),
        is_strict: false,
        chaos: Vec::new(),
        has_screen: false,
        launch: None,
        baseline: None,
        abort_if: Vec::new(),
        outputs: Outputs::default(),
        command: String::new(),
    };
    let report = measure(&order, &Arc::new(AtomicBool::new(false))).unwrap();
    assert_eq!(json::document(&report)["verify"]["lost"], report.verified.as_ref().unwrap().lost);
    report.verified.unwrap()
}

#[test]
fn an_honest_server_has_everything_once() {
    let found = verified(store(|_, body| vec![body]), 5_000);
    assert_eq!((found.acked, found.lost, found.duplicated), (5_000, 0, 0));
    assert_eq!((found.stored_without_ack, found.altered), (0, 0));
    assert_eq!(found.stored.values().copied().collect::<Vec<_>>(), [5_000]);
}

#[test]
fn every_loss_of_one_in_ten_thousand_is_found() {
    let lost = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&lost);
    let address = store(move |number, body| {
        if number % 10_000 == 5_000 {
            let pixel: serde_json::Value = serde_json::from_str(&body).unwrap();
            notes.lock().unwrap().push(pixel["x"].as_u64().unwrap());
            return Vec::new();
        }
        vec![body]
    });
    let found = verified(address, 50_000);
    let mut lost = lost.lock().unwrap().clone();
    lost.sort_unstable();
    assert_eq!((found.acked, found.lost, lost.len()), (50_000, 5, 5));
    assert_eq!(found.lost_examples, lost);
}

#[test]
fn repetitions_and_alterations_are_found() {
    let found = verified(
        store(|number, body| match number {
            10 => vec![body.clone(), body],
            20 => vec![body.replace("\"value\":", "\"value\":1")],
            _ => vec![body],
        }),
        1_000,
    );
    assert_eq!((found.lost, found.duplicated, found.altered), (0, 1, 1));
}

#[test]
fn what_is_not_there_as_it_was_sent_ends_with_6() {
    type Keep = fn(u64, String) -> Vec<String>;
    let servers: [(&str, Keep, i32); 8] = [
        ("all", |_, body| vec![body], 0),
        ("one lost", |number, body| if number == 7 { vec![] } else { vec![body] }, 6),
        (
            "one value altered",
            |number, body| vec![if number == 7 { body.replace("\"value\":", "\"value\":1") } else { body }],
            6,
        ),
        (
            "one channel altered",
            |number, body| vec![if number == 7 { body.replace("\"R\"", "\"G\"") } else { body }],
            6,
        ),
        (
            "one row altered",
            |number, body| vec![if number == 7 { body.replace("\"y\":", "\"y\":-") } else { body }],
            6,
        ),
        ("one twice", |number, body| if number == 7 { vec![body.clone(), body] } else { vec![body] }, 6),
        ("all twice", |_, body| vec![body.clone(), body], 6),
        (
            "one right and altered",
            |number, body| match number {
                7 => vec![body.replace("\"value\":", "\"value\":1"), body],
                _ => vec![body],
            },
            6,
        ),
    ];
    for (name, keep, code) in servers {
        let told = bench(&[&format!("http://{}", store(keep)), "-n", "50", "-c", "2", "--verify"]);
        assert_eq!(told.status.code(), Some(code), "{name}: {}{}", text(&told.stdout), text(&told.stderr));
    }
}

#[test]
fn what_was_stored_without_an_answer_is_no_loss() {
    let kept: Mutex<Vec<String>> = Mutex::default();
    let address = serve(move |body, number| {
        let mut kept = kept.lock().unwrap();
        if body.is_empty() {
            return listed(&kept);
        }
        kept.push(String::from_utf8(body.to_vec()).unwrap());
        if number == 50 { Reply::Close } else { Reply::Bytes(OK.to_vec()) }
    });
    let found = verified(address, 500);
    assert_eq!(found.lost, 0);
    assert!(found.stored_without_ack >= 4, "{found:?}");
}

fn bench(arguments: &[&str]) -> Output {
    // Cargo hands its build's variables to tests; a server would take them for settings.
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixeld"));
    command.env_remove("PIXELD_COMMIT").arg("bench").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn exit_codes_and_the_next_step() {
    let good = format!("http://{}", store(|_, body| vec![body]));
    let lossy = format!("http://{}", store(|number, body| if number == 3 { vec![] } else { vec![body] }));
    for (arguments, code, said) in [
        (vec![good.as_str(), "-n", "100"], 0, ""),
        (vec!["http://127.0.0.1:1"], 1, "refused"),
        (vec![&good, "-b", "ab{{x}}"], 2, "column 3"),
        (vec![&good, "--warmup", "10"], 2, "10s"),
        (vec!["ftp://127.0.0.1"], 2, "scheme"),
        (vec![&good, "--goal", "p99"], 2, "p99<2ms"),
        (vec![&good, "-n", "100", "--goal", "p50<1ns"], 3, ""),
        (vec![&good, "-n", "100", "--goal", "errors=0", "--goal", "p99<60s"], 0, ""),
        (vec![&lossy, "-n", "100", "--verify"], 6, ""),
        (vec![&good, "--chaos", "kill server@1s"], 2, "--start"),
        (vec![&good, "-c", "3000000000"], 1, "ulimit -n"),
    ] {
        let output = bench(&arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
}

#[test]
fn the_outputs_are_written_and_agree() {
    let url = format!("http://{}", store(|_, body| vec![body]));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, hgrm, csv, html) = (file("r.json"), file("r.hgrm"), file("r.csv"), file("r.html"));
    let steps = ["--steps", "200,400", "--step-duration", "1s"];
    let files = ["--json", &json, "--hgrm", &hgrm, "--csv", &csv, "--html", &html];
    let output = bench(&[&[url.as_str()], &steps[..], &files[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "no live line without a terminal");
    let table = text(&output.stdout);
    assert!(table.contains("200/s") && table.contains("limit: ") && table.contains(": equal"), "{table}");
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let keys = "schema command environment url requests errors duration_ns rate latency_ns uncorrected_ns histogram status errors_by_kind \
                server_cpu_ns_per_request client_cpu_ns_per_request limit goals steps verify";
    for key in keys.split_whitespace() {
        assert!(report.get(key).is_some(), "{key}");
    }
    let counted = (&report["schema"], &report["requests"], &report["errors"]);
    assert_eq!(counted, (&2.into(), &600.into(), &0.into()));
    assert_eq!(report["steps"].as_array().unwrap().len(), 2);
    assert_eq!(report["growth"]["stored"], 600);
    let histogram = json::decode(report["histogram"].as_str().unwrap()).unwrap();
    assert_eq!(histogram.len(), 600);
    assert_eq!(histogram.value_at_quantile(0.99), report["latency_ns"]["p99"].as_u64().unwrap());
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 3);
    assert!(std::fs::read_to_string(&hgrm).unwrap().contains("#[Max"));
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.matches("<svg").count() == 5 && !page.contains("src=") && !page.contains("href="));
}

#[test]
fn an_interrupt_still_writes_the_report() {
    let url = format!("http://{}", store(|_, body| vec![body]));
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_pixeld"))
        .args(["bench", &url, "-d", "20s", "--json"])
        .arg(&json)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(report["interrupted"], true);
    assert!(report["requests"].as_u64().unwrap() > 0);
}

#[test]
fn a_server_that_is_killed_and_started_again_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let start = format!(
        "{} serve --listen 127.0.0.1:{port} --data-dir {} --durability disk",
        env!("CARGO_BIN_EXE_pixeld"),
        folder.path().join("data").display()
    );
    let json = folder.path().join("r.json").display().to_string();
    let url = format!("http://127.0.0.1:{port}");
    let chaos = ["--verify", "--chaos", "kill server@500ms", "-d", "3s", "-c", "8"];
    let output = bench(&[&[url.as_str(), "--start", &start, "--json", &json], &chaos[..]].concat());
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!((&report["verify"]["lost"], &report["verify"]["duplicated"]), (&0.into(), &0.into()));
    assert!(report["verify"]["acked"].as_u64().unwrap() > 100);
    assert!(report["chaos"][0]["recovery_ns"].as_u64().unwrap() > 0);
}
