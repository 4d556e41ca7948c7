//! The connection between the two hosts: bytes on their way, and what happens to them.

use std::collections::VecDeque;

use super::chance::Chance;

/// How bad the network of a seed is; each fault comes once in so many pieces, 0 for never.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    pub latency_us: u64,
    pub late: u64,
    pub cut: u64,
    pub flip: u64,
    pub double: u64,
    pub swap: u64,
}

/// One connection; direction 0 carries what host 0 says.
#[derive(Default)]
pub struct Wire {
    pub ways: [Way; 2],
}

#[derive(Default)]
pub struct Way {
    pieces: VecDeque<(u64, Vec<u8>)>,
    /// Nothing arrives behind the last piece.
    pub is_cut: bool,
    /// Nothing arrives before this.
    pub stalled_until_us: u64,
    last_us: u64,
}

impl Wire {
    /// Puts what host `from` says on its way. Gives a word for the trace if something happens to it.
    pub fn say(
        &mut self,
        from: usize,
        bytes: &[u8],
        now_us: u64,
        weather: &Weather,
        chance: &mut Chance,
    ) -> Option<&'static str> {
        let way = &mut self.ways[from];
        if way.is_cut {
            return None;
        }
        let mut frames = frames(bytes);
        let mut what = None;
        if chance.once_in(weather.double) {
            let at = chance.below(frames.len() as u64) as usize;
            frames.insert(at, frames[at].clone());
            what = Some("doubled");
        }
        if frames.len() > 1 && chance.once_in(weather.swap) {
            let at = chance.below(frames.len() as u64 - 1) as usize;
            frames.swap(at, at + 1);
            what = Some("reordered");
        }
        let mut bytes = frames.concat();
        if chance.once_in(weather.flip) {
            let bit = chance.below(bytes.len() as u64 * 8) as usize;
            bytes[bit / 8] ^= 1 << (bit % 8);
            what = Some("falsified");
        }
        let is_cut = chance.once_in(weather.cut);
        if is_cut {
            bytes.truncate(chance.below(bytes.len() as u64 + 1) as usize);
            what = Some("cut");
        }
        let late_us = if chance.once_in(weather.late) { chance.below(3_000_000) } else { 0 };
        way.last_us = way.last_us.max(now_us + chance.within(1, weather.latency_us.max(1)) + late_us);
        // Any split of the bytes must do.
        let split = chance.below(bytes.len() as u64 + 1) as usize;
        let rest = bytes.split_off(split);
        for piece in [bytes, rest] {
            if !piece.is_empty() {
                way.pieces.push_back((way.last_us, piece));
            }
        }
        if is_cut {
            self.ways[1 - from].is_cut = true;
            self.ways[from].is_cut = true;
        }
        what
    }

    /// When something arrives at host `to` next.
    pub fn arrives(&self, to: usize) -> Option<u64> {
        let way = &self.ways[1 - to];
        way.pieces.front().map(|(at_us, _)| (*at_us).max(way.stalled_until_us))
    }

    /// What has arrived at host `to`.
    pub fn take(&mut self, to: usize, now_us: u64) -> Option<Vec<u8>> {
        let is_due = self.arrives(to).is_some_and(|at_us| at_us <= now_us);
        if is_due { self.ways[1 - to].pieces.pop_front().map(|(_, bytes)| bytes) } else { None }
    }

    /// Whether host `to` has everything that it will ever get.
    pub fn is_over(&self, to: usize) -> bool {
        let way = &self.ways[1 - to];
        way.is_cut && way.pieces.is_empty()
    }

    pub fn cut(&mut self) {
        self.ways.iter_mut().for_each(|way| way.is_cut = true);
    }
}

/// The frames of some output; a rest that is none stays one piece.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while rest.len() >= 16 {
        let length = 16 + u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        if length > rest.len() {
            break;
        }
        frames.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    if !rest.is_empty() {
        frames.push(rest.to_vec());
    }
    frames
}
