//! The way between a host, its relay and the log.

use pixeld::peer::relay::message;
use pixeld::peer::relay::port::{LogCall, LogEvent};

use super::super::pictures;
use super::place::{Place, Running};
use super::world::{Cluster, Event, MS, SECOND};

/// Pause before a connection to the relay that follows on one that has ended, as the link keeps one.
const RECONNECT_US: u64 = 60 * MS;

impl Cluster {
    /// A turn of a host's link and of its relay.
    pub fn link(&mut self, host: usize) {
        let (now_us, wall_us, nonce) = (self.now_us, self.wall_us(host), self.chance.next());
        let may_connect = now_us >= self.connect_after_us[host];
        let Some(running) = &mut self.places[host].running else { return };
        let was_joining = running.up.is_joining();
        if running.up.replica.is_none() && !may_connect {
            running.relay.turn(now_us);
            let delay_us = self.connect_after_us[host] - now_us;
            self.later(delay_us, Event::Link(host));
        } else {
            let (ended, has_more) = running.talk(nonce, wall_us, now_us);
            if has_more {
                self.later(20, Event::Link(host));
            }
            if let Some((who, why)) = ended {
                self.look_at_end(host, who, &why);
            }
        }
        let Some(running) = &mut self.places[host].running else { return };
        running.answer();
        let mut calls = Vec::new();
        while let Some(call) = running.relay.next_call() {
            calls.push(call);
        }
        running.gone().for_each(|at| self.gone[at] = true);
        let (deadline_us, is_linked) = (running.deadline(), running.up.replica.is_some());
        self.tally.count("joined", u64::from(was_joining && !running.up.is_joining()));
        for call in calls {
            self.tails[host] += u64::from(matches!(call, LogCall::Tail { .. }));
            self.log.call(host, call, now_us, &mut self.chance);
        }
        self.net_later();
        if self.places[host].disk.is_down() {
            return self.disk_turn(host, "what the link writes", |_| Ok(()));
        }
        let due_us = deadline_us.filter(|_| is_linked).map_or(20 * MS, |at_us| at_us.saturating_sub(now_us));
        self.later(due_us.max(1), Event::Link(host));
        self.look(host);
    }

    fn look_at_end(&mut self, host: usize, who: &str, why: &str) {
        self.trace(|| format!("host {host}: the {who} ends the connection: {why}"));
        self.tally.count("connections ended", 1);
        self.connect_after_us[host] = self.now_us + RECONNECT_US;
        let is_down = self.places[host].disk.is_down();
        let usual = [
            "can't be reached",
            "has forgotten",
            "more messages",
            "pictures",
            "does not come",
            "nobody has records",
        ];
        let is_usual = usual.iter().any(|usual| why.contains(usual));
        assert!(is_down || is_usual, "seed {}: the {who} of host {host} ends: {why}", self.seed);
    }

    pub fn net_later(&mut self) {
        if let Some(at_us) = self.log.next_us() {
            self.later(at_us.saturating_sub(self.now_us).max(1), Event::Net);
        }
    }

    /// What is on its way to and from the log arrives.
    pub fn net(&mut self) {
        let now_us = self.now_us;
        for (host, event) in self.log.arrive(now_us, &mut self.chance) {
            if let Some(Running { relay, .. }) = &mut self.places[host].running {
                relay.on(event, now_us);
                self.later(1, Event::Link(host));
            }
        }
        self.look_at_pictures();
        for host in 0..self.places.len() {
            if self.places[host].running.is_some() && !self.log.is_up(host) {
                // It was asked for, or has not come back yet.
                self.cut_off(host);
            }
        }
        self.net_later();
    }

    /// A host's connection to the log is gone; it comes back after a while.
    pub fn cut_off(&mut self, host: usize) {
        self.log.disconnect(host);
        if let Some(Running { relay, .. }) = &mut self.places[host].running
            && !self.due.contains_key(&Event::LogUp(host))
        {
            relay.on(LogEvent::Down { why: "simulated".to_owned() }, self.now_us);
            let most_us = if self.is_healing { 100 * MS } else { 2 * SECOND };
            let delay_us = self.chance.within(MS, most_us);
            self.later(delay_us, Event::LogUp(host));
            self.later(1, Event::Link(host));
        }
    }

    /// No batch came to stand in the log before a picture that it names.
    fn look_at_pictures(&mut self) {
        let landed = std::mem::take(&mut self.log.landed);
        let Some(up) = self.places.iter().find_map(Place::up) else { return };
        let applied = up.shared.applied.read();
        for batch in landed.iter().flat_map(|message| message::cut(message).unwrap()) {
            applied.blobs_of_batch(&batch.body, &mut |id| {
                let at = pictures::named(&id.0);
                let is_kept = self.log.kept_pictures.contains(&id) || at.is_none_or(|at| self.gone[at]);
                assert!(is_kept, "seed {}: a batch stands in the log before its picture", self.seed);
            });
        }
    }
}
