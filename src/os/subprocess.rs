//! A process of this program's own, kept for work that may crash, run away or eat memory. What it does to itself so that little
//! of that reaches others is in [`super::confinement`].
//!
//! It has three descriptors, pipes to whoever started it, and an empty environment. It may be ended at any moment.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

/// The program that this process runs. The kernel's own name for it: it leads to the same program when its file was
/// replaced or removed meanwhile.
pub const OWN_PROGRAM: &str = "/proc/self/exe";
/// Bytes of what an ended process wrote to its standard error that are looked at.
const LAST_WORDS_BYTES: usize = 400;

/// A process that was started here. Dropped, it is killed and nothing of it stays behind.
pub struct Subprocess {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
}

/// Until when something is waited for: as long as the process has not had its CPU time, which on a busy machine may be
/// long after, but not for ever.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// CPU time that the process may have used by then.
    cpu: Duration,
    /// When it can have used it.
    soonest: Instant,
    /// When nobody waits any more.
    latest: Instant,
    /// What it has to get while it is waited for.
    share: Option<Share>,
}

/// The least that a process has to get of the CPU: less is no fault of its own.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// CPU time.
    pub cpu: Duration,
    /// In so much time by the clock.
    pub of: Duration,
}

/// How often CPU time is looked at once it may be used up.
const GLANCE: Duration = Duration::from_millis(20);

impl Subprocess {
    /// Starts `program`, which calls itself `name` in lists of processes.
    ///
    /// # Errors
    /// Returns the error of starting a process: no such program, too many processes or descriptors, no memory.
    pub fn start(program: &Path, name: &str, arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg0(name).args(arguments).env_clear().current_dir("/");
        // A group of its own: Ctrl-C in a terminal is for the server, which then ends this one.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = taken else {
            unreachable!("all three are pipes");
        };
        let made = Self { child, input, output, errors };
        fcntl_setfl(&made.input, OFlags::NONBLOCK)?;
        fcntl_setfl(&made.output, OFlags::NONBLOCK)?;
        fcntl_setfl(&made.errors, OFlags::NONBLOCK)?;
        Ok(made)
    }

    /// Returns its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the CPU time that it has used so far, to a hundredth of a second; nothing once it is gone.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        let (user, system) = super::thread::process_cpu_seconds(self.id())?;
        Some(Duration::from_secs_f64(user + system))
    }

    /// Returns a deadline for what it does from now on.
    #[must_use]
    pub fn within(&self, cpu: Duration, wall: Duration) -> Deadline {
        Deadline {
            cpu: self.cpu_time().unwrap_or_default().saturating_add(cpu),
            soonest: Instant::now() + cpu,
            latest: Instant::now() + wall,
            share: None,
        }
    }

    /// Returns a deadline for what a process that gives way to all others does from now on: it is not waited for while it gets less
    /// than its share.
    #[must_use]
    pub fn within_if_fed(&self, cpu: Duration, wall: Duration, share: Share) -> Deadline {
        Deadline { share: Some(share), ..self.within(cpu, wall) }
    }

    /// Returns whether the time is up.
    fn is_late(&self, deadline: &Deadline) -> bool {
        let now = Instant::now();
        now >= deadline.latest
            || now >= deadline.soonest && self.cpu_time().is_none_or(|used| used >= deadline.cpu)
    }

    /// Returns whether it has ended by itself, or was ended by somebody else.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Writes all of `bytes` to its standard input.
    ///
    /// # Errors
    /// Fails with `TimedOut` once it is late, `ResourceBusy` if it does not get its share, `BrokenPipe` when it has ended.
    pub fn write(&self, mut bytes: &[u8], deadline: &Deadline) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.input, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::AGAIN) => self.wait_for(&self.input, PollFlags::OUT, deadline)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Fills `buffer` from its standard output.
    ///
    /// # Errors
    /// Fails with `TimedOut` once it is late, `ResourceBusy` if it does not get its share, `UnexpectedEof` when it has ended.
    pub fn read(&self, buffer: &mut [u8], deadline: &Deadline) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match rustix::io::read(&self.output, &mut buffer[done..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => done += read,
                Err(Errno::AGAIN) => self.wait_for(&self.output, PollFlags::IN, deadline)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn wait_for(&self, end: impl AsFd, what: PollFlags, deadline: &Deadline) -> io::Result<()> {
        let mut window = deadline.share.map(|share| Window::begin(self, share));
        loop {
            if self.is_late(deadline) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if window.as_mut().is_some_and(|window| window.is_starved(self)) {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            let look = window.as_ref().map_or(deadline.soonest, |window| window.end.min(deadline.soonest));
            let left = look.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left.max(GLANCE)).map_err(|_| io::ErrorKind::InvalidInput)?;
            match poll(&mut [PollFd::new(&end, what)], Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Kills it, unless it has ended already, and says how it ended and what it said last: one line without control
    /// characters.
    #[must_use]
    pub fn end(mut self) -> String {
        // A process that is past its end keeps the status that it has.
        let _ = self.child.kill();
        let how = self.child.wait().map_or_else(|error| error.to_string(), outcome_of);
        let mut words = vec![0; LAST_WORDS_BYTES];
        let length = self.errors.read(&mut words).unwrap_or(0);
        let words = String::from_utf8_lossy(&words[..length]).replace(char::is_control, " ");
        match words.trim() {
            "" => how,
            words => format!("{how}: {words}"),
        }
    }
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        // It may have ended already. Waiting takes it out of the list of processes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A time in which a process has to get its share.
struct Window {
    share: Share,
    end: Instant,
    /// CPU time that it had used before.
    before: Duration,
}

impl Window {
    fn begin(process: &Subprocess, share: Share) -> Self {
        Self { share, end: Instant::now() + share.of, before: process.cpu_time().unwrap_or_default() }
    }

    /// Returns whether it got less; begins the next one if it got it.
    fn is_starved(&mut self, process: &Subprocess) -> bool {
        if Instant::now() < self.end {
            return false;
        }
        let before = self.before;
        *self = Self::begin(process, self.share);
        self.before.saturating_sub(before) < self.share.cpu
    }
}

fn outcome_of(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with {code}"),
        (None, Some(signal)) => match signal_hook::low_level::signal_name(signal) {
            Some(name) => format!("it was ended by {name}"),
            None => format!("it was ended by signal {signal}"),
        },
        (None, None) => "it ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Subprocess {
        Subprocess::start(Path::new("/bin/sh"), "shell", &["-c", script]).unwrap()
    }

    /// Returns a deadline so late that what is not there by then does not come.
    fn soon(process: &Subprocess) -> Deadline {
        process.within(Duration::from_secs(20), Duration::from_secs(20))
    }

    fn at_once(process: &Subprocess) -> Deadline {
        process.within(Duration::from_millis(5), Duration::from_millis(5))
    }

    #[test]
    fn bytes_go_there_and_back_and_the_environment_stays_here() {
        let process = shell("cat; echo $0 $HOME");
        let sent: Vec<u8> = (0..60_000_u32).map(|at| at as u8).collect();
        process.write(&sent, &soon(&process)).unwrap();
        let mut back = vec![0; sent.len()];
        process.read(&mut back, &soon(&process)).unwrap();
        assert!(sent == back);
        assert_eq!(process.read(&mut back, &at_once(&process)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let more = vec![0; 1 << 20];
        assert_eq!(
            process.write(&more, &at_once(&process)).unwrap_err().kind(),
            io::ErrorKind::TimedOut,
            "nobody reads"
        );
    }

    #[test]
    fn an_end_is_reported_with_its_last_words() {
        let mut byte = [0];
        for (script, how) in [
            ("exit 3", "it ended with 3"),
            ("printf 'no\\nmore' >&2; kill -ABRT $$", "it was ended by SIGABRT: no more"),
            ("kill -9 $$", "it was ended by SIGKILL"),
        ] {
            let process = shell(script);
            let ended = process.read(&mut byte, &soon(&process)).unwrap_err();
            assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof, "{script}");
            assert_eq!(process.end(), how, "{script}");
        }
        let mut process = shell("read line; exit 0");
        assert!(!process.has_ended());
        process.write(b"\n", &soon(&process)).unwrap();
        while !process.has_ended() {
            std::thread::yield_now();
        }
        assert_eq!(process.write(b"\n", &soon(&process)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(process.end(), "it ended with 0");
    }

    #[test]
    fn time_that_others_had_does_not_count() {
        // It sleeps: no CPU time is used, and only the clock ends the wait.
        let (idle, mut byte) = (shell("sleep 600"), [0]);
        let started = Instant::now();
        let deadline = idle.within(Duration::from_millis(1), Duration::from_millis(300));
        assert_eq!(idle.read(&mut byte, &deadline).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= Duration::from_millis(300));
        let busy = shell("while :; do :; done");
        let deadline = busy.within(Duration::from_millis(50), Duration::from_secs(600));
        assert_eq!(busy.read(&mut byte, &deadline).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(busy.cpu_time().unwrap() >= Duration::from_millis(50));
    }

    #[test]
    fn one_that_gets_less_than_its_share_is_not_waited_for() {
        let wall = Duration::from_secs(600);
        let share = Share { cpu: Duration::from_millis(20), of: Duration::from_millis(200) };
        // It sleeps, which looks the same from here.
        let (idle, mut byte) = (shell("sleep 600"), [0]);
        let deadline = idle.within_if_fed(wall, wall, share);
        assert_eq!(idle.read(&mut byte, &deadline).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        // One that has it is waited for to its end, window after window.
        let busy = shell("while :; do :; done");
        let deadline =
            busy.within_if_fed(Duration::from_millis(500), wall, Share { cpu: Duration::ZERO, ..share });
        assert_eq!(busy.read(&mut byte, &deadline).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(busy.cpu_time().unwrap() >= Duration::from_millis(500));
    }

    #[test]
    fn a_dropped_one_is_gone() {
        let process = shell("while :; do :; done");
        let directory = format!("/proc/{}", process.id());
        assert!(Path::new(&directory).exists());
        drop(process);
        assert!(!Path::new(&directory).exists());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = Subprocess::start(Path::new("/nowhere"), "x", &[]).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
