//! Servers that bench starts itself: in a process group of their own, bound to CPUs, stopped at the end.

use crate::client::fetch;
use crate::client::socket::Socket;
use crate::client::target::Target;
use crate::driver::machine::pin_this_thread;
use crate::tools::scratch::{self, Scratch};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait until a server that was started answers.
const START_WAIT: Duration = Duration::from_secs(60);
/// Longest wait until a server that was told to end has ended; then it is killed.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Longest wait until the port of a server that was killed is free.
const FREE_WAIT: Duration = Duration::from_secs(2);
/// Longest wait for a connection that tells whether a port is taken.
const TAKEN_WAIT: Duration = Duration::from_secs(1);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Bytes of a server's output that are shown.
const TAIL_BYTES: u64 = 2_000;

/// Process groups that were started and have not been stopped: what has to end with this process.
static STARTED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Kills every server that was started and not stopped, for ends of this process that run no destructors: a second
/// interrupt, a panic that aborts.
pub fn kill_all_started() {
    let mut groups = STARTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for group in groups.drain(..) {
        signal_group(group, Signal::KILL);
    }
}

fn signal_group(group: u32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group as i32) {
        let _ = kill_process_group(group, signal);
    }
}

fn forget(group: u32) {
    STARTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|&known| known != group);
}

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Program and arguments.
    pub command: Vec<String>,
    /// CPUs that it may use; empty for all.
    pub cpus: Vec<usize>,
    /// Where its output goes.
    pub log: PathBuf,
    /// The folder of the log, if it is to go with the last one who may start this.
    pub folder: Option<Arc<Scratch>>,
    /// Variables added to its environment.
    pub variables: Vec<(String, String)>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Launched {
    launch: Launch,
    child: Child,
    restarts: u32,
}

impl Launch {
    /// Returns a launch of a command line as a shell would split it at blanks and quotes, with its log in a folder of its own.
    ///
    /// # Errors
    /// Returns a sentence for an empty line, an open quote, or a folder that can't be made.
    pub fn parse(line: &str) -> Result<Self, String> {
        let command = split_words(line)?;
        if command.is_empty() {
            return Err("the command to start is empty; write for example --start 'pixeld serve'".into());
        }
        let folder = Scratch::new()?;
        let log = folder.path().join("output.log");
        Ok(Self { command, cpus: Vec::new(), log, folder: Some(Arc::new(folder)), variables: Vec::new() })
    }

    /// Starts it without waiting for it.
    ///
    /// # Errors
    /// Returns a sentence that names the program; fails before anything is started if something accepts connections at `target`
    /// already, because its answers would be taken for those of the server that is started.
    pub fn start(&self, target: &Target) -> Result<Launched, String> {
        if is_taken(target) {
            return Err(format!(
                "something answers at {} already, so nothing was started: it would be measured instead of `{}`. Stop it, or \
                 choose another port for both",
                target.url,
                self.command.join(" ")
            ));
        }
        Ok(Launched { child: self.spawn()?, launch: self.clone(), restarts: 0 })
    }

    /// Starts the process. A child inherits the CPUs of the thread that starts it, so a short-lived thread is bound and starts it.
    fn spawn(&self) -> Result<Child, String> {
        let program = &self.command[0];
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|error| format!("cannot write {}: {error}", self.log.display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .args(&self.command[1..])
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0);
        let spawned = std::thread::scope(|scope| {
            let handle = scope.spawn(move || {
                if !self.cpus.is_empty() {
                    pin_this_thread(&self.cpus)?;
                }
                command.spawn().map_err(|error| {
                    format!("cannot start `{program}`: {error}; install it or correct the path")
                })
            });
            handle.join()
        });
        let child = spawned.map_err(|_| format!("cannot start `{program}`"))??;
        STARTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(child.id());
        Ok(child)
    }
}

impl Launched {
    /// Returns the process group of everything it started.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the target answers, with any status.
    ///
    /// # Errors
    /// Returns a sentence with the end of the server's output when it ended or did not answer.
    pub fn await_answer(&mut self, target: &Target, stop: &AtomicBool) -> Result<(), String> {
        self.wait(target, stop, answers)
    }

    /// Waits until the target accepts connections, for servers that don't speak HTTP.
    ///
    /// # Errors
    /// Fails as [`Launched::await_answer`] does.
    pub fn await_connection(&mut self, target: &Target, stop: &AtomicBool) -> Result<(), String> {
        self.wait(target, stop, |target| Socket::connect(&target.endpoint, Duration::from_secs(1)).is_ok())
    }

    fn wait(
        &mut self,
        target: &Target,
        stop: &AtomicBool,
        is_up: impl Fn(&Target) -> bool,
    ) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let has_answered = is_up(target);
            // In this order: an answer counts only if the server that was started is still there to have given it.
            self.check_alive()?;
            if has_answered {
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Err(format!("interrupted while `{}` was starting", self.line()));
            }
            if start.elapsed() > START_WAIT {
                let url = &target.url;
                return Err(format!(
                    "`{}` does not answer at {url}:\n{}",
                    self.line(),
                    tail(&self.launch.log)
                ));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn line(&self) -> String {
        self.launch.command.join(" ")
    }

    /// Fails if the server has ended by itself, with its exit status and the end of its output.
    ///
    /// # Errors
    /// Returns a sentence for people.
    pub fn check_alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                Err(format!("`{}` ended by itself ({status}):\n{}", self.line(), tail(&self.launch.log)))
            }
            _ => Ok(()),
        }
    }

    /// Returns how often it was ended and started again.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Sends a signal to the group.
    pub fn signal(&self, signal: Signal) {
        signal_group(self.child.id(), signal);
    }

    /// Kills the group and starts the same command again.
    ///
    /// # Errors
    /// Returns a sentence if it can't be started, or if something else answers in its place.
    pub fn restart_killed(&mut self, target: &Target) -> Result<(), String> {
        self.check_alive()?;
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        self.restart(target)
    }

    /// Asks the group to end, waits, and starts the same command again.
    ///
    /// # Errors
    /// Fails as [`Launched::restart_killed`] does.
    pub fn restart_in_order(&mut self, target: &Target) -> Result<(), String> {
        self.check_alive()?;
        self.stop();
        self.restart(target)
    }

    fn restart(&mut self, target: &Target) -> Result<(), String> {
        forget(self.child.id());
        let ended = Instant::now();
        // Children of the killed leader may hold the port for a moment.
        while is_taken(target) {
            if ended.elapsed() > FREE_WAIT {
                return Err(format!(
                    "{} still answers after `{}` was ended: another server does, and nothing can be said about this one",
                    target.url,
                    self.line()
                ));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.child = self.launch.spawn()?;
        self.restarts += 1;
        Ok(())
    }

    /// Asks the group to end; kills it when it does not.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < STOP_WAIT {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK_EVERY),
                Ok(status) => {
                    self.signal(Signal::KILL); // what its leader left behind
                    return status;
                }
                Err(_) => break,
            }
        }
        self.signal(Signal::KILL);
        self.child.wait().ok()
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // Also when its leader has ended: what that left behind runs in the group.
        self.stop();
        forget(self.child.id());
    }
}

/// Returns true if something accepts connections at the target, or has a full queue of them.
fn is_taken(target: &Target) -> bool {
    match Socket::connect(&target.endpoint, TAKEN_WAIT) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::TimedOut,
    }
}

/// Returns whether something at the target speaks HTTP.
#[must_use]
pub fn answers(target: &Target) -> bool {
    fetch::stream(target, "", Duration::from_secs(1), |_, _| false).is_ok()
}

/// Returns the end of a server's output, and where all of it stays.
fn tail(log: &Path) -> String {
    let mut end = Vec::new();
    if let Ok(mut file) = File::open(log) {
        // A log that is shorter than its tail is read from its start.
        let _ = file.seek(SeekFrom::End(-(TAIL_BYTES as i64)));
        let _ = file.take(TAIL_BYTES).read_to_end(&mut end);
    }
    if end.trim_ascii().is_empty() {
        return "(it said nothing)".into();
    }
    scratch::keep(log);
    format!("{}\n(all of it is in {})", String::from_utf8_lossy(&end).trim_end(), log.display())
}

/// Splits at blanks; single and double quotes hold words together.
fn split_words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("`{line}` has an open quote"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(split_words("a 'b c'  \"d\"e ''").unwrap(), ["a", "b c", "de", ""]);
        assert!(split_words("a 'b").is_err());
        assert!(split_words("  ").unwrap().is_empty());
    }

    #[test]
    fn a_server_that_ends_at_once_shows_what_it_said() {
        let launch = Launch::parse("sh -c 'echo no such port; exit 3'").unwrap();
        let target = Target::resolve("http://127.0.0.1:1/", None, "/").unwrap();
        let stop = AtomicBool::new(false);
        let error = launch.start(&target).unwrap().await_answer(&target, &stop).unwrap_err();
        assert!(error.contains("no such port") && error.contains('3'), "{error}");
        let log = &launch.log;
        assert!(error.contains(&log.display().to_string()) && log.exists(), "{error}");
        std::fs::remove_dir_all(log.parent().unwrap()).unwrap();
        let missing = Launch::parse("no-such-program-here").unwrap();
        assert!(missing.start(&target).unwrap_err().contains("install it"));
    }

    #[test]
    fn a_place_that_is_taken_starts_nothing() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", other.local_addr().unwrap());
        let target = Target::resolve(&url, None, "/").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let proof = folder.path().join("started");
        let launch = Launch::parse(&format!("touch {}", proof.display())).unwrap();
        let error = launch.start(&target).unwrap_err();
        assert!(error.contains("already") && error.contains(&url), "{error}");
        assert!(!proof.exists());
    }

    #[test]
    fn an_answer_of_another_server_is_not_taken_for_that_of_one_that_ended() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let target = Target::resolve(&format!("http://127.0.0.1:{port}/"), None, "/").unwrap();
        let launch = Launch::parse("false").unwrap();
        let mut server = launch.start(&target).unwrap();
        server.child.wait().unwrap();
        let _other = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let error = server.await_connection(&target, &AtomicBool::new(false)).unwrap_err();
        assert!(error.contains("ended by itself"), "{error}");
    }
}
