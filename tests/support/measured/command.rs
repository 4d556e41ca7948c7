//! `pixeld bench` as a process: what it prints, how it ends.

pub use super::port::free_port;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A finished command: its exit code, stdout and stderr.
pub struct Told {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn command(arguments: &[&str]) -> Command {
    // Cargo hands its build's variables to tests; a server would take them for settings.
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixeld"));
    command.env_remove("PIXELD_COMMIT").arg("bench").args(arguments);
    command
}

pub fn told(output: Output) -> Told {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

pub fn bench(arguments: &[&str]) -> Told {
    told(command(arguments).output().unwrap())
}

/// `pixeld bench null` on a port of its own; ended when dropped.
pub struct Null {
    pub child: Child,
    pub url: String,
}

impl Null {
    pub fn start(arguments: &[&str]) -> Self {
        let all = [&["null", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut child = command(&all).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_string() }
    }
}

impl Drop for Null {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `pixeld bench agent` on a port of its own; ended when dropped.
pub struct Agent {
    pub child: Child,
    pub address: String,
    /// The fingerprint that it prints.
    pub key: String,
}

impl Agent {
    pub fn start(arguments: &[&str]) -> Self {
        Self::of(command(&["agent", "--listen", "127.0.0.1:0"]).args(arguments))
    }

    /// Starts what `command` says and reads where it listens.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, key) = line.trim().strip_prefix("listening on ").unwrap().split_once(", key ").unwrap();
        Self { child, address: address.to_string(), key: key.to_string() }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Sends a signal such as `-INT`.
pub fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}
