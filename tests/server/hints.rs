//! What an operator is told at the first contact: examples that can be pasted, and the option that helps.

use crate::process;

use std::net::TcpListener;

use process::pixeld;

fn help(command: &[&str], columns: &str) -> String {
    let output = pixeld(command).arg("--help").env("COLUMNS", columns).output().expect("the binary");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("a text")
}

fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let output = pixeld(&["serve", "--disk-reserve", "1MiB", "--segment-size", "4MiB", "--data-dir"])
        .arg(directory.path())
        .args(arguments)
        .output()
        .expect("the binary");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_example_of_two_hosts_can_be_pasted_at_any_width() {
    let example = |columns| {
        let text = help(&["init"], columns);
        let from = text.find("  pixeld init -d a").expect("the example");
        let length = text[from..].find("\n\n").expect("its end");
        text[from..from + length].to_owned()
    };
    for columns in ["60", "80", "100", "200"] {
        let example = example(columns);
        for (line, next) in example.lines().zip(example.lines().skip(1).chain(["  pixeld"])) {
            let goes_on = !next.starts_with("  pixeld");
            assert_eq!(line.ends_with('\\'), goes_on, "{columns}: {line:?}, then {next:?}");
        }
    }
}

#[test]
fn remarks_behind_examples_are_comments() {
    for command in [&[][..], &["serve"], &["init"], &["inspect"], &["doctor"], &["send"], &["bench"]] {
        for line in help(command, "100").lines().filter(|line| line.starts_with("  pixeld ")) {
            let remark = line.trim().split_once("  ").map(|(_, remark)| remark.trim());
            assert!(remark.is_none_or(|remark| remark.starts_with('#')), "{line}");
        }
    }
}

#[test]
fn an_address_that_is_taken_names_its_own_option() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, stderr) = refusal(&["--listen", &address]);
    assert!(code == Some(1) && stderr.contains("Choose another address: --listen"), "{stderr}");
    let peer = ["--listen", "127.0.0.1:0", "--peer-listen", &address, "--insecure-peer"];
    let (code, stderr) = refusal(&peer);
    assert!(code == Some(1) && stderr.contains("Choose another address: --peer-listen"), "{stderr}");
}

#[test]
fn a_core_that_is_not_there_is_refused() {
    let (code, stderr) = refusal(&["--cores", "0,900", "--check-config"]);
    assert!(code == Some(2) && stderr.contains("core 900"), "{stderr}");
}

#[test]
fn paragraphs_of_help_are_as_wide_as_the_terminal_lets_them() {
    let commands = [
        "serve",
        "init",
        "forget-peer",
        "forget-host",
        "heal-time",
        "inspect",
        "send",
        "bench",
        "doctor",
        "healthy",
    ];
    for (command, columns) in
        commands.iter().flat_map(|command| [60, 80, 100].map(|columns| (command, columns)))
    {
        let text = help(&[command], &columns.to_string());
        let lines: Vec<&str> = text.lines().collect();
        let is_plain = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
        for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| is_plain(line))) {
            let word = pair[1].split(' ').next().expect("a word");
            let would_fit = pair[0].chars().count() + 1 + word.chars().count() <= columns;
            assert!(!would_fit, "{command} at {columns}: {:?}, then {:?}", pair[0], pair[1]);
        }
    }
}

#[test]
fn an_unknown_command_is_answered_with_those_that_there_are() {
    let output = pixeld(&["bogus"]).output().expect("the binary");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    for word in ["'bogus'", "serve", "init", "inspect", "doctor"] {
        assert!(told.contains(word), "no {word}: {told}");
    }
    assert!(!told.contains("decoder") && !told.contains("pages"), "{told}");
    let output = pixeld(&["serv"]).output().expect("the binary");
    assert!(String::from_utf8_lossy(&output.stderr).contains("'serve'"));
}
