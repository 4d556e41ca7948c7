//! NATS JetStream behind the log port: one connection at a time to one of the servers, and what is under way on it.
//!
//! ```text
//! connect -> look at the server and this host's stream -> Up; after a lost connection Up at once, and the look runs beside
//!   calls  -> appending | streams (Tail, Find) | following | talking | pictures
//!   events <- answers of appended messages, messages, beats, questions, answers
//! the connection ends, or the relay asks for another one -> Down, and the next server
//! ```
//!
//! No message has an id, no consumer outlives its reader, and the servers keep no position: what is appended is compared
//! with the number before it, and what is read is found by batches' own numbers.

mod appending;
mod end;
mod following;
mod monitor;
mod names;
mod pictures;
mod register;
mod servers;
mod session;
mod streams;
mod strength;
mod talking;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::end::End;
use self::names::Names;
use self::servers::{Connected, Credentials, Servers};
use self::session::{Known, Session, Way};
use super::plan::Plan;
use crate::base::limits::SHARED_LOG_REFUSED_MS;
use crate::engine::shared::settings::SharedLogSettings;
use crate::engine::shared::shared_log::SharedLog;
use crate::os::clock::Clock;
use crate::peer::relay::port::{LogCall, LogEvent};

/// Reads the files that a log's settings name; gives what that of credentials says.
///
/// # Errors
/// Fails for a file that can't be read, or that has nothing of what it is to have; names it.
pub(super) fn files(settings: &SharedLogSettings) -> io::Result<Option<String>> {
    let read = |flag: &str, path: &Path, check: &dyn Fn(&str) -> Result<(), String>| {
        let text = fs::read_to_string(path).map_err(|error| error.to_string());
        let text = text.and_then(|text| check(&text).map(|()| text));
        text.map_err(|error| io::Error::other(format!("{flag} {}: {error}", path.display())))
    };
    let is_sound = |text: &str| Credentials::read(text).map(drop);
    let credentials = settings.credentials.as_ref();
    let credentials = credentials.map(|path| read("--log-credentials", path, &is_sound)).transpose()?;
    let has_certificate = |text: &str| match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(()),
        false => Err("there is no certificate in PEM in it".to_owned()),
    };
    let authority = settings.authority.as_ref();
    authority.map(|path| read("--log-ca", path, &has_certificate)).transpose()?;
    Ok(credentials)
}

/// The port to NATS.
pub struct Nats {
    way: Way,
    credentials: Option<String>,
    servers: Servers,
    calls: mpsc::Receiver<LogCall>,
    /// Facts of the last connection, for the next one; nothing if it ended before they were checked.
    known: Option<Known>,
    /// Where it is told how the log stands.
    standing: Arc<SharedLog>,
    clock: Clock,
}

impl Nats {
    /// Returns a port that has no connection yet. It takes calls from `calls` and tells `events` what comes of them.
    pub fn new(
        plan: Plan,
        calls: mpsc::Receiver<LogCall>,
        events: mpsc::Sender<LogEvent>,
        standing: Arc<SharedLog>,
    ) -> Self {
        let Plan { settings, credentials, cluster, lineage, node, random, clock } = plan;
        let servers = Servers::new(&settings.servers, random);
        let way = Way { settings, names: Names::new(cluster, lineage), node, events };
        Self { way, credentials, servers, calls, known: None, standing, clock }
    }

    /// Serves the relay until it is gone.
    pub async fn run(mut self) {
        loop {
            let settings = &self.way.settings;
            let why = match self.servers.connect(settings, self.credentials.as_deref(), self.way.node).await {
                Ok(connected) => self.serve(connected).await,
                Err(why) => why,
            };
            self.standing.away(self.clock.now_us());
            // The link says it once, to everybody.
            tracing::debug!(why, "the log is away; trying again");
            if self.way.events.send(LogEvent::Down { why }).await.is_err() {
                return;
            }
        }
    }

    /// Serves the relay by one connection; gives why that has ended.
    async fn serve(&mut self, connected: Connected) -> String {
        let server = connected.server.clone();
        let outcome = match Session::begin(&self.way, connected, self.known.as_ref()).await {
            Ok(mut session) => {
                let synced = session.known().synced;
                self.standing.here(&server, synced, self.clock.now_us());
                tracing::info!(server, synced = synced.label(), "the log is there");
                // What was asked of an earlier connection is over.
                while self.calls.try_recv().is_ok() {}
                let end = session.run(&mut self.calls).await;
                self.known = None;
                if session.is_looked_at() {
                    self.servers.succeeded();
                    // A connection that was lost says nothing against the servers; the next one goes on with what this one knew.
                    self.known = matches!(end, End::Lost(_)).then(|| session.known().clone());
                }
                end
            }
            Err(end) => end,
        };
        match outcome {
            End::Lost(why) | End::Silent(why) => why,
            End::Refused(why) => {
                // Somebody has to mend it: no hurry.
                tokio::time::sleep(Duration::from_millis(SHARED_LOG_REFUSED_MS)).await;
                why
            }
        }
    }
}
