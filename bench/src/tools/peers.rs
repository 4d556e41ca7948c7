//! What a comparison runs: servers described in `bench/peers/*.toml`, or any URL.

use crate::client::target::Target;
use crate::client::tls::Trust;
use crate::driver::server::{Processes, ServerProbe};
use crate::input;
use crate::output;
use crate::tools::build::build;
use crate::tools::launch::{Launch, Launched};
use crate::tools::scratch::Scratch;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A peer as its file describes it. `{run}` is a fresh folder, `{peers}` the folder of the file, `{exe}` this program,
/// `{target}` cargo's target folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// One line for the table.
    pub about: String,
    /// What of the data survives: `no`, `memory`, `loses up to 1 s`, `disk`.
    pub keeps: String,
    /// Where it answers.
    pub url: String,
    /// Program and arguments.
    pub start: Vec<String>,
    /// Commands that build it, run once; each is a program and its arguments.
    #[serde(default)]
    pub build: Vec<Vec<String>>,
    /// How to install what it needs, shown when a program is missing.
    #[serde(default)]
    pub install: String,
    /// Files written into `{run}` before it starts.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Environment variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Whether it takes nothing but the load: a server that derives the length of all requests from the first one.
    #[serde(default)]
    pub takes_only_load: bool,
    /// Redis speaks a protocol of its own: the command that its own benchmark program repeats.
    #[serde(default)]
    pub redis_command: Vec<String>,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Name in the table.
    pub name: String,
    /// The description, unless it is a server that runs already.
    pub peer: Option<Peer>,
    /// The target.
    pub target: Target,
    folder: PathBuf,
}

/// A contender whose server answers.
#[derive(Debug)]
pub struct Ready {
    /// Where to read what it uses.
    pub probe: ServerProbe,
    /// The server, stopped when this is dropped.
    server: Option<Launched>,
    /// Its folder, removed after it.
    _run: Option<Scratch>,
}

impl Contender {
    /// Returns a URL, a peer's name below `folder`, or the path of a peer's file.
    ///
    /// # Errors
    /// Returns a sentence with the peers that there are.
    pub fn find(name: &str, folder: &Path, trust: &Trust) -> Result<Self, String> {
        let file =
            if name.ends_with(".toml") { PathBuf::from(name) } else { folder.join(format!("{name}.toml")) };
        if !file.exists() && (name.contains(['.', ':', '/'])) {
            let target = Target::resolve_trusting(name, None, "/pixel", trust)?;
            return Ok(Self { name: name.to_string(), peer: None, target, folder: folder.to_path_buf() });
        }
        let text = input::text(&file, input::SETTINGS_BYTES_MAX)
            .map_err(|error| format!("no peer `{name}`: {error}; there are {}", names(folder).join(", ")))?;
        let peer: Peer = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let target = Target::resolve_trusting(&peer.url, None, "/pixel", trust)?;
        let short = file.file_stem().map_or(name.into(), |stem| stem.to_string_lossy().into_owned());
        let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
        let folder = folder.canonicalize().unwrap_or(folder);
        Ok(Self { name: short, peer: Some(peer), target, folder })
    }

    /// Builds what has to be built; a command line that is in `built` already is not run again.
    ///
    /// # Errors
    /// Returns the end of the build's output.
    pub fn build(&self, built: &mut Vec<Vec<String>>, stop: &AtomicBool) -> Result<(), String> {
        let Some(peer) = &self.peer else { return Ok(()) };
        for line in &peer.build {
            let line: Vec<String> = line.iter().map(|word| self.filled(word, Path::new("."))).collect();
            if built.contains(&line) {
                continue;
            }
            output::report(format_args!("{}: {}", self.name, line.join(" ")));
            build(&line, &peer.install, stop).map_err(|error| format!("{}: {error}", self.name))?;
            built.push(line);
        }
        Ok(())
    }

    /// Starts the server on `cpus` in a fresh folder below `runs` and waits until it answers; a URL's server has to
    /// run already.
    ///
    /// # Errors
    /// Returns a sentence that names the next step.
    pub fn start(
        &self,
        cpus: &[usize],
        runs: &Path,
        asks_metrics: bool,
        stop: &AtomicBool,
    ) -> Result<Ready, String> {
        let Some(peer) = &self.peer else {
            return Ok(Ready {
                probe: ServerProbe::find(&self.target, asks_metrics),
                server: None,
                _run: None,
            });
        };
        let folder = Scratch::below(runs, &format!("{}-", self.name))?;
        let run = folder.path();
        for (name, text) in &peer.files {
            let path = run.join(name);
            fs::write(&path, self.filled(text, run))
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        let launch = Launch {
            command: peer.start.iter().map(|word| self.filled(word, run)).collect(),
            cpus: cpus.to_vec(),
            log: run.join("output.log"),
            folder: None,
            variables: peer.variables.iter().map(|(k, v)| (k.clone(), self.filled(v, run))).collect(),
        };
        let mut server = launch
            .start(&self.target)
            .map_err(|error| format!("{}: {error}. {}", self.name, peer.install))?;
        let probe = if peer.takes_only_load || !peer.redis_command.is_empty() {
            server.await_connection(&self.target, stop)?;
            ServerProbe { processes: Processes::Group(server.group()), ..ServerProbe::default() }
        } else {
            server.await_answer(&self.target, stop)?;
            ServerProbe::of_group(server.group(), &self.target, asks_metrics)
        };
        Ok(Ready { probe, server: Some(server), _run: Some(folder) })
    }

    fn filled(&self, text: &str, run: &Path) -> String {
        let exe = std::env::current_exe().unwrap_or_default();
        text.replace("{run}", &run.display().to_string())
            .replace("{peers}", &self.folder.display().to_string())
            .replace("{exe}", &exe.display().to_string())
            .replace("{target}", &target_folder(&self.folder).display().to_string())
    }
}

/// Returns where cargo builds: beside the project unless `CARGO_TARGET_DIR` says otherwise.
fn target_folder(peers: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => folder.into(),
        None => peers.join("../../target"),
    }
}

impl Ready {
    /// Fails if the server has ended by itself: what was measured since is of something else.
    ///
    /// # Errors
    /// Returns a sentence with the end of the server's output.
    pub fn check_alive(&mut self) -> Result<(), String> {
        self.server.as_mut().map_or(Ok(()), Launched::check_alive)
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            server.stop();
        }
    }
}

/// Returns names of the peers in a folder.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_string))
        .filter(|name| name != "Cargo") // the Rust peers' workspace
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_of_the_project_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let names = names(&folder);
        assert!(names.len() >= 10, "{names:?}");
        for name in names {
            let contender = Contender::find(&name, &folder, &Trust::default()).unwrap();
            assert!(!contender.peer.unwrap().start.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let error = Contender::find("no-such-peer", &folder, &Trust::default()).unwrap_err();
        assert!(error.contains("there are") && error.contains("floor"), "{error}");
        assert!(Contender::find("http://127.0.0.1:1/x", &folder, &Trust::default()).unwrap().peer.is_none());
    }
}
