//! What each step of a batch comes to, one after the other.

use crate::app::state::{Stamp, Stamper};
use crate::base::ids::Origin;

use super::record::{self, Floor, Wish};
use super::stream::{Stream, position};

/// Stamps the records of one batch. It stands where the service will stand once the records that it has stamped are
/// applied to its state.
pub struct Steps<'a> {
    /// The streams of the state, sorted by origin.
    streams: &'a [Stream],
    /// Sum of the steps above the floors.
    above: i64,
    /// The state is one of before the first record.
    is_blank: bool,
    /// This host's stream, ahead of the state; there from the first record on.
    own: Option<Stream>,
}

impl<'a> Steps<'a> {
    /// Begins at a state of these streams, whose steps above the floors add up to `above` with those of folded ones; a blank one
    /// has neither.
    #[must_use]
    pub fn new(streams: &'a [Stream], above: i64, is_blank: bool) -> Self {
        Self { streams, above, is_blank, own: None }
    }

    /// Returns this host's stream as the state has it.
    fn found(&self, origin: Origin) -> Stream {
        let found = self.streams.binary_search_by_key(&origin, |stream| stream.origin);
        found.map_or_else(|_| Stream::new(origin), |at| self.streams[at])
    }

    fn step(&mut self, own: &mut Stream, step: i64) {
        self.above += step;
        own.sum += step;
    }

    fn reset(&mut self, own: &mut Stream, out: &mut Vec<u8>) {
        let others = self.streams.iter().filter(|stream| stream.origin != own.origin);
        record::push_reset(others.chain([&*own]).filter_map(Stream::reached), out);
        own.floor = own.floor.max(Floor { seq: own.seq, sum: own.sum });
        self.above = 0;
    }
}

impl Stamper for Steps<'_> {
    fn stamp(&mut self, at: &Stamp<'_>, record: &[u8], out: &mut Vec<u8>) {
        let Some(wish) = Wish::decode(record) else { return out.extend_from_slice(record) };
        let is_first = self.is_blank && self.own.is_none();
        let mut own = self.own.unwrap_or_else(|| self.found(at.entry.origin));
        match wish {
            Wish::Next { last } => {
                let moves = position(self.above) < last;
                record::push_next(moves, out);
                self.step(&mut own, i64::from(moves));
            }
            Wish::Previous => {
                let moves = self.above > 0;
                record::push_previous(moves, out);
                self.step(&mut own, -i64::from(moves));
            }
            Wish::Reset => self.reset(&mut own, out),
            Wish::Import { hits, position } if is_first => {
                record::push_import(hits, position, out);
                self.step(&mut own, position.cast_signed());
            }
            Wish::Import { .. } => record::push_no_import(out),
        }
        own.seq = at.entry.seq;
        self.own = Some(own);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::app::applied::{Applied, Batch};
    use crate::app::state::Entry;
    use crate::apps::pex::state::{AT_END, PexState};
    use crate::base::ids::{Inc, NodeId, Position};

    const OWN: Origin = Origin { node: NodeId(1), inc: Inc(1) };
    const PEER: Origin = Origin { node: NodeId(2), inc: Inc(1) };

    fn host() -> Applied {
        let mut applied = Applied::default();
        applied.insert(crate::apps::pex::tag::APP, Box::new(PexState::default()));
        applied
    }

    /// Stamps what is wished for and applies it as one batch; gives the batch and what each record came to.
    fn commit(applied: &mut Applied, origin: Origin, wishes: &[Wish]) -> (Vec<u8>, Vec<Option<u64>>) {
        let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us: 0 };
        let records: Vec<u8> = wishes.iter().flat_map(|wish| wish.encode()).collect();
        let mut body = Vec::new();
        applied.stamp_batch(&first, &records, &mut body);
        let outcomes = receive(applied, origin, &body, wishes.len());
        (body, outcomes)
    }

    fn receive(applied: &mut Applied, origin: Origin, body: &[u8], count: usize) -> Vec<Option<u64>> {
        let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us: 0 };
        let end = Position(applied.position.0 + 1);
        let mut outcomes = Vec::new();
        applied.apply_own_batch(&Batch { first, count: count as u32, body, end }, &mut outcomes);
        outcomes
    }

    /// Hits and position.
    fn standing(applied: &Applied) -> (u64, u64) {
        let state = applied.state::<PexState>().unwrap();
        (state.hits(), state.position())
    }

    fn wish() -> impl Strategy<Value = Wish> {
        prop_oneof![
            6 => (0..6_u64).prop_map(|last| Wish::Next { last }),
            4 => Just(Wish::Previous),
            1 => Just(Wish::Reset),
            1 => (0..9_u64, 0..6_u64).prop_map(|(hits, position)| Wish::Import { hits, position }),
        ]
    }

    /// The service without batches: hits, position, and whether anything was ever asked of it.
    #[derive(Default)]
    struct Model {
        hits: u64,
        position: u64,
        touched: bool,
    }

    impl Model {
        fn take(&mut self, wish: Wish) -> u64 {
            let touched = std::mem::replace(&mut self.touched, true);
            match wish {
                Wish::Next { last } if self.position >= last => {
                    return AT_END;
                }
                Wish::Next { .. } => self.position += 1,
                Wish::Previous => self.position = self.position.saturating_sub(1),
                Wish::Reset => {
                    self.hits += 1;
                    self.position = 0;
                    return self.hits;
                }
                Wish::Import { .. } if touched => return AT_END,
                Wish::Import { hits, position } => {
                    (self.hits, self.position) = (hits, position);
                    return position;
                }
            }
            self.hits += 1;
            self.position
        }
    }

    proptest! {
        #[test]
        fn a_batch_is_its_steps_one_after_the_other(
            batches in prop::collection::vec(prop::collection::vec(wish(), 1..12), 1..8),
        ) {
            let (mut applied, mut model) = (host(), Model::default());
            for wishes in batches {
                // What moved nothing and was not counted leaves the service as empty as it was.
                model.touched = !applied.state::<PexState>().unwrap().is_empty();
                let expected: Vec<_> = wishes.iter().map(|&wish| Some(model.take(wish))).collect();
                let (_, outcomes) = commit(&mut applied, OWN, &wishes);
                prop_assert_eq!(outcomes, expected);
                prop_assert_eq!(standing(&applied), (model.hits, model.position));
            }
        }
    }

    const NEXT: Wish = Wish::Next { last: 1_000 };

    #[test]
    fn two_hosts_add_up_their_steps_and_a_reset_takes_what_it_saw() {
        let (mut one, mut other) = (host(), host());
        let (first, _) = commit(&mut one, OWN, &[NEXT, NEXT, NEXT]);
        receive(&mut other, OWN, &first, 3);
        // Apart: one host goes back to zero and on, the other one makes two steps on.
        let (reset, outcomes) = commit(&mut one, OWN, &[Wish::Reset, NEXT]);
        assert_eq!(outcomes, [Some(4), Some(1)]);
        let (apart, outcomes) = commit(&mut other, PEER, &[NEXT, NEXT]);
        assert_eq!(outcomes, [Some(4), Some(5)]);
        receive(&mut one, PEER, &apart, 2);
        receive(&mut other, OWN, &reset, 2);
        assert_eq!((standing(&one), standing(&other)), ((7, 3), (7, 3)));
        assert_eq!(one.sections(), other.sections());
    }

    #[test]
    fn a_reset_may_arrive_before_the_steps_that_it_takes_away() {
        let (mut one, mut other, mut third) = (host(), host(), host());
        let (steps, _) = commit(&mut one, OWN, &[NEXT, NEXT]);
        receive(&mut other, OWN, &steps, 2);
        let (reset, _) = commit(&mut other, PEER, &[Wish::Reset]);
        receive(&mut third, PEER, &reset, 1);
        assert_eq!(standing(&third), (1, 0));
        receive(&mut third, OWN, &steps, 2);
        assert_eq!(standing(&third), (3, 0), "they were seen where the reset was made");
        let (more, _) = commit(&mut one, OWN, &[NEXT]);
        receive(&mut third, OWN, &more, 1);
        assert_eq!(standing(&third), (4, 1));
    }

    #[test]
    fn steps_back_on_both_hosts_do_not_lead_below_zero() {
        let (mut one, mut other) = (host(), host());
        let (step, _) = commit(&mut one, OWN, &[NEXT]);
        receive(&mut other, OWN, &step, 1);
        let (back, _) = commit(&mut one, OWN, &[Wish::Previous, Wish::Previous]);
        let (peers, _) = commit(&mut other, PEER, &[Wish::Previous]);
        receive(&mut one, PEER, &peers, 1);
        receive(&mut other, OWN, &back, 2);
        assert_eq!((standing(&one), standing(&other)), ((4, 0), (4, 0)));
        // The sum is -1: the next step makes it 0, and a reset forgets it.
        assert_eq!(commit(&mut one, OWN, &[NEXT, NEXT]).1, [Some(0), Some(1)]);
        assert_eq!(commit(&mut other, PEER, &[Wish::Reset, NEXT]).1, [Some(5), Some(1)]);
    }

    #[test]
    fn the_snapshot_is_the_state() {
        let mut applied = host();
        commit(&mut applied, PEER, &[NEXT, NEXT, Wish::Previous]);
        commit(&mut applied, OWN, &[NEXT, Wish::Reset, NEXT]);
        let mut restored = host();
        for (id, bytes) in applied.sections() {
            assert_eq!(restored.restore(id, &bytes), Ok(()));
            assert!(restored.restore(id, &bytes[1..]).is_err());
        }
        assert_eq!(restored.sections(), applied.sections());
        assert_eq!((standing(&restored), standing(&applied)), ((6, 1), (6, 1)));
    }
}
