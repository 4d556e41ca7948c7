//! `pixeld top`: what it prints, what it draws on a terminal, and that it gives the terminal back at every end.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{PATIENCE, Server, free_address, pixeld};
use crate::skip::skip;

#[test]
fn once_prints_the_figures_of_every_host_and_fails_for_one_that_is_away() {
    let server = Server::fresh(&["--durability", "memory"]);
    let (there, gone) = (format!("http://{}", server.address), format!("http://{}", free_address()));
    let run = |urls: &[&str]| {
        let output =
            pixeld(&[&["top", "--once", "--interval", "100ms"], urls].concat()).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, text) = run(&[&there]);
    assert_eq!(code, Some(0), "{text}");
    for part in ["requests ", "worker 0 ", "connections", "memory ", &server.address.to_string(), ", up "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (code, text) = run(&[&there, &gone]);
    assert!(code == Some(1) && text.contains("requests ") && text.contains("\n  no answer: "), "{text}");
}

#[test]
fn wrong_orders_are_usage_errors_that_say_what_to_do() {
    for (arguments, sentence) in [
        (&["top"][..], "--once prints the figures as text"),
        (&["top", "--interval", "1ms", "--once"], "100ms or more"),
        (&["top", "a:1", "a:1", "a:1", "a:1", "a:1"], "4 do"),
        (&["top", "ftp://a", "--once"], "unknown scheme"),
    ] {
        let output = pixeld(arguments).stdin(Stdio::null()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(sentence), "{arguments:?}: {said}");
    }
}

/// `pixeld top` on a terminal of 100 x 40, which script(1) makes.
struct OnTerminal {
    script: Child,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    /// Starts it; nothing where there is no script(1).
    fn start(url: &str) -> Option<Self> {
        Self::start_by("exec", url)
    }

    /// Starts it in a shell by these words.
    fn start_by(words: &str, url: &str) -> Option<Self> {
        let line = format!(
            "stty cols 100 rows 40; {words} {} top --interval 100ms {url}",
            env!("CARGO_BIN_EXE_pixeld")
        );
        let mut command = Command::new("script");
        command
            .args(["-qefc", &line, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut script = match command.spawn() {
            Ok(script) => script,
            Err(error) => {
                skip(format_args!("no script(1): {error}"));
                return None;
            }
        };
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let (mut output, kept) = (script.stdout.take().expect("piped"), Arc::clone(&drawn));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                kept.lock().expect("a lock").extend_from_slice(&buffer[..count]);
            }
        });
        Some(Self { script, drawn })
    }

    fn drawn(&self) -> String {
        String::from_utf8_lossy(&self.drawn.lock().expect("a lock")).into_owned()
    }

    fn wait_for(&self, text: &str) {
        let begun = Instant::now();
        while !self.drawn().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "no {text:?} in {:?}", self.drawn());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn press(&mut self, keys: &str) {
        let input = self.script.stdin.as_mut().expect("piped");
        input.write_all(keys.as_bytes()).and_then(|()| input.flush()).expect("a terminal");
    }

    /// The process that draws.
    fn pid(&self) -> Pid {
        let id = self.script.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("children");
        let pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a child");
        Pid::from_raw(pid).expect("a process")
    }

    /// Waits for its end and checks that the terminal is as it was: the first screen, with a cursor.
    fn ends_in_order(mut self) -> Option<i32> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.script.try_wait().expect("a child") {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it goes on: {:?}", self.drawn());
            thread::sleep(Duration::from_millis(10));
        };
        self.wait_for("\x1b[?1049l");
        let drawn = self.drawn();
        let (left, shown) = (drawn.rfind("\x1b[?1049l"), drawn.rfind("\x1b[?25h"));
        assert!(left > drawn.rfind("\x1b[?1049h") && shown > drawn.rfind("\x1b[?25l"), "{drawn:?}");
        status.code()
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[test]
fn it_draws_until_a_key_or_a_signal_and_gives_the_terminal_back() {
    let server = Server::fresh(&["--durability", "memory"]);
    let url = format!("http://{}", server.address);
    for key in ["q", "\x03"] {
        let Some(mut top) = OnTerminal::start(&url) else { return };
        for part in ["requests/s, up to", "worker 0", "q quits"] {
            top.wait_for(part);
        }
        top.press(key);
        assert_eq!(top.ends_in_order(), Some(0), "{key:?}");
    }
    let Some(top) = OnTerminal::start(&url) else { return };
    top.wait_for("worker 0");
    kill_process(top.pid(), Signal::TERM).expect("it is there");
    assert_eq!(top.ends_in_order(), Some(0));
}

/// A terminal that has gone (a connection of ssh that broke) takes it along, also where it ignores the signal for that.
#[test]
fn it_ends_when_its_terminal_has_gone() {
    let server = Server::fresh(&["--durability", "memory"]);
    let url = format!("http://{}", server.address);
    // `nohup` and its like let the signal pass.
    let Some(mut top) = OnTerminal::start_by("trap '' HUP; exec", &url) else { return };
    top.wait_for("worker 0");
    let process = format!("/proc/{}", top.pid().as_raw_nonzero());
    top.script.kill().expect("it is there");
    let begun = Instant::now();
    while std::path::Path::new(&process).exists() {
        assert!(begun.elapsed() < PATIENCE, "it goes on without a terminal");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_host_that_goes_and_comes_is_shown_as_such() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(free_address(), directory.path(), &[]);
    let address = server.address;
    let Some(mut top) = OnTerminal::start(&format!("http://{address}")) else { return };
    top.wait_for("worker 0");
    server.kill();
    top.wait_for("no answer:");
    top.drawn.lock().expect("a lock").clear();
    let _server = Server::start(address, directory.path(), &[]);
    top.wait_for("worker 0");
    top.press("q");
}
