//! A server that runs, and what signals ask of it.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::events::{self, LevelSwitch};
use super::succession::{self, Predecessor, Successor};
use super::watchdog::{self, Watched};
use super::{CliError, guard, import, recovery};
use crate::apps::declaration::Tools;
use crate::apps::pex::import::Import;
use crate::base::fingerprint::Fingerprint;
use crate::base::version;
use crate::config::effective::{Config, LogFormat};
use crate::config::peer::Peer;
use crate::config::reload::reload;
use crate::config::settings;
use crate::config::sources::Sources;
use crate::decoder::thumbnailer;
use crate::engine::lifecycle::inviting;
use crate::engine::lifecycle::server::{Ending, Server};
use crate::engine::shared::access::tokens::Tokens;
use crate::engine::shared::settings::{Listen, Settings};
use crate::engine::shared::tls::Https;
use crate::engine::shared::tls::certificates::Reloaded;
use crate::os::inherit::{self, Inherited};
use crate::os::notify::Manager;
use crate::os::output;
use crate::os::signal::{Signal, SignalStream, exit_now};
use crate::os::thread;

/// A server with what its signals need.
pub(super) struct Running {
    server: Server,
    signals: Receiver<Signal>,
    /// For the server itself.
    asks: Sender<Signal>,
    level: LevelSwitch,
    config: Config,
    sources: Sources,
    cores: usize,
    manager: Manager,
    /// What the server was started with; the limits may be later ones.
    started_with: Settings,
    watched: Watched,
}

impl Running {
    /// Takes what there is to take over, and serves.
    pub(super) fn start(
        config: Config,
        import: Option<Import>,
        sources: Sources,
        cores: usize,
        take_over: bool,
        https: Option<Https>,
    ) -> Result<Self, CliError> {
        let manager = Manager::from_environment();
        let Inherited { listeners: mut inherited, left } =
            inherit::inherited().map_err(CliError::Inherited)?;
        let (left, mut connections) = succession::take_from(&manager, left).map_err(CliError::Inherited)?;
        let level = events::start(config.log_level, config.log_format);
        guard::keep_secrets(&config.access, &config.https);
        let config = with_inviting_host(config)?;
        let mut settings = Settings { https, ..await_names(&config) };
        if !inherited.is_empty() {
            settings.listen = addresses(&inherited, &settings.listen).map_err(CliError::Inherited)?;
        }
        // What was left is used where the configuration asks for it; what systemd opened stands in place of that.
        if inherited.is_empty() {
            inherited = left;
        }
        let started = Arc::new(AtomicBool::new(false));
        let (signals, asks) = listen_for_signals(started.clone()).map_err(CliError::Signals)?;
        let watched = Watched::default();
        watchdog::start(&manager, &watched).map_err(CliError::Signals)?;
        let mut predecessor = None;
        if take_over {
            let (process, listeners) = Predecessor::meet().map_err(CliError::Inherited)?;
            inherited = listeners;
            connections = process.await_release().map_err(CliError::Inherited)?;
            predecessor = Some(process);
        }
        // What an operator accepted once is not accepted again, whether a flag, a file or the environment says so.
        settings.accept_loss &= !take_over;
        let started_with = settings.clone();
        let mut server = Server::start_with(settings, inherited, import.map(import::record))?;
        if let Some(Import { hits, position }) = import {
            tracing::info!(hits, position, "took over the count of the original Fibonacci server");
        }
        connections.into_iter().for_each(|connection| server.adopt(connection));
        if let Some(predecessor) = predecessor {
            predecessor.relieve();
        }
        started.store(true, Ordering::SeqCst);
        let running =
            Self { server, signals, asks, level, config, sources, cores, manager, started_with, watched };
        running.watch();
        running.announce();
        running.manager.notify("READY=1\nSTATUS=serving");
        Ok(running)
    }

    /// Shows the server to the watchdog, and lets it ask for a successor.
    fn watch(&self) {
        let shared = self.server.shared();
        watchdog::set(&self.watched, Some(shared.clone()));
        let asks = self.asks.clone();
        shared.new_start.get_or_init(|| {
            Box::new(move || {
                // Nobody listens any more to a server that is ending.
                let _ = asks.send(Signal::HandOver);
            })
        });
    }

    /// Says where the server listens, what it keeps and how to try it.
    fn announce(&self) {
        recovery::log(self.server.report());
        self.warn_of_few_descriptors();
        guard::warn_of_strangers(self.server.addresses(), &self.config.access);
        let addresses = self.server.urls();
        let (data_dir, durability) =
            (self.config.settings.data_dir.display(), self.config.settings.durability);
        let (workers, apps) = (self.config.settings.workers, self.config.apps.join(","));
        match self.config.log_format {
            LogFormat::Text => {
                output::report(format_args!(
                    "pixeld {} listens on {}\nkeeps every write it answers in {data_dir} (durability {durability}); \
                     {workers} workers; {apps}",
                    version::FULL,
                    addresses.join(", ")
                ));
                output::report(format_args!("try: {}", example(&addresses[0], &self.config.apps)));
                if let Some(line) = second_host(&self.config.peer, self.server.key()) {
                    output::report(line);
                }
            }
            LogFormat::Json => {
                let addresses = addresses.join(",");
                tracing::info!(version = version::FULL, addresses, %data_dir, %durability, workers, apps, "listening");
            }
        }
    }

    /// Warns of a limit of open files that bounds the connections, which nobody would guess from the 503 of the one too many. Where
    /// nobody asked for a number of connections, a limit that allows the usual number of files is no reason for a warning: what
    /// the server keeps of it for itself is not missed.
    fn warn_of_few_descriptors(&self) {
        let (connections, wanted) =
            (self.server.shared().limits().connections, self.config.settings.limits.connections);
        let is_as_usual =
            self.config.is_default("limits.connections") && thread::descriptor_limit() >= wanted as u64;
        if connections < wanted && !is_as_usual {
            tracing::warn!(
                connections,
                wanted,
                "the limit of open files allows fewer connections than configured; raise it: LimitNOFILE= in a unit, ulimit -Hn in a \
                 shell"
            );
        }
    }

    /// Serves until it is told to stop.
    pub(super) fn serve(mut self) -> Result<ExitCode, CliError> {
        while let Some(signal) = self.next_signal() {
            match signal {
                Signal::Reload => self.reload(),
                // What rotates logs sends it to whatever serves; it must not end a server.
                Signal::ReopenLog => {
                    tracing::info!(
                        "SIGUSR1 changes nothing: the log goes to stderr, and no file is open for it"
                    );
                }
                Signal::HandOver => match self.begin_hand_over() {
                    Ok((successor, listeners)) => match self.hand_over(&successor, listeners)? {
                        Some(running) => {
                            self = running;
                            self.note_refusal();
                        }
                        None => return Ok(ExitCode::SUCCESS),
                    },
                    Err(why) => {
                        self.note_refusal();
                        tracing::error!(why, "can't hand over; this process goes on serving");
                    }
                },
                Signal::Stop => break,
            }
        }
        self.manager.notify("STOPPING=1");
        tracing::info!("stopping: no new requests are taken, those in flight are finished");
        let ending = if self.manager.keeps() { self.leave()? } else { self.server.stop() };
        match ending {
            Ending::Drained => tracing::info!("stopped"),
            Ending::Cut(connections) => tracing::warn!(connections, "stopped before these were finished"),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Waits for the next signal, and meanwhile takes over certificates that were renewed. Gives nothing when there will be none.
    fn next_signal(&self) -> Option<Signal> {
        let Some(https) = &self.started_with.https else { return self.signals.recv().ok() };
        loop {
            match self.signals.recv_timeout(CERTIFICATES_PAUSE) {
                Ok(signal) => return Some(signal),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    https.tls.reload_if_changed().iter().for_each(say_certificates);
                }
            }
        }
    }

    /// Leaves every open socket with the manager: if this is a restart, the next process has them at once; if it is a
    /// stop, the manager closes them.
    fn leave(self) -> Result<Ending, CliError> {
        let listeners = self.server.listeners().iter().map(|listener| listener.as_fd().try_clone_to_owned());
        let listeners = listeners.collect::<Result<Vec<OwnedFd>, _>>().map_err(CliError::Inherited)?;
        let mut connections = Vec::new();
        let (ending, _) = self.server.hand_over(&mut |connection| connections.push(connection));
        if let Err(error) = succession::leave_with(&self.manager, &listeners, &connections) {
            tracing::warn!(%error, connections = connections.len(), "the manager did not take our sockets; they are closed");
        }
        Ok(ending)
    }

    /// Starts the new process, and keeps the listeners for the way back.
    fn begin_hand_over(&self) -> Result<(Successor, Vec<TcpListener>), String> {
        // It could not be finished before the directory is released.
        if self.server.shared().space.has_waiting_batch() {
            return Err(
                "a batch that is under way waits for room on the disk; make room, then ask again".to_owned()
            );
        }
        let listeners = self.server.listeners().iter().map(TcpListener::try_clone);
        let listeners = listeners.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        Ok((Successor::start(&listeners)?, listeners))
    }

    /// Leaves everything to the new process, or goes on if that ends before it serves.
    fn hand_over(
        mut self,
        successor: &Successor,
        listeners: Vec<TcpListener>,
    ) -> Result<Option<Self>, CliError> {
        let pid = successor.pid();
        tracing::info!(pid, "handing over to a new process");
        watchdog::set(&self.watched, None);
        let mut connections = Vec::new();
        let (ending, parted) = self.server.hand_over(&mut |connection| {
            successor.give(&connection);
            connections.push(connection);
        });
        match ending {
            Ending::Drained => {}
            Ending::Cut(connections) => tracing::warn!(connections, "handed over before these were finished"),
        }
        if successor.let_go() {
            self.manager.notify(&format!("MAINPID={pid}"));
            tracing::info!(pid, "handed over");
            return Ok(None);
        }
        let mut settings = self.started_with.clone();
        settings.limits.clone_from(&self.config.settings.limits);
        settings.rules = self.config.settings.rules.clone();
        settings.accept_loss = false;
        self.server = Server::resume(settings, parted, listeners)?;
        connections.into_iter().for_each(|connection| self.server.adopt(connection.into()));
        self.watch();
        tracing::error!(
            pid,
            "the new process ended before it served, for the reason above; this process goes on serving"
        );
        Ok(Some(self))
    }

    /// Shows in /metrics that what was asked for did not happen; an alert hangs on it.
    fn note_refusal(&self) {
        self.server.shared().life.reloaded(false);
    }

    /// Takes over new limits and the log level, or nothing at all.
    fn reload(&mut self) {
        let certificates = self.started_with.https.as_ref().map_or(Ok(()), |https| {
            let reloaded = https.tls.reload();
            say_certificates(&reloaded);
            reloaded
        });
        let result = reload(&self.config, &self.sources, self.cores);
        self.server.shared().life.reloaded(result.is_ok() && certificates.is_ok());
        match result {
            Ok(reloaded) => {
                let (changed, restart) = (reloaded.changed.join(","), reloaded.restart.join(","));
                self.server.shared().set_limits(reloaded.config.settings.limits.clone());
                self.server.shared().set_rules(&reloaded.config.settings.rules);
                self.level.set(reloaded.config.log_level);
                self.config = reloaded.config;
                guard::keep_secrets(&self.config.access, &self.config.https);
                guard::warn_of_strangers(self.server.addresses(), &self.config.access);
                let tokens = self.config.settings.rules.tokens.as_ref().map_or(0, Tokens::count);
                tracing::info!(changed, tokens, "configuration read again");
                if !restart.is_empty() {
                    tracing::warn!(keys = restart, "these changed too and take effect at the next start");
                }
            }
            Err(errors) => tracing::error!(%errors, "configuration refused; nothing has changed"),
        }
    }
}

/// How often the files of certificates are looked at; what was replaced is read at the second look.
const CERTIFICATES_PAUSE: Duration = Duration::from_secs(2);

/// Says what a look at the files of the certificates came to.
fn say_certificates(reloaded: &Reloaded) {
    match reloaded {
        Ok(()) => tracing::info!("certificates read again"),
        Err(error) => {
            tracing::error!(%error, "certificates refused; those that were read before stay in use");
        }
    }
}

/// Returns where the peer is looked for, and by what key it knows this one.
fn second_host(peer: &Peer, key: Fingerprint) -> Option<String> {
    let ways = [
        peer.dial.as_ref().map(|at| format!("dials {at}")),
        peer.listen.as_ref().map(|at| format!("may be dialed at {at}")),
    ];
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    let key =
        if peer.insecure { "no keys, no encryption".to_owned() } else { format!("this host's key {key}") };
    peer.is_there().then(|| format!("peer: {}; {key}", ways.join(", ")))
}

/// Returns the configuration of a host that was invited, and is not told where its peer is: that is where the invitation says.
fn with_inviting_host(mut config: Config) -> Result<Config, CliError> {
    let is_told = config.peer.dial.is_some() || config.peer.key.is_some() || config.peer.insecure;
    if !is_told && config.shared_log.servers.is_empty() {
        config.peer.dial = inviting::dialed(&config.settings.data_dir)?;
    }
    Ok(config)
}

/// Returns the settings of the configuration. Waits for an address of each name to listen on: a host that boots may be faster than
/// its network.
fn await_names(config: &Config) -> Settings {
    let mut tries = 0_u32;
    loop {
        match settings::of(config, thread::allowed_cores(), &Tools { thumbnailer }) {
            Ok(settings) => return settings,
            Err(unresolved) => {
                if tries.is_multiple_of(NAME_TRIES_TOLD) {
                    tracing::warn!(%unresolved, "can't listen there yet; trying again every second");
                }
                tries += 1;
                std::thread::sleep(NAME_PAUSE);
            }
        }
    }
}

/// How long a name without an address is left alone.
const NAME_PAUSE: Duration = Duration::from_secs(1);
/// After how many tries it is said again.
const NAME_TRIES_TOLD: u32 = 60;

/// Returns the addresses of sockets, each once; one is what the configured listener on its port is.
fn addresses(listeners: &[TcpListener], configured: &[Listen]) -> std::io::Result<Vec<Listen>> {
    let mut found: Vec<Listen> = Vec::new();
    for listener in listeners {
        let address = listener.local_addr()?;
        let known = configured.iter().find(|listen| listen.address.port() == address.port());
        if found.iter().all(|listen| listen.address != address) {
            let usual = Listen::new(address, "index");
            found.push(known.map_or(usual, |listen| Listen { address, ..listen.clone() }));
        }
    }
    Ok(found)
}

/// Returns a command line that shows the server at work.
fn example(address: &str, apps: &[&str]) -> String {
    if apps.contains(&"pixel") {
        let pixel = r#"{"x":10,"y":20,"channel":"R","value":128}"#;
        format!(
            "curl -H 'Content-Type: application/json' -d '{pixel}' {address}/pixel; curl {address}/pixels"
        )
    } else {
        format!("curl {address}/")
    }
}

/// Passes signals on, except those that end the process at once: a stop before the server has `started`, when nothing
/// was acknowledged yet, and a second stop. The server itself may ask for the same.
fn listen_for_signals(started: Arc<AtomicBool>) -> std::io::Result<(Receiver<Signal>, Sender<Signal>)> {
    let mut stream = SignalStream::take()?;
    let (sender, receiver) = channel();
    let asks = sender.clone();
    thread::spawn("signals", move || {
        let mut stopping = false;
        loop {
            let signal = stream.wait();
            if signal == Signal::Stop && (stopping || !started.load(Ordering::SeqCst)) {
                if stopping {
                    tracing::warn!(
                        "stopping at once, as the second signal asks; what is in flight is not answered"
                    );
                }
                exit_now(if stopping { 1 } else { 0 });
            }
            stopping |= signal == Signal::Stop;
            if sender.send(signal).is_err() {
                return;
            }
        }
    })?;
    Ok((receiver, asks))
}
