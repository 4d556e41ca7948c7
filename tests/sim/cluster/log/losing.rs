//! What a log loses of what it had.

use std::collections::BTreeMap;

use pixeld::base::ids::{NodeId, Origin, Seq};
use pixeld::peer::relay::message;

use super::super::super::chance::Chance;
use super::{SimLog, Stream};

impl SimLog {
    /// A stream that may lose something.
    fn victim(&mut self, chance: &mut Chance) -> Option<(NodeId, &mut Stream)> {
        let spared = &self.spared;
        let mut victims: Vec<(NodeId, &mut Stream)> = self
            .streams
            .iter_mut()
            .filter(|(node, stream)| !spared.contains(node) && stream.messages.len() > 1)
            .map(|(node, stream)| (*node, stream))
            .collect();
        if victims.is_empty() {
            return None;
        }
        let at = chance.below(victims.len() as u64) as usize;
        self.lossy.insert(victims[at].0);
        Some(victims.swap_remove(at))
    }

    /// Forgets the last messages of a stream.
    pub fn forget_end(&mut self, chance: &mut Chance) -> Option<NodeId> {
        let back = chance.within(1, 8);
        let (node, stream) = self.victim(chance)?;
        stream.last -= back.min(stream.last - 1);
        let last = stream.last;
        stream.retain(|number| number <= last);
        *self.forgotten.entry(node).or_default() += 1;
        self.tally.count("log: ends forgotten", 1);
        Some(node)
    }

    /// Loses some messages amid a stream, or its oldest ones.
    pub fn make_hole(&mut self, chance: &mut Chance) -> Option<NodeId> {
        let (is_window, length, at) = (chance.once_in(3), chance.within(1, 6), chance.next());
        let (node, stream) = self.victim(chance)?;
        let numbers: Vec<u64> = stream.messages.keys().copied().collect();
        let from = if is_window { 0 } else { (at % numbers.len() as u64) as usize };
        // The last message stays: to lose that is to forget the end.
        let mut lost: Vec<u64> =
            numbers[from..numbers.len() - 1].iter().copied().take(length as usize).collect();
        if let (Some(first), Some(last)) = (lost.first().copied(), lost.last().copied()) {
            // An object is lost as a whole, but the last one.
            let first = stream.objects.range(..=first).next_back().copied().unwrap_or(first);
            let behind = stream.objects.range(last + 1..).next().copied().unwrap_or(last + 1);
            lost = stream.messages.range(first..behind.min(stream.last)).map(|(number, _)| *number).collect();
        }
        stream.retain(|number| !lost.contains(&number));
        self.tally.count("log: holes", 1);
        Some(node)
    }

    /// Loses a stream, or all that may be lost.
    pub fn disappear(&mut self, chance: &mut Chance) {
        let only = if chance.once_in(2) { self.victim(chance).map(|(node, _)| node) } else { None };
        let gone: Vec<NodeId> = self.streams.keys().copied().collect();
        for node in gone {
            if !self.spared.contains(&node) && only.is_none_or(|only| only == node) {
                self.streams.remove(&node);
                self.lossy.insert(node);
                *self.forgotten.entry(node).or_default() += 1;
                self.tally.count("log: disappeared", 1);
            }
        }
    }

    /// Loses the register: the log was made anew, or somebody has removed that stream.
    pub fn lose_register(&mut self) {
        self.register.clear();
        self.registers_lost += 1;
        self.tally.count("log: register lost", 1);
    }

    /// Loses what stands behind the first hole of a stream whose maker is gone: nobody will ever get what is missing, nor what
    /// comes behind it, and it must not become a newcomer's goal.
    pub fn cut_behind_hole(&mut self, node: NodeId) {
        let Some(stream) = self.streams.get_mut(&node) else { return };
        let mut ends: BTreeMap<Origin, Seq> = BTreeMap::new();
        let mut hole = u64::MAX;
        for (&number, message) in &stream.messages {
            for batch in message::batches(node, message).expect("it was sound when it was appended") {
                let end = ends.entry(batch.header.origin).or_default();
                if batch.header.first_seq > *end + 1 {
                    hole = hole.min(number);
                }
                *end = batch.header.last_seq().max(*end);
            }
        }
        stream.retain(|number| number < hole);
        stream.is_over = true;
    }

    /// Returns the last record up to which all behind `from` were appended at some time.
    pub fn reach(&self, origin: Origin, mut from: Seq) -> Seq {
        while let Some(&last) = self.appended.get(&(origin, from + 1)) {
            from = last;
        }
        from
    }

    /// Every server has what the others have.
    pub fn heal(&mut self) {
        self.weather.often = 0;
        (self.still_until_us, self.refusing_until_us) = (0, 0);
        self.streams.values_mut().for_each(|stream| stream.lacking.clear());
    }

    /// Forgets a picture.
    pub fn forget_picture(&mut self, chance: &mut Chance) {
        let at = chance.below(self.pictures.len() as u64) as usize;
        let id = self.pictures.keys().nth(at).copied();
        if let Some(id) = id {
            self.pictures.remove(&id);
            self.tally.count("log: pictures forgotten", 1);
        }
    }
}
