//! What is under way from the time that the bucket was reached until it is away.

mod calls;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::appending::Appending;
use super::check;
use super::done::{Done, End};
use super::names::node_of;
use super::objects::{Entry, Objects, Trouble};
use super::pictures::{Giving, Keeping, Piece};
use super::streams::Streams;
use super::talking::{Heard, Talking};
use super::window::Window;
use crate::base::ids::NodeId;
use crate::base::limits::{
    SHARED_LOG_BUCKET_LOOK_MS, SHARED_LOG_BUCKET_SILENT_MS, SHARED_LOG_PAUSE_MS_MIN, SHARED_LOG_SWEEP_MS,
    SHARED_LOG_TRIM_MS,
};
use crate::peer::relay::port::{LogCall, LogEvent};

/// The constants of all sessions.
pub(super) struct Way {
    pub(super) streams: Streams,
    /// The bucket as operators name it.
    pub(super) place: String,
    pub(super) node: NodeId,
    pub(super) window: Arc<Window>,
    pub(super) events: mpsc::Sender<LogEvent>,
}

/// A stream that is followed.
struct Followed {
    token: u64,
    taken: watch::Sender<u64>,
    task: AbortHandle,
}

/// A session. What it has begun ends with it.
pub(super) struct Session {
    streams: Streams,
    node: NodeId,
    window: Arc<Window>,
    events: mpsc::Sender<LogEvent>,
    appending: Appending,
    talking: Talking,
    pieces: mpsc::UnboundedSender<Piece>,
    giving: Giving,
    followed: HashMap<NodeId, Followed>,
    /// Nodes of which the relay was told.
    nodes: BTreeSet<NodeId>,
    tasks: JoinSet<Done>,
    /// When the window is looked at next, and what lies beside the log.
    trim_at: Instant,
    sweep_at: Instant,
}

impl Session {
    /// Looks whether the bucket is what it has to be, and tells the relay that the log is there. `random` names the session.
    ///
    /// # Errors
    /// Returns why it can't be used.
    pub(super) async fn begin(way: &Way, random: u64) -> Result<Self, End> {
        let Way { streams, place, node, window, events } = way;
        let (objects, names) = (streams.objects.clone(), streams.names.clone());
        check::check(&objects, &names, (*node, random), place).await?;
        let folders = objects.folders(&names.streams()).await?;
        let mut nodes: BTreeSet<NodeId> = folders.iter().filter_map(|folder| node_of(folder)).collect();
        let now = Instant::now();
        let mut talking = Talking::new(objects.clone(), names.clone(), *node, random, now);
        nodes.extend(talking.list(&listed(&objects, &names.voices()).await?, now));
        let (pieces, came) = mpsc::unbounded_channel();
        let keeping = Keeping::new(objects.clone(), names.clone(), events.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            keeping.run(came).await;
            Done::Nothing
        });
        let up = LogEvent::Up { nodes: nodes.iter().copied().collect() };
        events.send(up).await.map_err(|_| lost("the relay has ended"))?;
        Ok(Self {
            streams: streams.clone(),
            node: *node,
            window: window.clone(),
            events: events.clone(),
            appending: Appending::default(),
            talking,
            pieces,
            giving: Giving::new(objects, names),
            followed: HashMap::new(),
            nodes,
            tasks,
            trim_at: now,
            sweep_at: now,
        })
    }

    /// Does what the relay calls for until the bucket is away; gives why it is.
    pub(super) async fn run(&mut self, calls: &mut mpsc::Receiver<LogCall>) -> End {
        let every = Duration::from_millis(SHARED_LOG_BUCKET_LOOK_MS);
        let mut look = interval_at(Instant::now() + every, every);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut talk = interval(Duration::from_millis(SHARED_LOG_PAUSE_MS_MIN));
        talk.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                call = calls.recv() => match call {
                    Some(LogCall::Reconnect) => return lost("the bucket does not answer any more"),
                    Some(call) => self.call(call).await,
                    None => return lost("the relay has ended"),
                },
                Some(done) = self.tasks.join_next() => {
                    // A panic was printed by the thread, and what was aborted is followed from elsewhere.
                    let outcome = self.take(done.unwrap_or(Done::Nothing)).await;
                    if let Err(end) = self.judge(outcome) {
                        return end;
                    }
                }
                _ = talk.tick() => self.talk(),
                _ = look.tick() => self.look(),
            }
        }
    }

    /// Takes what a task came to.
    async fn take(&mut self, done: Done) -> Result<(), Trouble> {
        match done {
            Done::Nothing => {}
            Done::Event(event) => self.tell(Some(event)).await,
            Done::Ended(event) => {
                if let LogEvent::Tail { first, last, .. } = &event {
                    self.appending.note_end(last.as_ref().map_or(first - 1, |(number, _)| *number));
                }
                self.tell(Some(event)).await;
            }
            Done::Appended(bytes, outcome) => {
                self.window.note_added(if outcome.is_ok() { bytes } else { 0 });
                for event in self.appending.done(outcome.clone()) {
                    self.tell(Some(event)).await;
                }
                self.append();
                return outcome;
            }
            Done::Told(outcome) => {
                self.talking.told(outcome.is_ok());
                return outcome;
            }
            Done::Heard(node, outcome) => {
                let trouble = outcome.as_ref().err().cloned();
                let heard = self.talking.hear(node, outcome.unwrap_or_default(), Instant::now());
                self.take_heard(node, heard).await;
                return trouble.map_or(Ok(()), Err);
            }
            Done::Listed(entries) => self.take_list(&entries?).await,
            Done::Answered(number, answer) => {
                let event = self.talking.answered(number, answer, Instant::now());
                self.tell(event).await;
            }
            Done::Tended(outcome) => return outcome,
        }
        Ok(())
    }

    /// Judges whether the session goes on behind what a call came to.
    fn judge(&self, outcome: Result<(), Trouble>) -> Result<(), End> {
        let silent_for = self.streams.objects.silent_for();
        match outcome {
            Ok(()) | Err(Trouble::Taken) => Ok(()),
            Err(Trouble::Away(_)) if silent_for < Duration::from_millis(SHARED_LOG_BUCKET_SILENT_MS) => {
                Ok(())
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn take_heard(&mut self, node: NodeId, heard: Option<Heard>) {
        let Some(Heard { last, events }) = heard else { return };
        if last > self.streams.noted(node) {
            self.streams.note(node, last);
        }
        for event in events {
            self.tell(Some(event)).await;
        }
    }

    /// Takes a list of those who tell something, with the time by the bucket's clock.
    async fn take_list(&mut self, entries: &[Entry]) {
        let now = Instant::now();
        for node in self.talking.list(entries, now) {
            if self.nodes.insert(node) {
                self.tell(Some(LogEvent::Node { node })).await;
            }
        }
        let own = entries.iter().find(|entry| node_of(&entry.name) == Some(self.node));
        own.iter().for_each(|own| self.tend(own.modified_ms, now));
    }

    /// Removes what is too old, if that is due. This host's own object was written a moment ago, at `now_ms`.
    fn tend(&mut self, now_ms: i64, now: Instant) {
        let is_sweep = self.sweep_at <= now;
        if self.trim_at > now {
            return;
        }
        self.trim_at = now + Duration::from_millis(SHARED_LOG_TRIM_MS);
        if is_sweep {
            self.sweep_at = now + Duration::from_millis(SHARED_LOG_SWEEP_MS);
        }
        let (window, streams) = (self.window.clone(), self.streams.clone());
        self.tasks.spawn(async move {
            let trimmed = window.trim(&streams, now_ms).await;
            Done::Tended(if is_sweep { trimmed.and(window.sweep(&streams, now_ms).await) } else { trimmed })
        });
    }

    /// Writes what is told to others and reads what they tell, as far as that is due.
    fn talk(&mut self) {
        let now = Instant::now();
        if let Some(telling) = self.talking.tell(self.appending.end(), now) {
            self.tasks.spawn(async move { Done::Told(telling.await) });
        }
        for (node, listening) in self.talking.listen(now) {
            self.tasks.spawn(async move { Done::Heard(node, listening.await) });
        }
    }

    /// Looks who tells something.
    fn look(&mut self) {
        let (objects, folder) = (self.streams.objects.clone(), self.streams.names.voices());
        self.tasks.spawn(async move { Done::Listed(listed(&objects, &folder).await) });
    }
}

fn lost(why: &str) -> End {
    End::Lost(why.to_owned())
}

/// Lists a folder that has some objects for each host.
async fn listed(objects: &Objects, folder: &str) -> Result<Vec<Entry>, Trouble> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let behind = entries.last().map(|entry| entry.name.clone());
        let page = objects.list(folder, behind).await?;
        let is_last = page.is_last() || page.entries.is_empty();
        entries.extend(page.entries);
        if is_last {
            return Ok(entries);
        }
    }
}
