//! Builds of peers: a command that an interrupt ends, and the end of whose output is shown if it fails.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of the output that are shown.
const TAIL_LINES: usize = 20;

/// Runs a build to its end, in a process group of its own; `install` says what to do if the program is not there.
///
/// # Errors
/// Returns a sentence with the end of the build's output; says so if an interrupt ended it.
pub fn build(line: &[String], install: &str, stop: &AtomicBool) -> Result<(), String> {
    let spawned = Command::new(&line[0])
        .args(&line[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = spawned.map_err(|error| format!("cannot run `{}`: {error}. {install}", line[0]))?;
    let mut pipe = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        // What can't be read is missing from the message, nothing else.
        let _ = pipe.as_mut().map(|pipe| pipe.read_to_end(&mut said));
        said
    });
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            let said = reader.join().unwrap_or_default();
            return if status.success() { Ok(()) } else { Err(failed(line, &said)) };
        }
        if stop.load(Ordering::Relaxed) {
            if let Some(group) = Pid::from_raw(child.id() as i32) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
            return Err(format!("interrupted while `{}` ran", line.join(" ")));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn failed(line: &[String], said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    format!("`{}` failed:\n{tail}", line.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str], is_stopped: bool) -> Result<(), String> {
        let line: Vec<String> = words.iter().map(ToString::to_string).collect();
        build(&line, "get it", &AtomicBool::new(is_stopped))
    }

    #[test]
    fn builds_by_table() {
        assert_eq!(run(&["true"], false), Ok(()));
        let said = run(&["sh", "-c", "seq 50 >&2; false"], false).unwrap_err();
        assert!(said.contains("failed:\n31\n") && said.ends_with("\n50"), "{said}");
        assert!(run(&["no-such-program-here"], false).unwrap_err().contains("get it"));
        // Its child holds the pipe: only the end of the group ends this.
        let said = run(&["sh", "-c", "sleep 600 & wait"], true).unwrap_err();
        assert!(said.contains("interrupted"), "{said}");
    }
}
