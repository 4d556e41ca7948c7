//! The connection between the two hosts: bytes on their way, and what happens to them.

use std::collections::VecDeque;

use pixeld::peer::frame::Kind;
use pixeld::peer::pieces::FLAG_GONE;

use super::chance::Chance;
use super::pictures;

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
    pub tap: Tap,
}

/// What was said in one direction, before anything happens to it.
#[derive(Default)]
pub struct Tap {
    /// Bytes of a frame that is not said to its end.
    begun: Vec<u8>,
    /// Number of frames of each kind.
    pub kinds: [u64; 16],
    /// Pictures that were said to be gone.
    pub gone: [bool; 8],
}

impl Tap {
    /// Begins to listen to another connection.
    pub fn hang_up(&mut self) {
        self.begun.clear();
    }

    /// Hears what was said.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
        let mut rest = &self.begun[..];
        while let Some((frame, after)) = next_frame(rest) {
            self.kinds[usize::from(frame[4]) % 16] += 1;
            let is_gone = frame[4] == Kind::Blob as u8 && frame[5] & FLAG_GONE != 0;
            if let Some(at) = pictures::named(&frame[16..]).filter(|_| is_gone) {
                self.gone[at] = true;
            }
            rest = after;
        }
        let kept = rest.len();
        self.begun.drain(..self.begun.len() - kept);
    }
}

/// The first frame of some bytes, and what follows it.
fn next_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = bytes.first_chunk::<4>()?;
    bytes.split_at_checked(16 + u32::from_le_bytes(*length) as usize)
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
        way.tap.hear(bytes);
        let mut bytes = bytes.to_vec();
        let mut what = None;
        if chance.once_in(weather.double) {
            let mut frames = frames(&bytes);
            let at = chance.below(frames.len() as u64) as usize;
            frames.insert(at, frames[at].clone());
            bytes = frames.concat();
            what = Some("doubled");
        }
        if chance.once_in(weather.swap) {
            let mut frames = frames(&bytes);
            if frames.len() > 1 {
                let at = chance.below(frames.len() as u64 - 1) as usize;
                frames.swap(at, at + 1);
                bytes = frames.concat();
                what = Some("reordered");
            }
        }
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

/// The frames of some output; a rest that is not a whole frame stays one piece.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while let Some((frame, after)) = next_frame(rest) {
        frames.push(frame.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        frames.push(rest.to_vec());
    }
    frames
}
