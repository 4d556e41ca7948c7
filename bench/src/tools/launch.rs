//! Servers that bench starts itself: in a process group of their own, bound to CPUs, stopped at the end.

use crate::client::fetch;
use crate::client::stream::Stream;
use crate::client::target::Target;
use crate::driver::machine::pin_this_thread;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest wait until a server that was started answers.
const START_WAIT: Duration = Duration::from_secs(60);
/// Longest wait until a server that was told to end has ended; then it is killed.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How a server is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments.
    pub command: Vec<String>,
    /// CPUs that it may use; empty for all.
    pub cpus: Vec<usize>,
    /// Where its output goes.
    pub log: PathBuf,
    /// Variables added to its environment.
    pub variables: Vec<(String, String)>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Launched {
    launch: Launch,
    child: Child,
}

impl Launch {
    /// A launch of a command line as a shell would split it at blanks and quotes.
    ///
    /// # Errors
    /// A sentence for an empty line or an open quote.
    pub fn parse(line: &str, log: PathBuf) -> Result<Self, String> {
        let command = split_words(line)?;
        if command.is_empty() {
            return Err("the command to start is empty; write for example --start 'pixeld serve'".into());
        }
        Ok(Self { command, cpus: Vec::new(), log, variables: Vec::new() })
    }

    /// Starts it without waiting for it.
    ///
    /// # Errors
    /// A sentence that names the program.
    pub fn start(&self) -> Result<Launched, String> {
        let child = self.spawn()?;
        Ok(Launched { launch: self.clone(), child })
    }

    /// A child inherits the CPUs of the thread that starts it, so a short-lived thread is bound and starts it.
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
        spawned.map_err(|_| format!("cannot start `{program}`"))?
    }
}

impl Launched {
    /// The process group of everything it started.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the target answers, with any status.
    ///
    /// # Errors
    /// A sentence with the end of the server's output when it ended or did not answer.
    pub fn await_answer(&mut self, target: &Target) -> Result<(), String> {
        self.wait(target, answers)
    }

    /// Waits until the target accepts connections, for servers that don't speak HTTP.
    ///
    /// # Errors
    /// As [`Launched::await_answer`].
    pub fn await_connection(&mut self, target: &Target) -> Result<(), String> {
        self.wait(target, |target| Stream::connect(&target.endpoint, Duration::from_secs(1)).is_ok())
    }

    fn wait(&mut self, target: &Target, is_up: impl Fn(&Target) -> bool) -> Result<(), String> {
        let start = Instant::now();
        loop {
            if is_up(target) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!(
                    "`{}` ended at once ({status}):\n{}",
                    self.line(),
                    tail(&self.launch.log)
                ));
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

    /// Sends a signal to the group.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process_group(group, signal);
        }
    }

    /// Kills the group and starts the same command again.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn restart_killed(&mut self) -> Result<(), String> {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        self.child = self.launch.spawn()?;
        Ok(())
    }

    /// Asks the group to end, waits, and starts the same command again.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn restart_in_order(&mut self) -> Result<(), String> {
        self.stop();
        self.child = self.launch.spawn()?;
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
        if let Ok(None) = self.child.try_wait() {
            self.stop();
        }
    }
}

/// Whether something at the target speaks HTTP.
#[must_use]
pub fn answers(target: &Target) -> bool {
    fetch::stream("GET", target, Duration::from_secs(1), |_| false).is_ok()
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(2_000)..]).into_owned();
    if text.trim().is_empty() { "(it said nothing)".into() } else { text }
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
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch::parse("sh -c 'echo no such port; exit 3'", folder.path().join("log")).unwrap();
        let target = Target::resolve("http://127.0.0.1:1/", None, "/").unwrap();
        let error = launch.start().unwrap().await_answer(&target).unwrap_err();
        assert!(error.contains("no such port") && error.contains('3'), "{error}");
        let missing = Launch::parse("no-such-program-here", folder.path().join("log")).unwrap();
        assert!(missing.start().unwrap_err().contains("install it"));
    }
}
