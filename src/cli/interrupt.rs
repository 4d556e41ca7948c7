//! What an interrupt does to a command that loads, shows or starts something.

use crate::os::signal::{Signal, SignalStream, exit_now};
use pixeld_bench::screen::terminal;
use pixeld_bench::tools::exit::Exit;
use pixeld_bench::tools::launch::kill_all_started;
use pixeld_bench::tools::scratch;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Signals within this time are one: timeout, npm and sudo signal a process and then its group.
const ONE_SIGNAL: Duration = Duration::from_millis(500);

/// Listens for interrupts and returns a flag that the first one sets; a second one ends the process. Servers that were started
/// end with the process, also when it panics.
pub(super) fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let setter = Arc::clone(&stop);
    end_with_panics();
    if let Ok(mut signals) = SignalStream::take() {
        std::thread::spawn(move || {
            let mut interrupt = || while signals.wait() == Signal::ReopenLog {};
            interrupt();
            setter.store(true, Ordering::SeqCst);
            let first = Instant::now();
            while first.elapsed() < ONE_SIGNAL {
                interrupt();
            }
            end_all_started();
            exit_now(i32::from(Exit::Interrupted as u8));
        });
    }
    stop
}

/// Lets a panic end the servers that were started: it may abort the process, which then runs no destructors.
fn end_with_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        end_all_started();
        usual(panic);
    }));
}

/// Gives the terminal back, ends the servers that were started and removes their folders.
fn end_all_started() {
    terminal::give_back();
    kill_all_started();
    scratch::remove_all();
}

#[cfg(test)]
mod tests {
    use super::end_with_panics;
    use pixeld_bench::client::target::Target;
    use pixeld_bench::driver::server::ServerProbe;
    use pixeld_bench::scenario::Scenario;
    use pixeld_bench::scenario::request::{Bodies, RequestForm};
    use pixeld_bench::screen::Screen;
    use pixeld_bench::tools::launch::Launch;

    #[test]
    fn a_panic_ends_what_was_started() {
        let target = Target::resolve("http://127.0.0.1:1/", None, "/").unwrap();
        let launch = Launch::parse("sleep 600").unwrap();
        let mut server = launch.start(&target).unwrap();
        let folder = launch.log.parent().unwrap().to_path_buf();
        assert!(server.check_alive().is_ok() && folder.exists());
        end_with_panics();
        assert!(std::thread::spawn(|| panic!("on purpose")).join().is_err());
        while server.check_alive().is_ok() {
            std::thread::yield_now();
        }
        assert!(!folder.exists());
    }

    /// Takes the terminal and panics; the test below runs it on one.
    #[test]
    #[ignore = "needs a terminal of its own"]
    fn panics_on_a_screen() {
        let form = RequestForm {
            method: "GET".into(),
            path: "/".into(),
            host: "h".into(),
            headers: Vec::new(),
            bodies: Bodies::None,
        };
        let scenario = Scenario::new(Target::resolve("http://127.0.0.1:1/", None, "/").unwrap(), form);
        end_with_panics();
        let screen = Screen::open(&scenario, &[], Some((&ServerProbe::default(), 0))).unwrap();
        std::thread::spawn(|| panic!("on purpose")).join().unwrap_err();
        // What would be drawn now is not.
        std::thread::sleep(std::time::Duration::from_millis(600));
        std::mem::forget(screen);
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let exe = std::env::current_exe().unwrap();
        let name = "cli::interrupt::tests::panics_on_a_screen";
        let line = format!("TERM=xterm {} --ignored --exact {name} --nocapture; stty -a", exe.display());
        let output = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .stdin(std::process::Stdio::null())
            .output()
            .expect("script(1), which every Debian has");
        let drawn = String::from_utf8_lossy(&output.stdout);
        let place = |what: &str| drawn.rfind(what).unwrap_or_else(|| panic!("no {what:?} in {drawn:?}"));
        assert!(place("\x1b[?1049h") < place("\x1b[?1049l"), "{drawn:?}");
        assert!(place("\x1b[?1049l") < place("on purpose"), "{drawn:?}");
        let settings = &drawn[place("on purpose")..];
        assert!(settings.contains(" icanon") && settings.contains(" echo "), "{settings}");
        assert!(!settings.contains("connecting"), "nothing is drawn any more: {settings}");
    }
}
