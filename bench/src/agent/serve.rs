//! `pixeld bench agent`: waits for masters, finds out who may direct it, and lets one at a time do so.

use crate::agent::keys::AgentKey;
use crate::agent::limits::{GREETING_WAIT, LOOK_EVERY, ORDER_BYTES_MAX, STRANGERS_TOLD_EVERY};
use crate::agent::message::{Refusal, ToAgent, ToMaster, Version, line, read};
use crate::agent::strangers::Strangers;
use crate::agent::task::Tasks;
use crate::agent::token::{Side, Token};
use crate::agent::wire::Wire;
use crate::output;
use crate::scenario::threads_for;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An agent, bound to its address.
pub struct Agent {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// Why an agent does not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others can reach the address.
    #[error(
        "{0} can be reached by others, who could then send load from here: give --token-file FILE or PIXELD_BENCH_TOKEN \
         (`openssl rand -hex 32 > FILE`), the same as the master's"
    )]
    NoToken(SocketAddr),
    /// The system refuses.
    #[error("cannot listen on {0}: {1}; choose another --listen")]
    System(SocketAddr, io::Error),
}

/// What the threads of an agent have in common.
struct Shared {
    key: AgentKey,
    token: Option<Token>,
    /// The master that directs the agent now.
    master: Mutex<Option<SocketAddr>>,
    /// Connections that have not shown that they come from a master.
    strangers: Strangers,
    /// When a stranger was told of last.
    told: Mutex<Option<Instant>>,
}

impl Agent {
    /// Binds to `address`; port 0 takes any.
    ///
    /// # Errors
    /// Fails if the address can't be had, or others can reach it and there is no token.
    pub fn bind(address: SocketAddr, key: AgentKey, token: Option<Token>) -> Result<Self, BindError> {
        if token.is_none() && !address.ip().is_loopback() {
            return Err(BindError::NoToken(address));
        }
        let listener = TcpListener::bind(address).map_err(|error| BindError::System(address, error))?;
        listener.set_nonblocking(true).map_err(|error| BindError::System(address, error))?;
        let shared = Shared {
            key,
            token,
            master: Mutex::new(None),
            strangers: Strangers::default(),
            told: Mutex::new(None),
        };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// Returns where it listens.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves masters until `stop` is set and the load of the last one has ended.
    pub fn run(&self, stop: &Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            match self.listener.accept() {
                Ok((socket, from)) => self.admit(socket, from, stop),
                // No connection, or none can be had now: no descriptor is left, or its maker has gone.
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
        while self.shared.master().is_some() {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Gives a connection a thread of its own.
    fn admit(&self, socket: TcpStream, from: SocketAddr, stop: &Arc<AtomicBool>) {
        if self.shared.strangers.enter(from, &socket).is_err() {
            return;
        }
        let (shared, stop) = (Arc::clone(&self.shared), Arc::clone(stop));
        let serve = move || {
            let greeted = shared.greet(socket, from);
            shared.strangers.leave(from);
            match greeted {
                Ok((wire, _seat)) => {
                    output::report(format_args!("{from} directs this agent"));
                    let end = Tasks::new(wire, &stop).carry_out_all();
                    output::report(format_args!("{from} has gone: {end}"));
                }
                Err(why) => shared.tell(format_args!("{from} was not taken: {why}")),
            }
        };
        if std::thread::Builder::new().name("agent-master".into()).spawn(serve).is_err() {
            self.shared.strangers.leave(from);
        }
    }
}

/// The right to direct the agent; gives it back when dropped.
struct Seat(Arc<Shared>);

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.master.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Shared {
    fn master(&self) -> Option<SocketAddr> {
        *self.master.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the right to direct the agent to a master, or says who has it.
    fn take_seat(self: &Arc<Self>, from: SocketAddr) -> Result<Seat, SocketAddr> {
        let mut master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        match *master {
            Some(other) => Err(other),
            None => {
                *master = Some(from);
                Ok(Seat(Arc::clone(self)))
            }
        }
    }

    /// Tells of a stranger, unless one was told of just now: whoever connects must not fill a disk.
    fn tell(&self, line: impl std::fmt::Display) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|last| last.elapsed() >= STRANGERS_TOLD_EVERY) {
            *told = Some(Instant::now());
            output::report(line);
        }
    }

    /// Exchanges greetings; returns the connection of a master that may direct the agent, and its right.
    fn greet(self: &Arc<Self>, socket: TcpStream, from: SocketAddr) -> Result<(Wire, Seat), String> {
        let deadline = Instant::now() + GREETING_WAIT;
        let text = |error: io::Error| error.to_string();
        let mut wire =
            Wire::new(socket, self.key.accept().map_err(|error| error.to_string())?).map_err(text)?;
        wire.shake_hands(deadline).map_err(text)?;
        let hello = await_line(&mut wire, deadline)?;
        let ToAgent::Hello { version, proof } = read(&hello)? else {
            return Err("it did not greet".into());
        };
        let own = Version::own();
        let channel = wire.channel().map_err(text)?;
        let refusal = if version != own {
            let what = format!(
                "this agent is {}, the master {}; run the same on all hosts",
                own.show(),
                version.show()
            );
            Some((Refusal::Version, what))
        } else {
            self.mistrust(proof.as_deref(), &channel).map(|what| (Refusal::Token, what.to_string()))
        };
        let seat = match refusal {
            Some(refusal) => Err(refusal),
            None => self
                .take_seat(from)
                .map_err(|other| (Refusal::Busy, format!("{other} directs this agent; wait for its end"))),
        };
        match seat {
            Ok(seat) => {
                let proof = self.token.as_ref().map(|token| token.proof(Side::Agent, &channel));
                let threads = threads_for(usize::MAX);
                let hello = ToMaster::Hello { version: own, proof, host: host(), threads };
                wire.send(&line(&hello)).map_err(text)?;
                wire.allow(ORDER_BYTES_MAX);
                Ok((wire, seat))
            }
            Err((why, what)) => {
                wire.send(&line(&ToMaster::Refused { version: own, why, text: what.clone() }))
                    .map_err(text)?;
                say_goodbye(&mut wire, deadline);
                Err(what)
            }
        }
    }

    /// Returns why a master is not believed, if it is not.
    fn mistrust(&self, proof: Option<&str>, channel: &[u8; 32]) -> Option<&'static str> {
        match (&self.token, proof) {
            (None, None) => None,
            (None, Some(_)) => {
                Some("this agent has no token; start it with --token-file, or leave the master's out")
            }
            (Some(_), None) => Some("a token is needed: give --token-file FILE or PIXELD_BENCH_TOKEN"),
            (Some(token), Some(proof)) if token.is_proof(proof, Side::Master, channel) => None,
            (Some(_), Some(_)) => Some("the token is another one"),
        }
    }
}

/// Waits for a line.
fn await_line(wire: &mut Wire, deadline: Instant) -> Result<Vec<u8>, String> {
    loop {
        if let Some(line) = wire.receive(LOOK_EVERY).map_err(|error| error.to_string())? {
            return Ok(line);
        }
        if Instant::now() >= deadline {
            return Err("it did not greet in time".into());
        }
    }
}

/// Lets the other side read the last word: a socket that is closed with something unread takes that word away.
fn say_goodbye(wire: &mut Wire, deadline: Instant) {
    wire.close();
    while Instant::now() < deadline {
        match wire.receive(Duration::from_millis(1)) {
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// Returns the name of this host.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_string()
}
