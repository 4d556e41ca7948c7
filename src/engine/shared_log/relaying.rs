//! The relay's turns: what the host says over its socket, what the log tells by its port, and the time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::door::Sign;
use super::flights::Flights;
use crate::base::limits::SHARED_LOG_ANSWERS_MAX;
use crate::engine::replication::history;
use crate::engine::shared::Shared;
use crate::engine::shared::seating;
use crate::engine::shared::shared_log::SharedLog;
use crate::engine::shared::space::Intake;
use crate::os::clock::wall_us;
use crate::os::disk::Disk;
use crate::os::random;
use crate::peer::relay::Relay;
use crate::peer::relay::port::{LogCall, LogEvent};
use crate::peer::relay::words::Answer;

/// Bytes read from the host's socket at once.
const READ_BYTES: usize = 256 * 1024;
/// Reads, and events of the log, before the others get their turn.
const AT_ONCE_MAX: usize = 8;
/// The longest sleep, microseconds.
const SLEEP_US_MAX: u64 = 1_000_000;
/// How often the standing is brought up to date, microseconds.
const NOTE_EVERY_US: u64 = 500_000;

/// Whose relay it is: other hosts ask for what it has.
pub(super) struct Host {
    pub(super) shared: Arc<Shared>,
    /// The data directory.
    pub(super) disk: Arc<dyn Disk>,
}

/// The relay with what it is connected to.
pub(super) struct Relaying {
    relay: Relay,
    shared: Arc<Shared>,
    /// The data directory.
    disk: Arc<dyn Disk>,
    standing: Arc<SharedLog>,
    calls: mpsc::Sender<LogCall>,
    /// A call for which there was no room: the host is not read meanwhile.
    call: Option<LogCall>,
    /// When messages were sent that are not acknowledged.
    flights: Flights,
    sign: Sign,
    /// The log can't be reached, as was found out.
    is_away: bool,
    /// The host's connection.
    connection: Option<UnixStream>,
    buffer: Vec<u8>,
    /// Answers to other hosts' questions that are being made.
    answers: JoinSet<(u64, Answer)>,
    noted_us: u64,
}

impl Relaying {
    pub(super) fn new(
        relay: Relay,
        host: Host,
        standing: Arc<SharedLog>,
        calls: mpsc::Sender<LogCall>,
        sign: Sign,
    ) -> Self {
        Self {
            relay,
            shared: host.shared,
            disk: host.disk,
            standing,
            calls,
            call: None,
            flights: Flights::default(),
            sign,
            is_away: false,
            connection: None,
            buffer: vec![0; READ_BYTES],
            answers: JoinSet::new(),
            noted_us: 0,
        }
    }

    /// Takes turns until the link or the port has ended.
    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<LogEvent>,
        mut connections: mpsc::Receiver<std::os::unix::net::UnixStream>,
    ) {
        loop {
            // Whatever is late may have come while this thread had no turn.
            if let Ok(event) = events.try_recv() {
                self.hear(event, &mut events);
            }
            self.turn();
            let interest = self.interest();
            let sleep = Duration::from_micros(self.sleep_us());
            let calls = self.calls.clone();
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.hear(event, &mut events),
                    None => return,
                },
                connection = connections.recv() => match connection {
                    Some(connection) => self.connect(connection),
                    None => return,
                },
                () = readiness(self.connection.as_ref(), interest), if interest.is_some() => {}
                permit = calls.reserve(), if self.call.is_some() => match (permit, self.call.take()) {
                    (Ok(permit), Some(call)) => permit.send(call),
                    _ => return,
                },
                Some(answer) = self.answers.join_next() => {
                    if let Ok((token, answer)) = answer {
                        self.relay.answer(token, &answer);
                    }
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    fn now_us(&self) -> u64 {
        self.shared.clock.now_us()
    }

    /// Does what can be done without waiting.
    fn turn(&mut self) {
        self.read();
        let now_us = self.now_us();
        let is_due = now_us >= self.noted_us + NOTE_EVERY_US;
        // Requests wait for a seat.
        if is_due || self.shared.space.intake() == Intake::Seatless {
            self.relay.list(seating::roster(&self.shared), now_us);
            self.shared.claim.note(&self.relay);
        }
        self.relay.turn(now_us);
        self.pass_calls();
        if let Err(error) = self.write() {
            tracing::debug!(%error, "the link has closed its connection to the log");
            self.part();
        }
        if self.relay.closed().is_some() {
            self.part();
        }
        while self.answers.len() < SHARED_LOG_ANSWERS_MAX
            && let Some((token, question)) = self.relay.next_question()
        {
            let (shared, disk) = (self.shared.clone(), self.disk.clone());
            self.answers.spawn_blocking(move || (token, history::answer(&shared, &*disk, &question)));
        }
        match (&self.connection, self.is_away) {
            (_, true) => self.sign.close(self.relay.why()),
            (None, false) if self.relay.is_ready(now_us) => self.sign.open(),
            _ => self.sign.wait(),
        }
        if is_due {
            self.noted_us = now_us;
            self.standing.note(&self.relay);
            self.shared.roll.hear_all(self.relay.members());
        }
    }

    /// Tells the relay what the log says.
    fn hear(&mut self, event: LogEvent, events: &mut mpsc::Receiver<LogEvent>) {
        let mut next = Some(event);
        for _ in 0..AT_ONCE_MAX {
            let Some(event) = next else { return };
            self.take(event);
            next = events.try_recv().ok();
        }
        next.into_iter().for_each(|event| self.take(event));
    }

    fn take(&mut self, event: LogEvent) {
        match event {
            LogEvent::Up { .. } => self.is_away = false,
            LogEvent::Down { .. } => {
                self.is_away = true;
                // It was meant for a connection that is no more.
                self.call = None;
            }
            LogEvent::Appended { token, .. } => {
                let ack_us = self.flights.acknowledged(token, self.now_us());
                ack_us.iter().for_each(|us| self.standing.ack_us.record(*us, 1));
            }
            _ => {}
        }
        self.relay.on(event, self.now_us());
    }

    /// Takes a connection of the host.
    fn connect(&mut self, connection: std::os::unix::net::UnixStream) {
        let now_us = self.now_us();
        self.part();
        // The log may have gone meanwhile: then the connection is closed at once.
        if let Ok(connection) = UnixStream::from_std(connection)
            && self.relay.is_ready(now_us)
        {
            self.relay.connect(random::number().unwrap_or_default(), wall_us(), now_us);
            self.connection = Some(connection);
        }
    }

    /// Ends the connection to the host.
    fn part(&mut self) {
        if self.connection.take().is_some() {
            self.relay.lost(self.now_us());
        }
    }

    /// Reads what the host says, while the relay and its port have room.
    fn read(&mut self) {
        for _ in 0..AT_ONCE_MAX {
            let Some(connection) = self.connection.as_ref().filter(|_| self.may_read()) else { return };
            let read = connection.try_read(&mut self.buffer);
            match read {
                Ok(count) if count > 0 => {
                    let now_us = self.now_us();
                    self.relay.receive(&self.buffer[..count], now_us);
                    self.relay.turn(now_us);
                    self.pass_calls();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => return self.part(),
            }
        }
    }

    fn may_read(&self) -> bool {
        self.call.is_none() && self.relay.wants_input()
    }

    /// Writes as much for the host as its socket takes.
    fn write(&mut self) -> io::Result<()> {
        while let Some(connection) = self.connection.as_ref().filter(|_| !self.relay.output().is_empty()) {
            match connection.try_write(self.relay.output()) {
                Ok(count) => self.relay.sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            self.relay.turn(self.now_us());
        }
        Ok(())
    }

    /// Passes calls to the port while it has room for them.
    fn pass_calls(&mut self) {
        while self.call.is_none()
            && let Some(call) = self.relay.next_call()
        {
            if let LogCall::Append { token, .. } = call {
                self.flights.sent(token, self.now_us());
            }
            self.call = self.calls.try_send(call).err().map(mpsc::error::TrySendError::into_inner);
        }
    }

    /// Returns what the host's socket is waited for.
    fn interest(&self) -> Option<Interest> {
        self.connection.as_ref()?;
        match (self.may_read(), self.relay.output().is_empty()) {
            (true, true) => Some(Interest::READABLE),
            (true, false) => Some(Interest::READABLE | Interest::WRITABLE),
            (false, false) => Some(Interest::WRITABLE),
            (false, true) => None,
        }
    }

    fn sleep_us(&self) -> u64 {
        let now_us = self.now_us();
        let due_us = self.relay.deadline().map_or(SLEEP_US_MAX, |due_us| due_us.saturating_sub(now_us));
        due_us.min(SLEEP_US_MAX)
    }
}

/// Waits until the host's socket is ready.
async fn readiness(connection: Option<&UnixStream>, interest: Option<Interest>) {
    if let (Some(connection), Some(interest)) = (connection, interest) {
        // An error shows when it is read or written.
        let _ = connection.ready(interest).await;
    }
}
