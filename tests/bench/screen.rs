//! `--tui` on a real terminal: what stands on it, what ends it, and how the terminal is left.

use crate::measured::command::{bench, read, signal};
use crate::measured::{OK, Reply, serve};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(10);

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// `pixeld bench` on a terminal of its own, which is read all the time.
struct OnTerminal {
    child: Child,
    master: File,
    slave: File,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Set when nobody reads any more.
    is_closed: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

/// What was left behind.
struct Left {
    code: i32,
    /// The visible lines.
    text: String,
}

impl OnTerminal {
    fn start(rows: u16, columns: u16, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&slave, size(rows, columns)).unwrap();
        let own = || slave.try_clone().unwrap();
        // The terminal is the controlling one, as below a shell.
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(env!("CARGO_BIN_EXE_pixeld"))
            .arg("bench")
            .args(arguments)
            .env("TERM", "xterm-256color")
            .stdin(own())
            .stdout(own())
            .stderr(own())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let master = File::from(master);
        let is_closed = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_closed);
        let (mut input, shown) = (master.try_clone().unwrap(), Arc::clone(&screen));
        let reader = thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            let wait = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.subsec_nanos().into() };
            while !ended.load(Ordering::SeqCst) {
                if poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&wait)) == Ok(0) {
                    continue;
                }
                let Ok(bytes @ 1..) = input.read(&mut buffer) else { return };
                shown.lock().unwrap().process(&buffer[..bytes]);
            }
        });
        Self { child, master, slave, screen, is_closed, reader }
    }

    fn shown(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn is_taken(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{what}: it ended with {status}\n{}", self.shown());
            }
            sleep(LOOK_EVERY);
        }
    }

    fn until_shown(&mut self, text: &str) {
        self.until(text, |it| it.is_taken() && it.shown().contains(text));
    }

    fn press(&mut self, key: u8) {
        self.master.write_all(&[key]).unwrap();
    }

    /// Waits for the end, and looks whether the terminal is as it was.
    fn end(mut self) -> Left {
        let code = self.child.wait().unwrap().code().unwrap();
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        drop(self.slave);
        self.reader.join().unwrap();
        let screen = self.screen.lock().unwrap();
        let screen = screen.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{}", screen.contents());
        let usual = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(modes.contains(usual), "{modes:?}");
        Left { code, text: screen.contents() }
    }
}

/// Answers after a millisecond; each tenth answer is a 503.
fn server() -> String {
    let asked = AtomicU64::new(0);
    let address = serve(move |_, _| {
        sleep(Duration::from_millis(1));
        Reply::Bytes(match asked.fetch_add(1, Ordering::SeqCst) % 10 {
            9 => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec(),
            _ => OK.to_vec(),
        })
    });
    format!("http://{address}/x")
}

#[test]
fn a_run_is_shown_and_its_report_follows() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json").display().to_string();
    let url = server();
    let own = [&url, "-c", "4", "-d", "4s", "--no-probe", "--tui", "--goal", "p99<1ns", "--json", &json];
    let mut run = OnTerminal::start(24, 80, &own);
    for text in [
        &url,
        "closed loop; 4 connections",
        " s of 4.0 s",
        "status 200",
        "status 503",
        "1 ms to 2 ms",
        "limit so far: ",
        "goal p99<1ns: missed so far",
        "q or Ctrl-C ends the run",
    ] {
        run.until_shown(text);
    }
    assert!(run.screen.lock().unwrap().screen().hide_cursor());
    let left = run.end();
    assert_eq!(left.code, 3, "{}", left.text);
    assert!(left.text.contains("MISSED") && !left.text.contains("so far"), "{}", left.text);
    assert!(read(json.as_ref())["requests"].as_u64().unwrap() > 0);
}

#[test]
fn a_key_ends_it_as_an_interrupt_does() {
    let url = server();
    for key in [b'q', 3] {
        let mut run = OnTerminal::start(60, 100, &[&url, "-c", "2", "-d", "600s", "--no-probe", "--tui"]);
        run.until_shown("status 200");
        run.press(b'x');
        run.press(key);
        let left = run.end();
        assert_eq!(left.code, 130, "{key}: {}", left.text);
        assert!(left.text.contains("interrupted: the figures are of the time until then"), "{}", left.text);
    }
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let url = server();
    for name in ["-INT", "-TERM", "-HUP"] {
        let mut run = OnTerminal::start(60, 100, &[&url, "-c", "2", "-d", "600s", "--no-probe", "--tui"]);
        run.until_shown("rate ");
        signal(&run.child, name);
        let left = run.end();
        assert_eq!(left.code, 130, "{name}: {}", left.text);
        assert!(left.text.contains("interrupted"), "{name}: {}", left.text);
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_run() {
    let url = server();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json").display().to_string();
    let own = [&url, "-c", "2", "-d", "600s", "--no-probe", "--tui", "--json", &json];
    let mut run = OnTerminal::start(24, 80, &own);
    run.until_shown("rate ");
    // A window that is closed: the line is hung up, and whoever reads keys is at their end.
    let OnTerminal { mut child, master, slave, is_closed, reader, .. } = run;
    is_closed.store(true, Ordering::SeqCst);
    reader.join().unwrap();
    drop((master, slave));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(read(json.as_ref())["interrupted"], true);
}

#[test]
fn a_run_that_fails_says_why_on_the_usual_screen() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let run = OnTerminal::start(24, 200, &[&url, "-d", "600s", "--no-probe", "--tui"]);
    let left = run.end();
    assert_eq!(left.code, 1, "{}", left.text);
    assert!(left.text.contains("refused"), "{}", left.text);
}

#[test]
fn small_terminals_and_changed_ones_are_drawn_on() {
    let url = server();
    let own = [&url, "-c", "2", "-d", "600s", "--no-probe", "--tui"];
    for (rows, columns) in [(1, 1), (2, 10), (5, 20), (10, 40)] {
        let mut run = OnTerminal::start(rows, columns, &own);
        run.until("taken", OnTerminal::is_taken);
        run.until("drawn", |it| !it.shown().trim().is_empty());
        run.screen.lock().unwrap().screen_mut().set_size(24, 80);
        tcsetwinsize(&run.master, size(24, 80)).unwrap();
        run.until_shown("q or Ctrl-C ends the run");
        run.until_shown(&url);
        run.press(b'q');
        assert_eq!(run.end().code, 130, "{rows}x{columns}");
    }
}

#[test]
fn a_ramp_stays_on_the_screen_from_step_to_step() {
    let url = server();
    let own = [&url, "-c", "4", "--steps", "50,100", "--step-duration", "1500ms", "--no-probe", "--tui"];
    let mut run = OnTerminal::start(24, 120, &own);
    run.until_shown("step 1 of 2: open loop, 50.0/s offered");
    run.until_shown("step 2 of 2: open loop, 100/s offered");
    let left = run.end();
    assert_eq!(left.code, 0, "{}", left.text);
    assert!(left.text.contains("offered"), "{}", left.text);
}

#[test]
fn without_a_terminal_it_is_a_usage_error() {
    let told = bench(&["http://127.0.0.1:1/", "--tui"]);
    assert!(
        told.code == 2 && told.err.contains("--tui needs a terminal, and stderr is not one"),
        "{}",
        told.err
    );
    assert!(told.err.contains("leave it out"), "{}", told.err);
    let line = format!("TERM=dumb {} bench http://127.0.0.1:1/ --tui", env!("CARGO_BIN_EXE_pixeld"));
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(2) && text.contains("TERM names none"), "{text}");
}
