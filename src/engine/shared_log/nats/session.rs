//! What is under way by one connection.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::ContextBuilder;
use async_nats::{Client, Event, ServerError, Subscriber};
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::appending::Appending;
use super::end::End;
use super::following::Following;
use super::monitor;
use super::names::Names;
use super::pictures::Pictures;
use super::register::Register;
use super::servers::Connected;
use super::streams::Streams;
use super::strength;
use super::talking::{Heard, Talking};
use crate::base::ids::NodeId;
use crate::base::limits::{
    RELAY_LATE_US, SHARED_LOG_CALL_MS, SHARED_LOG_LOOK_MS, SHARED_LOG_LOOKS, SHARED_LOG_OWED_MS,
    SHARED_LOG_PAUSE_MS_MIN,
};
use crate::engine::shared::settings::SharedLogSettings;
use crate::engine::shared::shared_log::Synced;
use crate::peer::relay::port::{LogCall, LogEvent};

/// What does not change from one connection to the next.
pub(super) struct Way {
    pub(super) settings: Arc<SharedLogSettings>,
    pub(super) names: Names,
    pub(super) node: NodeId,
    pub(super) events: mpsc::Sender<LogEvent>,
}

/// A stream that is followed.
struct Followed {
    token: u64,
    taken: watch::Sender<u64>,
    task: AbortHandle,
}

/// Facts about the servers that the next connection may rest on: while they elect leaders, servers take messages but leave some
/// questions unanswered for seconds.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) nodes: BTreeSet<NodeId>,
    pub(super) synced: Synced,
}

/// A connection in use. What it has begun ends with it.
pub(super) struct Session {
    settings: Arc<SharedLogSettings>,
    names: Names,
    node: NodeId,
    events: mpsc::Sender<LogEvent>,
    connection: mpsc::Receiver<Event>,
    streams: Streams,
    appending: Appending,
    /// What the log says to appended messages.
    acks: Subscriber,
    talking: Talking,
    heard: Heard,
    pictures: Pictures,
    register: Register,
    followed: HashMap<NodeId, Followed>,
    /// With the nodes of which the relay was told.
    known: Known,
    tasks: JoinSet<Done>,
    /// The task that makes this host's stream again.
    making: Option<AbortHandle>,
    is_looked_at: bool,
    /// Looks since the servers and the stream were last looked at.
    looks: u32,
}

/// What a task of a connection came to.
enum Done {
    /// What it was to do, or not.
    Nothing,
    /// These nodes have a stream.
    Nodes(BTreeSet<NodeId>),
    /// The servers and this host's stream are what they have to be.
    Fit(Synced),
    /// The log can't be used any more.
    Unfit(End),
}

/// What a session is made of, once the server and this host's stream were found to be what they have to be.
struct Parts {
    streams: Streams,
    appending: Appending,
    acks: Subscriber,
    talking: Talking,
    heard: Heard,
    pictures: Pictures,
    register: Register,
    known: Known,
}

impl Parts {
    async fn begin(way: &Way, client: &Client, known: Option<&Known>) -> Result<Self, End> {
        let Way { settings, names, node, events } = way;
        if let Some(why) = strength::unfit(&client.server_info(), settings.allow_weak) {
            return Err(End::Refused(why));
        }
        let context =
            ContextBuilder::new().timeout(Duration::from_millis(SHARED_LOG_CALL_MS)).build(client.clone());
        let streams = Streams::new(context.clone(), names.clone(), *node, settings.clone());
        let known = match known {
            Some(known) => known.clone(),
            None => Self::look(&streams, settings).await?,
        };
        let (appending, acks) = Appending::begin(client).await.map_err(End::Lost)?;
        let (talking, heard) = Talking::begin(client, names, *node).await.map_err(End::Lost)?;
        let register = Register::new(context.clone(), names.clone(), settings.clone());
        let pictures = Pictures::new(context, names, settings.clone(), events.clone());
        Ok(Self { streams, appending, acks, talking, heard, pictures, register, known })
    }

    /// Looks whether the servers and this host's stream are worth what `cluster` promises, and which hosts there are.
    async fn look(streams: &Streams, settings: &SharedLogSettings) -> Result<Known, End> {
        let synced = monitor::look(settings).await.map_err(End::Refused)?;
        streams.own().await?;
        Ok(Known { nodes: streams.nodes().await.map_err(End::Silent)?, synced })
    }
}

impl Session {
    /// Looks whether the server and this host's stream are what they have to be, and tells the relay that the log is there. What is
    /// `known` of an earlier connection is looked at afterwards.
    ///
    /// # Errors
    /// Returns why it can't be used.
    pub(super) async fn begin(way: &Way, connected: Connected, known: Option<&Known>) -> Result<Self, End> {
        let Connected { client, events: mut connection, .. } = connected;
        let parts = match Parts::begin(way, &client, known).await {
            Ok(parts) => parts,
            Err(end) => {
                // What a host may not do is not answered; the server says so beside.
                let mut told = std::iter::from_fn(|| connection.try_recv().ok());
                return Err(told.find_map(|event| forbidden(&event)).map_or(end, End::Refused));
            }
        };
        let is_looked_at = known.is_none();
        let Parts { streams, appending, acks, talking, heard, pictures, register, known } = parts;
        let up = LogEvent::Up { nodes: known.nodes.iter().copied().collect() };
        way.events.send(up).await.map_err(|_| lost("the relay has ended"))?;
        Ok(Self {
            settings: way.settings.clone(),
            names: way.names.clone(),
            node: way.node,
            events: way.events.clone(),
            connection,
            streams,
            appending,
            acks,
            talking,
            heard,
            pictures,
            register,
            followed: HashMap::new(),
            known,
            tasks: JoinSet::new(),
            making: None,
            is_looked_at,
            looks: 0,
        })
    }

    /// Returns whether the servers and this host's stream were found to be what they have to be by this connection.
    pub(super) fn is_looked_at(&self) -> bool {
        self.is_looked_at
    }

    /// Returns what was found.
    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Does what the relay calls for until the connection ends; gives why it did.
    pub(super) async fn run(&mut self, calls: &mut mpsc::Receiver<LogCall>) -> End {
        let every = Duration::from_millis(SHARED_LOG_LOOK_MS);
        if !self.is_looked_at {
            self.look_at_strength(true);
        }
        let mut look = interval_at(Instant::now() + every, every);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                call = calls.recv() => match call {
                    Some(LogCall::Reconnect) => {
                        return End::Silent("the server does not answer any more".to_owned());
                    }
                    Some(call) => self.call(call).await,
                    None => return lost("the relay has ended"),
                },
                Some(message) = self.acks.next() => {
                    let answer = self.appending.answer(&message);
                    if answer.as_ref().is_some_and(|answer| answer.is_homeless) {
                        self.make_stream();
                    }
                    self.tell(answer.map(|answer| answer.event)).await;
                }
                Some(message) = self.heard.beats.next() => {
                    let said = self.talking.said(message);
                    if let Some(LogEvent::Said { node, .. }) = &said {
                        self.meet(*node).await;
                    }
                    self.tell(said).await;
                }
                Some(message) = self.heard.questions.next() => {
                    let asked = self.talking.asked(message);
                    self.tell(asked).await;
                }
                Some(message) = self.heard.answers.next() => self.tell(self.talking.answered(message)).await,
                event = self.connection.recv() => match event {
                    Some(Event::Disconnected | Event::Closed) | None => return lost("the connection has ended"),
                    Some(Event::LameDuckMode) => return lost("the server is about to stop"),
                    Some(event) => if let Some(why) = forbidden(&event) {
                        return End::Refused(why);
                    },
                },
                _ = look.tick() => self.look(),
                Some(done) = self.tasks.join_next() => match done {
                    Ok(Done::Nodes(nodes)) => for node in nodes {
                        self.meet(node).await;
                    },
                    Ok(Done::Fit(synced)) => (self.is_looked_at, self.known.synced) = (true, synced),
                    Ok(Done::Unfit(end)) => return end,
                    // A panic was printed by the thread, and one that was aborted is followed from elsewhere.
                    Ok(Done::Nothing) | Err(_) => {}
                },
            }
        }
    }

    async fn call(&mut self, call: LogCall) {
        match call {
            LogCall::Append { token, after, inc, message } => {
                let subject = self.names.messages_of(self.node, inc);
                let failed = self.appending.append(token, after, subject, message).await;
                self.tell(failed).await;
            }
            LogCall::Tail { token, node } => {
                let streams = self.streams.clone();
                self.ask(move || {
                    let streams = streams.clone();
                    async move { streams.tail(token, node).await }
                });
            }
            LogCall::Find { token, node, number } => {
                let streams = self.streams.clone();
                self.ask(move || {
                    let streams = streams.clone();
                    async move { streams.first_from(token, node, number).await }
                });
            }
            LogCall::Follow { token, node, after } => self.follow(token, node, after),
            LogCall::Unfollow { node } => {
                let before = self.followed.remove(&node);
                before.iter().for_each(|before| before.task.abort());
            }
            LogCall::Taken { token, bytes } => {
                let followed = self.followed.values().find(|followed| followed.token == token);
                followed
                    .iter()
                    .for_each(|followed| followed.taken.send_modify(|taken| *taken += bytes as u64));
            }
            LogCall::Put { id, total, offset, bytes } => self.pictures.put(id, total, offset, bytes).await,
            LogCall::Get { id, offset } => self.pictures.get(id, offset),
            LogCall::Enter { token, name, value } => {
                let register = self.register.clone();
                self.ask(move || {
                    let (register, name) = (register.clone(), name.clone());
                    async move { register.enter(token, &name, value).await }
                });
            }
            LogCall::Say { bytes } => self.talking.say(bytes).await,
            LogCall::Ask { token, to, question } => self.talking.ask(token, to, question).await,
            LogCall::Answer { token, answer } => self.talking.answer(token, answer).await,
            LogCall::Reconnect => {}
        }
    }

    async fn tell(&self, event: Option<LogEvent>) {
        if let Some(event) = event {
            // A relay that is gone is noticed by the calls that it does not make.
            let _ = self.events.send(event).await;
        }
    }

    /// Tells the relay what a question to the log came to. While the servers elect a leader they say at once that they can't answer, so
    /// it is put again for a second. The relay asks again by itself, too; an answer that it does not wait for any more does no harm.
    fn ask<A>(&mut self, question: impl Fn() -> A + Send + 'static)
    where
        A: Future<Output = Result<LogEvent, String>> + Send,
    {
        let events = self.events.clone();
        let end = Instant::now() + Duration::from_micros(RELAY_LATE_US);
        self.tasks.spawn(async move {
            let mut pause = Duration::from_millis(SHARED_LOG_PAUSE_MS_MIN);
            loop {
                match question().await {
                    Ok(event) => drop(events.send(event).await),
                    Err(why) => {
                        tracing::debug!(why, "a question to the log was not answered");
                        if Instant::now() + pause < end {
                            tokio::time::sleep(pause).await;
                            pause *= 2;
                            continue;
                        }
                    }
                }
                return Done::Nothing;
            }
        });
    }

    /// Follows a node's stream, and no longer from where it was followed before.
    fn follow(&mut self, token: u64, node: NodeId, after: u64) {
        let (taken, receiver) = watch::channel(0);
        let (context, stream) = (self.streams.context.clone(), self.names.stream(node));
        let following = Following::new(context, stream, token, after, self.events.clone(), receiver);
        let task = self.tasks.spawn(async move {
            following.run().await;
            Done::Nothing
        });
        if let Some(before) = self.followed.insert(node, Followed { token, taken, task }) {
            before.task.abort();
        }
    }

    /// Tells the relay of a node that it was not told of yet.
    async fn meet(&mut self, node: NodeId) {
        if self.known.nodes.insert(node) {
            self.tell(Some(LogEvent::Node { node })).await;
        }
    }

    /// Makes this host's stream again, which somebody has removed or the servers have lost.
    fn make_stream(&mut self) {
        if self.making.as_ref().is_some_and(|making| !making.is_finished()) {
            return;
        }
        let streams = self.streams.clone();
        self.making = Some(self.tasks.spawn(async move {
            if let Err(end) = streams.own().await {
                tracing::warn!(why = end.why(), "this host's stream in the log is missing");
            }
            Done::Nothing
        }));
    }

    /// Looks for streams of nodes that were not heard of, which may have been away all the time; now and then whether the log is
    /// still worth what it was.
    fn look(&mut self) {
        let streams = self.streams.clone();
        self.tasks.spawn(async move { streams.nodes().await.map_or(Done::Nothing, Done::Nodes) });
        self.looks += 1;
        if self.looks >= SHARED_LOG_LOOKS {
            self.looks = 0;
            self.look_at_strength(false);
        }
    }

    /// Looks whether the servers and this host's stream are worth what `cluster` promises. If nobody answers, that ends a connection
    /// which rests on what an earlier one knew (`is_owed`), after some tries; any other one is looked at again later.
    fn look_at_strength(&mut self, is_owed: bool) {
        let (streams, settings) = (self.streams.clone(), self.settings.clone());
        let end = Instant::now() + Duration::from_millis(SHARED_LOG_OWED_MS);
        self.tasks.spawn(async move {
            let synced = match monitor::look(&settings).await {
                Ok(synced) => synced,
                Err(why) => return Done::Unfit(End::Refused(why)),
            };
            loop {
                match streams.check().await {
                    Ok(()) => return Done::Fit(synced),
                    Err(End::Silent(_)) if is_owed && Instant::now() < end => {
                        tokio::time::sleep(Duration::from_millis(SHARED_LOG_PAUSE_MS_MIN)).await;
                    }
                    Err(End::Silent(_)) if !is_owed => return Done::Nothing,
                    Err(end) => return Done::Unfit(end),
                }
            }
        });
    }
}

fn lost(why: &str) -> End {
    End::Lost(why.to_owned())
}

/// Returns what the server does not let this host do, in words for an operator; nothing for an event that says no such thing.
fn forbidden(event: &Event) -> Option<String> {
    match event {
        Event::ServerError(ServerError::Other(what))
            if what.to_lowercase().contains("permissions violation") =>
        {
            Some(format!(
                "the log does not let this host do what it has to ({what}): see --log-credentials, and what \
                 scripts/nats/accounts.conf gives to a host"
            ))
        }
        _ => None,
    }
}
