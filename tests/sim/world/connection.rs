//! The connection: made, used, and ended.

use pixeld::peer::fault::Close;
use pixeld::peer::frame::Kind;

use super::super::host::Up;
use super::super::wire::Wire;
use super::{Event, Host, MS, World};

/// Frames that are counted.
const COUNTED: [(Kind, &str); 4] = [
    (Kind::Batch, "batches sent"),
    (Kind::Resync, "resyncs"),
    (Kind::Blob, "blobs sent"),
    (Kind::Want, "blobs wanted"),
];

impl World {
    /// Both ends of a new connection; an old one is given up.
    pub(super) fn dial(&mut self) {
        self.later(100 * MS, Event::Dial);
        let is_dark = self.now_us < self.dark_until_us;
        let is_linked = |host: &Host| host.up.as_ref().is_some_and(|up| up.replica.is_some());
        let are_up = self.hosts.iter().all(|host| host.up.is_some());
        if is_dark || !are_up || self.hosts.iter().all(is_linked) {
            return;
        }
        self.tally.count("connections", 1);
        self.trace(|| "a connection".to_owned());
        self.close_wire();
        self.wire = Some(Wire::default());
        let nonce = self.chance.next();
        for host in 0..2 {
            let (clock_us, now_us) = (self.wall_us(host), self.now_us);
            if let Some(up) = &mut self.hosts[host].up {
                self.oracle.note_claims(up);
                up.connect(nonce, clock_us, now_us);
            }
            self.link(host);
        }
    }

    /// What went through the connection is counted; there is none any more.
    pub(super) fn close_wire(&mut self) {
        let Some(wire) = self.wire.take() else { return };
        for tap in wire.ways.iter().map(|way| &way.tap) {
            for (kind, name) in COUNTED {
                self.tally.count(name, tap.kinds[kind as usize]);
            }
            self.tally.count("blobs gone", tap.gone.iter().filter(|is_gone| **is_gone).count() as u64);
        }
    }

    /// A turn of a host's link.
    pub(super) fn link(&mut self, host: usize) {
        let (now_us, wall_us) = (self.now_us, self.wall_us(host));
        let Some(mut up) = self.hosts[host].up.take() else { return };
        // Who rings from now on wakes it once more.
        up.peering().bell.listen();
        let was_joining = up.is_joining();
        if let Some(mut replica) = up.replica.take() {
            while replica.wants_input()
                && let Some(bytes) = self.wire.as_mut().and_then(|wire| wire.take(host, now_us))
            {
                replica.receive(&bytes, now_us);
                replica.turn(now_us);
            }
            if self.wire.as_ref().is_some_and(|wire| wire.is_over(host)) {
                replica.lost("the connection was cut", now_us);
            }
            replica.turn(now_us);
            replica.look_after_join(now_us);
            up.replica = Some(replica);
            up.commit_arrived(wall_us);
            self.converse(host, &mut up);
        }
        if was_joining && !up.is_joining() {
            self.tally.count("joined", 1);
            self.trace(|| format!("host {host} has everything that the other one had when they met"));
        }
        let has_offer = up.peering().joining.is_offered();
        if has_offer && !self.is_healing && self.chance.once_in(3) {
            // Another connection may bring another snapshot while this one waits for the commit step.
            self.tally.count("cut amid an offer", 1);
            self.cut_wire();
        }
        let deadline_us = up.replica.as_ref().and_then(|replica| replica.deadline());
        let arrives_us = self.wire.as_ref().and_then(|wire| wire.arrives(host));
        let is_linked = up.replica.is_some();
        self.hosts[host].up = Some(up);
        if self.hosts[host].disk.is_down() {
            return self.disk_turn(host, "what the link writes", |_| Ok(()));
        }
        if is_linked && let Some(next_us) = deadline_us.into_iter().chain(arrives_us).min() {
            self.later(next_us.saturating_sub(now_us).max(1), Event::Link(host));
        }
        self.look(host);
    }

    /// Sends what the replica says, piece by piece, as a socket takes it.
    fn converse(&mut self, host: usize, up: &mut Up) {
        let now_us = self.now_us;
        let Some(replica) = &mut up.replica else { return };
        replica.turn(now_us);
        while !replica.output().is_empty() {
            let all = replica.output().len() as u64;
            // Frames that are doubled or reordered have to be whole.
            let is_whole = self.weather.double + self.weather.swap > 0;
            let most = if !is_whole && self.chance.once_in(4) { self.chance.within(1, all) } else { all };
            let piece = &replica.output()[..most as usize];
            let mut what = None;
            if let Some(wire) = &mut self.wire {
                what = wire.say(host, piece, now_us, &self.weather, &mut self.chance);
                let gone = &wire.ways[host].tap.gone;
                self.gone.iter_mut().zip(gone).for_each(|(all, gone)| *all |= gone);
            }
            replica.sent(most as usize);
            replica.turn(now_us);
            if let Some(what) = what {
                if what == "cut" {
                    self.cut_wire();
                }
                self.tally.count(what, 1);
                self.trace(|| format!("what host {host} says is {what}"));
            }
        }
        if let Some(close) = replica.closed().cloned() {
            self.look_at_end(host, &close);
            up.replica = None;
        }
        // The peer looks when something arrives.
        if let Some(at_us) = self.wire.as_ref().and_then(|wire| wire.arrives(1 - host)) {
            self.later(at_us.saturating_sub(now_us).max(1), Event::Link(1 - host));
        }
    }

    /// The connection is cut; both ends see it once they have what arrives before.
    pub(super) fn cut_wire(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.cut();
            self.later(MS, Event::Link(0));
            self.later(MS, Event::Link(1));
        }
    }

    fn look_at_end(&mut self, host: usize, close: &Close) {
        match close {
            Close::Silent => self.tally.count("silent", 1),
            Close::Violation(violation) => {
                self.tally.count("violations", 1);
                assert!(self.is_falsifying, "seed {}: without a fault: {violation}", self.seed);
            }
            Close::Failed(why) => {
                assert!(self.hosts[host].disk.is_down(), "seed {}: host {host} fails: {why}", self.seed);
            }
            _ => {}
        }
        self.trace(|| format!("host {host} ends the connection: {close}"));
        self.cut_wire();
    }
}
