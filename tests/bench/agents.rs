//! Several generators as one: what two agents send together is what one would have sent, and an end of any of them is the end
//! of all.

use crate::measured::command::{Agent, Told, bench, command, free_port, read, signal, told};
use crate::measured::encrypted::Encrypted;
use crate::measured::{OK, Reply, serve};
use hdrhistogram::Histogram;
use pixeld_bench::report::json::decode;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Two agents, and the argument that names them.
fn two(arguments: &[&str]) -> ([Agent; 2], String) {
    let agents = [Agent::start(arguments), Agent::start(arguments)];
    let names = format!("{},{}", agents[0].address, agents[1].address);
    (agents, names)
}

/// A server that counts requests with a body, and keeps the bodies.
fn counting() -> (String, Arc<AtomicU64>, Arc<Mutex<Vec<String>>>) {
    let (count, bodies) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counter, kept) = (Arc::clone(&count), Arc::clone(&bodies));
    let address = serve(move |body, _| {
        if !body.is_empty() {
            counter.fetch_add(1, Ordering::SeqCst);
            kept.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
        }
        Reply::Bytes(OK.to_vec())
    });
    (format!("http://{address}"), count, bodies)
}

fn start(arguments: &[&str]) -> Child {
    command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        sleep(LOOK_EVERY);
    }
}

/// Runs a short load as soon as the agents are free for it.
fn once_free(url: &str, agents: &str) -> Told {
    once_not_busy(&[url, "-n", "20", "-c", "2", "--agents", agents])
}

/// Runs a command again and again until no agent says that it is busy.
fn once_not_busy(arguments: &[&str]) -> Told {
    loop {
        let told = bench(arguments);
        if !told.err.contains("directs this agent") {
            return told;
        }
        sleep(LOOK_EVERY);
    }
}

fn histograms(reports: &[Value]) -> Histogram<u64> {
    let mut all = reports.iter().map(|report| decode(report["histogram"].as_str().unwrap()).unwrap());
    let mut sum = all.next().unwrap();
    all.for_each(|more| sum.add(more).unwrap());
    sum
}

fn numbers(agents: &Value, key: &str) -> Vec<u64> {
    agents.as_array().unwrap().iter().map(|agent| agent[key].as_u64().unwrap()).collect()
}

#[test]
fn two_agents_send_what_one_generator_would_have_sent() {
    let (_agents, names) = two(&[]);
    let (url, count, bodies) = counting();
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("r.json"), folder.path().join("r.html"));
    let told = bench(&[
        &url,
        "-n",
        "1001",
        "-c",
        "5",
        "-b",
        "{{n}}",
        "--agents",
        &names,
        "--json",
        json.to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
    ]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    let report = read(&json);
    assert_eq!(
        (count.load(Ordering::SeqCst), &report["requests"], &report["sent"]),
        (1001, &1001.into(), &1001.into())
    );
    let sent: BTreeSet<u64> = bodies.lock().unwrap().iter().map(|body| body.parse().unwrap()).collect();
    assert_eq!(sent, (0..1001).collect(), "each number once");
    let agents = &report["agents"];
    assert_eq!((numbers(agents, "requests"), numbers(agents, "connections")), (vec![501, 500], vec![3, 2]));
    assert_eq!(report["scenario"]["agents"], 2);
    // What was merged is what the agents have counted, to the last bucket.
    assert_eq!(histograms(agents.as_array().unwrap()), histograms(std::slice::from_ref(&report)));
    for name in names.split(',') {
        assert!(told.out.contains(&format!("agent      {name} (")), "{}", told.out);
        assert!(std::fs::read_to_string(&html).unwrap().contains(name));
    }
    assert!(told.out.contains("5 connections, depth 1, 2 threads of 2 agents"), "{}", told.out);
    for agent in agents.as_array().unwrap() {
        assert!(!agent["limit"]["evidence"][0].as_str().unwrap().is_empty(), "{agent}");
    }
}

#[test]
fn a_schedule_is_shared_and_agents_take_one_run_after_the_other() {
    let (_agents, names) = two(&[]);
    let (url, count, _) = counting();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let told = bench(&[
        &url,
        "--steps",
        "250,400",
        "--step-duration",
        "1s",
        "-c",
        "3",
        "--agents",
        &names,
        "--json",
        json.to_str().unwrap(),
    ]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    let report = read(&json);
    // Nobody waits for the server, so each request of both schedules was sent.
    assert_eq!((count.load(Ordering::SeqCst), report["sent"].as_u64()), (650, Some(650)));
    assert_eq!(numbers(&report["agents"], "sent"), [125 + 200, 125 + 200]);
    assert!(report["series"].as_array().unwrap().len() > 10, "{report}");
    assert_eq!(once_free(&url, &names).code, 0);
}

#[test]
fn schedules_of_agents_interleave_from_a_common_start() {
    let (_agents, names) = two(&[]);
    let (since, arrivals) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let kept = Arc::clone(&arrivals);
    let address = serve(move |body, _| {
        if let Ok(number) = std::str::from_utf8(body).unwrap_or_default().parse::<u32>() {
            kept.lock().unwrap().push((number, since.elapsed()));
        }
        Reply::Bytes(OK.to_vec())
    });
    let url = format!("http://{address}");
    let told = bench(&[&url, "-r", "40", "-d", "1s", "-c", "2", "-b", "{{n}}", "--agents", &names]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    // Where an agent's clock starts by what arrives: number k is due at k/40 s, and the one that was delayed least tells.
    let start = |of: u32| {
        let arrivals = arrivals.lock().unwrap();
        let own = arrivals.iter().filter(|(number, _)| number % 2 == of);
        own.map(|(number, at)| at.saturating_sub(Duration::from_millis(25) * *number)).min().unwrap()
    };
    assert!(start(0).abs_diff(start(1)) < Duration::from_millis(100), "{:?} {:?}", start(0), start(1));
}

#[test]
fn a_side_that_stands_still_is_taken_for_dead() {
    let ((agents, names), (others, _)) = (two(&[]), two(&[]));
    let (url, count, _) = counting();
    let (idle_url, idle_count, _) = counting();
    let load = |url: &str, agents: &str| start(&[url, "-d", "600s", "-c", "2", "--agents", agents]);
    let (left_alone, mut standing) = (load(&url, &names), load(&idle_url, &others[0].address));
    until(|| count.load(Ordering::SeqCst) > 100 && idle_count.load(Ordering::SeqCst) > 100);
    signal(&agents[1].child, "-STOP");
    signal(&standing, "-STOP");
    let told = told(left_alone.wait_with_output().unwrap());
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains(&format!("agent {}: was silent for", agents[1].address)), "{}", told.out);
    assert_eq!(once_free(&url, &others[0].address).code, 0);
    let before = idle_count.load(Ordering::SeqCst);
    assert_eq!(once_free(&url, &others[0].address).code, 0);
    assert_eq!(idle_count.load(Ordering::SeqCst), before, "nobody sends what nobody directs");
    standing.kill().unwrap();
    standing.wait().unwrap();
}

#[test]
fn what_files_say_travels_with_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| folder.path().join(name);
    let encrypted = Encrypted::start(folder.path(), &[&rustls::version::TLS13], OK.to_vec());
    std::fs::write(here("body"), b"b\xffdy").unwrap();
    std::fs::write(here("requests"), "2 GET /a\nPOST /b -b 'x'\n").unwrap();
    // Where the agent is, none of these names leads to a file.
    let agent = Agent::of(command(&["agent", "--listen", "127.0.0.1:0"]).current_dir("/proc"));
    let (url, count, _) = counting();
    for arguments in [
        &[&format!("https://{}/", encrypted.address), "--cacert", "authority.pem", "-m", "GET"][..],
        &[&url, "--requests", "requests"],
    ] {
        let all = [arguments, &["-n", "30", "-c", "2", "--no-probe", "--agents", &agent.address]].concat();
        let told = told(command(&all).current_dir(folder.path()).output().unwrap());
        assert_eq!(told.code, 0, "{arguments:?}: {}{}", told.out, told.err);
        assert!(told.out.contains("30 answers"), "{}", told.out);
    }
    assert_eq!(count.load(Ordering::SeqCst), 10);
    let address = serve(|body, _| {
        let status = if body == b"b\xffdy" { "200 OK" } else { "400 Other" };
        Reply::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes())
    });
    let url = format!("http://{address}/");
    let all = [
        &url,
        "-b",
        "@body",
        "-n",
        "30",
        "-c",
        "2",
        "--no-probe",
        "--goal",
        "errors=0",
        "--agents",
        &agent.address,
    ];
    let told = told(command(&all).current_dir(folder.path()).output().unwrap());
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
}

#[test]
fn everything_that_two_agents_had_acknowledged_is_found() {
    let (_agents, names) = two(&[]);
    let folder = tempfile::tempdir().unwrap();
    let (json, port) = (folder.path().join("r.json"), free_port());
    let server = format!(
        "{} serve --data-dir {} --listen 127.0.0.1:{port}",
        env!("CARGO_BIN_EXE_pixeld"),
        folder.path().join("d").display()
    );
    let url = format!("http://127.0.0.1:{port}");
    let told = bench(&[
        &url,
        "--start",
        &server,
        "--verify",
        "-n",
        "3001",
        "-c",
        "4",
        "--agents",
        &names,
        "--json",
        json.to_str().unwrap(),
    ]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    let report = read(&json);
    let verify = &report["verify"];
    assert_eq!(
        (&verify["acked"], &verify["lost"], &verify["stored_without_ack"]),
        (&3001.into(), &0.into(), &0.into())
    );
}

#[test]
fn an_agent_that_is_killed_is_named_and_ends_the_load_of_all() {
    let (mut agents, names) = two(&[]);
    let (url, count, _) = counting();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let child = start(&[&url, "-d", "600s", "-c", "4", "--agents", &names, "--json", json.to_str().unwrap()]);
    until(|| count.load(Ordering::SeqCst) > 1000);
    sleep(Duration::from_millis(1200));
    agents[1].child.kill().unwrap();
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    let lost = format!("failed     agent {}: ", agents[1].address);
    assert!(told.out.contains(&lost) && !told.out.contains("interrupted"), "{}", told.out);
    let report = read(&json);
    assert!(report["requests"].as_u64().unwrap() > 0, "what was counted until then is reported");
    assert_eq!(
        (&report["agents"][1]["limit"]["verdict"], &report["limit"]["verdict"]),
        (&"FAULT".into(), &"FAULT".into())
    );
    let before = count.load(Ordering::SeqCst);
    assert_eq!(once_free(&url, &agents[0].address).code, 0);
    assert_eq!(count.load(Ordering::SeqCst), before + 20, "the other one had stopped");
}

#[test]
fn an_agent_whose_master_is_killed_stops_its_load_and_takes_the_next_one() {
    let (_agents, names) = two(&[]);
    let (url, count, _) = counting();
    let mut master = start(&[&url, "-d", "600s", "-c", "4", "--agents", &names]);
    until(|| count.load(Ordering::SeqCst) > 1000);
    // Meanwhile nobody else may direct them.
    let other = bench(&[&url, "-n", "20", "-c", "2", "--agents", &names]);
    assert_eq!(other.code, 1, "{}", other.err);
    assert!(
        names.split(',').all(|name| other.err.contains(&format!("agent {name}: refuses: "))),
        "{}",
        other.err
    );
    assert!(other.err.contains("directs this agent"), "{}", other.err);
    master.kill().unwrap();
    master.wait().unwrap();
    // An agent is free when its load has ended, so what is counted from then on is the next one's.
    assert_eq!(once_free(&url, &names).code, 0);
    let before = count.load(Ordering::SeqCst);
    assert_eq!(once_free(&url, &names).code, 0);
    assert_eq!(count.load(Ordering::SeqCst), before + 20);
}

#[test]
fn an_interrupt_of_the_master_ends_the_load_and_is_reported() {
    let (_agents, names) = two(&[]);
    let (url, count, _) = counting();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let child = start(&[&url, "-d", "600s", "-c", "4", "--agents", &names, "--json", json.to_str().unwrap()]);
    until(|| count.load(Ordering::SeqCst) > 1000);
    signal(&child, "-INT");
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 130, "{}{}", told.out, told.err);
    let report = read(&json);
    assert_eq!((&report["interrupted"], &report["faults"]), (&true.into(), &serde_json::json!([])));
    // Some answers were still on their way.
    let (counted, answered) = (count.load(Ordering::SeqCst), report["requests"].as_u64().unwrap());
    assert!(answered > 500 && counted - answered <= 4, "{counted} {answered}");
    assert_eq!(once_free(&url, &names).code, 0);
}

#[test]
fn an_agent_that_is_told_to_end_ends_in_order_and_the_run_with_it() {
    let (mut agents, names) = two(&[]);
    let (url, count, _) = counting();
    let child = start(&[&url, "-d", "600s", "-c", "4", "--agents", &names]);
    until(|| count.load(Ordering::SeqCst) > 1000);
    signal(&agents[0].child, "-TERM");
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains(&format!("agent {}: it was told to end", agents[0].address)), "{}", told.out);
    assert_eq!(agents[0].child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_condition_that_ends_a_run_is_asked_of_all_agents_together() {
    let (_agents, names) = two(&[]);
    let address = serve(|_, _| Reply::Bytes(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let url = format!("http://{address}");
    let told = bench(&[&url, "-d", "600s", "-c", "2", "--abort-if", "errors>50", "--agents", &names]);
    assert_eq!(told.code, 3, "{}{}", told.out, told.err);
    assert!(told.out.contains("ended early, since errors>50"), "{}", told.out);
}

#[test]
fn what_an_agent_cannot_do_is_told_with_its_name() {
    let (_agents, names) = two(&[]);
    // CPUs are those of the agents' hosts, so they are no usage error here.
    let told = bench(&["http://127.0.0.1:1", "--pin", "1023", "--agents", &names]);
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.err.contains("agent 127.0.0.1:") && told.err.contains("CPU"), "{}", told.err);
    let dead = format!("http://127.0.0.1:{}", free_port());
    let told = once_not_busy(&[&dead, "-d", "600s", "--agents", &names]);
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.err.contains("agent 127.0.0.1:") && told.err.contains("refused"), "{}", told.err);
    let (url, _, _) = counting();
    assert_eq!(once_free(&url, &names).code, 0);
}

#[test]
fn what_cannot_be_divided_is_a_usage_error() {
    let socket = Path::new("/nowhere").display().to_string();
    for (arguments, said) in [
        (&["--agents", "a,b", "-c", "1"][..], "-c 2"),
        (&["--agents", "a,b", "-t", "1"], "-t 2"),
        (&["--agents", "a,a"], "twice"),
        (&["--agents", "http://a"], "no host"),
        (&["--agents", "a", "--unix", &socket], "--unix"),
        (&["--agents", "a", "--agent-key", "sha256:12"], "64 hexadecimal"),
        (&["--agents", "a", "--token-file", "/nowhere"], "/nowhere"),
        (&["--token-file", "/nowhere"], "--agents"),
        (&["agent", "--listen", "0.0.0.0:0"], "--token-file"),
        (&["agent", "--key-file", "/dev/null"], "openssl genpkey"),
    ] {
        let told = bench(arguments);
        assert_eq!(told.code, 2, "{arguments:?}: {}", told.err);
        assert!(told.err.contains(said), "{arguments:?}: {}", told.err);
    }
}
