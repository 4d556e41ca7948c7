//! A machine as its files tell it: the one we run on, or a copy of another's /proc and /sys.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::os::topology;

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Returns the machine whose file system begins at `root`; `/` is this one.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Returns whether it is the one we run on, so that its disk and its programs can be asked as well.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Returns its root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a file's text without blanks around it; nothing where it is not there or may not be read.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path.trim_start_matches('/'))).ok()?;
        Some(text.trim().to_owned())
    }

    /// Returns a file that holds one number.
    #[must_use]
    pub fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// Returns whether there is such a file or directory.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path.trim_start_matches('/')).exists()
    }

    /// Returns whether there is a network card of this name.
    #[must_use]
    pub fn has_card(&self, name: &str) -> bool {
        !matches!(name, "" | "." | "..") && !name.contains('/') && self.has(&format!("sys/class/net/{name}"))
    }

    /// Names in a directory, in order.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path.trim_start_matches('/'))).into_iter().flatten();
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Returns what a program prints. Of a copy: the file `commands/PROGRAM ARGUMENTS` with underscores for blanks.
    #[must_use]
    pub fn output(&self, program: &str, arguments: &[&str]) -> Option<String> {
        if self.is_live() {
            let output = Command::new(program).args(arguments).output().ok()?;
            return output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned());
        }
        self.text(&format!("commands/{program}_{}", arguments.join("_")))
    }

    /// Returns the CPUs that are online.
    #[must_use]
    pub fn cpus(&self) -> Vec<usize> {
        topology::cpu_list(&self.text("sys/devices/system/cpu/online").unwrap_or_else(|| "0".to_owned()))
    }

    /// Returns whether we run as root there.
    #[must_use]
    pub fn is_root(&self) -> bool {
        let status = self.text("proc/self/status").unwrap_or_default();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
        uid == Some("0")
    }

    /// Returns a named number of the tables in `/proc/net/snmp` and `/proc/net/netstat`: a line of names above one of values.
    #[must_use]
    pub fn counter(&self, file: &str, table: &str, name: &str) -> Option<u64> {
        let text = self.text(file)?;
        let mut rows = text.lines().filter(|line| line.starts_with(table));
        let names = rows.next()?.split_whitespace();
        let values = rows.next()?.split_whitespace();
        names.zip(values).find(|(found, _)| *found == name)?.1.parse().ok()
    }

    /// Returns a column of `/proc/net/softnet_stat`, added up over the CPUs.
    #[must_use]
    pub fn softnet(&self, column: usize) -> Option<u64> {
        let text = self.text("proc/net/softnet_stat")?;
        let value = |line: &str| u64::from_str_radix(line.split_whitespace().nth(column)?, 16).ok();
        Some(text.lines().filter_map(value).sum())
    }

    /// Ticks of all CPUs since boot: user, nice, system, idle, iowait, irq, softirq, steal.
    #[must_use]
    pub fn ticks(&self) -> Option<Vec<u64>> {
        let text = self.text("proc/stat")?;
        let fields = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
        let ticks: Vec<u64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
        (ticks.len() == 8).then_some(ticks)
    }
}
