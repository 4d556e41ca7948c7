//! A host of the log: its disk, and while it is up its process with the relay in it.

use pixeld::apps::registry;
use pixeld::base::durability::Durability;
use pixeld::base::ids::{Inc, NodeId, Origin};
use pixeld::base::limits::{RELAY_LATE_US, RELAY_LATE_US_MIN};
use pixeld::engine::shared::seating;
use pixeld::peer::relay::{Relay, Settings, log_node};

use super::super::host::{CLUSTER, Up};
use super::super::sim_disk::SimDisk;
use super::super::wire::Tap;

/// Bytes that a pair of sockets holds.
const PIPE_BYTES: usize = 64 * 1024;
/// Times that both ends of it look before others get their turn.
const ROUNDS: usize = 32;

pub struct Place {
    pub disk: SimDisk,
    pub node: NodeId,
    pub durability: Durability,
    pub running: Option<Running>,
    pub wall_shift_us: i64,
    pub is_starting: bool,
    /// Times that relays of this directory have said that the log has forgotten something.
    pub regressions: u64,
}

/// A process.
pub struct Running {
    pub up: Box<Up>,
    pub relay: Relay,
    /// What the host and the relay have said and the other one has not read.
    pipes: [Vec<u8>; 2],
    /// What each has said to the other one.
    taps: [Tap; 2],
}

/// Who has ended a connection, and why.
pub type Ended = (&'static str, String);

impl Running {
    pub fn new(up: Up, random: u64) -> Self {
        let relay = Relay::new(Settings {
            cluster: CLUSTER,
            host: up.origin(),
            log: Origin { node: log_node(CLUSTER), inc: Inc(random) },
            lineage: 0,
            kinds: registry::new_applied().kinds(),
            is_joining: up.is_joining(),
            late_us_min: if random.is_multiple_of(2) { RELAY_LATE_US_MIN } else { RELAY_LATE_US },
        });
        Self { up: Box::new(up), relay, pipes: [Vec::new(), Vec::new()], taps: <[Tap; 2]>::default() }
    }

    /// The two talk as long as they have something to say; gives the end of the connection. Both are asked once more
    /// if there was much.
    pub fn talk(&mut self, nonce: u64, wall_us: u64, now_us: u64) -> (Option<Ended>, bool) {
        self.up.peering().bell.listen();
        if self.up.replica.is_none() && self.relay.is_ready(now_us) {
            self.pipes = [Vec::new(), Vec::new()];
            self.taps.iter_mut().for_each(Tap::hang_up);
            self.up.connect(nonce, wall_us, now_us);
            self.relay.connect(nonce, wall_us, now_us);
        }
        self.note(now_us);
        self.relay.turn(now_us);
        for _ in 0..ROUNDS {
            let said = self.carry(wall_us, now_us);
            let ended = self.end(now_us);
            if ended.is_some() || !said {
                return (ended, false);
            }
        }
        (None, true)
    }

    /// Carries what each has said to the other one; whether there was anything.
    fn carry(&mut self, wall_us: u64, now_us: u64) -> bool {
        let Some(mut replica) = self.up.replica.take() else { return false };
        replica.turn(now_us);
        let [to_relay, to_host] = &mut self.pipes;
        let room = replica.output().len().min(PIPE_BYTES - to_relay.len());
        self.taps[0].hear(&replica.output()[..room]);
        to_relay.extend_from_slice(&replica.output()[..room]);
        replica.sent(room);
        let mut has_said = room > 0;
        if self.relay.wants_input() && !to_relay.is_empty() {
            self.relay.receive(&std::mem::take(to_relay), now_us);
            has_said = true;
        }
        self.relay.turn(now_us);
        let room = self.relay.output().len().min(PIPE_BYTES - to_host.len());
        self.taps[1].hear(&self.relay.output()[..room]);
        to_host.extend_from_slice(&self.relay.output()[..room]);
        self.relay.sent(room);
        if replica.wants_input() && !to_host.is_empty() {
            replica.receive(&std::mem::take(to_host), now_us);
            has_said = true;
        }
        replica.turn(now_us);
        replica.look_after_join(now_us);
        self.up.replica = Some(replica);
        self.up.commit_arrived(wall_us);
        has_said
    }

    /// Looks whether one of the two has ended the connection.
    fn end(&mut self, now_us: u64) -> Option<Ended> {
        let of_relay = self.relay.closed().map(|close| ("relay", close.to_string()));
        let of_host = self.up.replica.as_ref().and_then(|replica| replica.closed());
        let of_host = of_host.map(|close| ("host", close.to_string()));
        let ended = of_relay.or(of_host)?;
        if let Some(mut replica) = self.up.replica.take() {
            replica.receive(&self.pipes[1], now_us);
            replica.receive(self.relay.output(), now_us);
            replica.lost("the connection was closed", now_us);
        }
        self.relay.lost(now_us);
        Some(ended)
    }

    /// What the log's thread notes for the others, and takes from them.
    pub fn note(&mut self, now_us: u64) {
        self.up.shared.roll.hear_all(self.relay.members());
        self.relay.list(seating::roster(&self.up.shared), now_us);
        self.up.shared.claim.note(&self.relay);
    }

    /// Other hosts' questions are answered from the journal.
    pub fn answer(&mut self) {
        while let Some((token, question)) = self.relay.next_question() {
            let answer = self.up.answer(&question);
            self.relay.answer(token, &answer);
        }
    }

    /// Pictures that one of the two has called gone.
    pub fn gone(&self) -> impl Iterator<Item = usize> {
        (0..self.taps[0].gone.len()).filter(|at| self.taps.iter().any(|tap| tap.gone[*at]))
    }

    /// When one of the two has something to do.
    pub fn deadline(&self) -> Option<u64> {
        let replica = self.up.replica.as_ref().and_then(|replica| replica.deadline());
        self.relay.deadline().into_iter().chain(replica).min()
    }
}
