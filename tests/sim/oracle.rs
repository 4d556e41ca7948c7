//! What must be true, whatever happened.

use std::collections::BTreeMap;

use pixeld::app::naming;
use pixeld::base::ids::{NodeId, Origin, Position, Seq};
use pixeld::base::limits::{INBOX_BYTES_MAX, OUTBOX_BYTES_MAX, PEER_OUTPUT_BYTES_MAX};
use pixeld::base::tag::{ENDS_HELD, SHORT_RECORD_BYTES, STREAMS_FOLDED};
use pixeld::base::vector::VersionVector;
use pixeld::log::format::record;

use super::canvas;
use super::host::Up;
use super::pictures;

/// What was promised about one stream: up to which record at which level.
#[derive(Clone, Copy, Debug, Default)]
struct Promise {
    memory: Seq,
    disk: Seq,
    both: Seq,
}

/// Remembers what was promised.
#[derive(Default)]
pub struct Oracle {
    promises: BTreeMap<Origin, Promise>,
    /// Of each directory, what it has called durable before the peer.
    claims: BTreeMap<NodeId, VersionVector>,
}

impl Oracle {
    /// Notes what a host has answered so far.
    pub fn note(&mut self, up: &Up) {
        let promise = self.promises.entry(up.origin()).or_default();
        promise.memory = promise.memory.max(up.committed);
        promise.disk = promise.disk.max(up.durable);
        promise.both = promise.both.max(up.kept_by_both());
    }

    /// The host's process has ended: nothing but what is on a disk was promised to survive that.
    pub fn fell(&mut self, node: NodeId) {
        self.of(node, |promise| promise.memory = 0);
    }

    /// The host's disk is gone: what only it had may be gone.
    pub fn lost_disk(&mut self, node: NodeId) {
        self.of(node, |promise| promise.disk = 0);
    }

    /// What was acknowledged at `both` by a log that has lost some of it rests on those who have read it: `has` says how far.
    pub fn rests_on(&mut self, node: NodeId, has: impl Fn(Origin) -> Seq) {
        let of_node = self.promises.iter_mut().filter(|(origin, _)| origin.node == node);
        of_node.for_each(|(origin, promise)| promise.both = promise.both.min(has(*origin)));
    }

    fn of(&mut self, node: NodeId, change: impl Fn(&mut Promise)) {
        self.promises.iter_mut().filter(|(origin, _)| origin.node == node).for_each(|(_, p)| change(p));
    }

    /// Notes what `up` was told to be durable at its peer.
    pub fn note_claims(&mut self, up: &Up) {
        let picture = up.peering().standing.look();
        let Some(node) = picture.node else { return };
        let claims = self.claims.entry(node).or_default();
        picture.durable.iter().for_each(|(origin, seq)| claims.raise(origin, seq));
    }

    /// Nothing that this directory has called durable is lost by a start.
    pub fn check_claims(&self, up: &Up) {
        let Some(claims) = self.claims.get(&up.origin().node) else { return };
        let applied = up.shared.applied.read();
        for (origin, seq) in claims.iter() {
            let has = applied.vector.seq_of(origin);
            assert!(has >= seq, "{} has {has} of {origin}, and had called {seq} durable", up.origin());
        }
    }

    /// Every promise is kept by this host.
    pub fn check_kept(&self, up: &Up) {
        let applied = up.shared.applied.read();
        for (&origin, promise) in &self.promises {
            let has = applied.vector.seq_of(origin);
            for (level, seq) in [("memory", promise.memory), ("disk", promise.disk), ("both", promise.both)] {
                assert!(
                    has >= seq,
                    "{} has {has} of {origin}, {seq} were acknowledged at {level}",
                    up.origin()
                );
            }
        }
    }

    /// Records that were acknowledged at `both`.
    pub fn kept_by_both(&self) -> u64 {
        self.promises.values().map(|promise| promise.both).sum()
    }
}

/// No queue is longer than it may be.
pub fn check_bounds(up: &Up) {
    let peering = up.peering();
    assert!(peering.inbox.waiting_bytes() <= INBOX_BYTES_MAX);
    assert!(peering.outbox.waiting_bytes() <= OUTBOX_BYTES_MAX);
    if let Some(replica) = &up.replica {
        assert!(replica.output().len() <= 2 * PEER_OUTPUT_BYTES_MAX, "{}", replica.output().len());
    }
}

/// Every picture that the state names is there, but for those that `is_excused`.
pub fn check_pictures(up: &Up, is_excused: impl Fn(usize) -> bool) {
    let applied = up.shared.applied.read();
    for (at, (id, content)) in pictures::all().iter().enumerate() {
        if naming::names(&applied, id).unwrap() && !is_excused(at) {
            let found = up.shared.blobs.read(id);
            assert!(found.is_ok_and(|found| found == *content), "{} lacks the picture {at}", up.origin());
        }
    }
}

/// How many starts of these nodes are not folded.
pub fn starts_named(up: &Up, nodes: [NodeId; 2]) -> usize {
    let applied = up.shared.applied.read();
    applied.vector.iter().filter(|(origin, _)| nodes.contains(&origin.node)).count()
}

/// Whether both have the same records, durably.
pub fn agree(a: &Up, b: &Up) -> bool {
    if [a, b].iter().any(|up| up.is_joining() || up.is_amid_joining()) {
        return false;
    }
    let [one, other] = [a, b].map(|up| up.shared.applied.read().vector.clone());
    let is_durable = |up: &Up| !up.is_behind() && !up.has_step() && up.durable == up.committed;
    one == other && is_durable(a) && is_durable(b)
}

/// A batch's stream and first number, and its header.
type Found = ((Origin, Seq), [u8; 64]);

/// All batches of a journal, in the order of their streams and numbers, with their bytes' checksums; each checked
/// against its stream. One that says ends, or folds, says so in its header: beside a log it waits for what its maker had.
fn batches(up: &Up) -> Vec<Found> {
    let end = up.shared.applied.read().position;
    let mut scan = up.shared.reader.scan(Position(0), end);
    let mut found = Vec::new();
    while let Some(batch) = scan.next_batch().expect("a readable journal") {
        if batch.body.len() != batch.header.count as usize * SHORT_RECORD_BYTES {
            let tags: Vec<u8> =
                record::records(batch.body).map(|record| record.expect("a record")[0]).collect();
            let touches = tags.iter().any(|tag| [ENDS_HELD, STREAMS_FOLDED].contains(tag));
            assert!(
                batch.header.touches_folds || !touches,
                "{} {}: {tags:x?}",
                batch.origin,
                batch.first_seq
            );
        }
        found.push(((batch.origin, batch.first_seq), batch.header.encode()));
    }
    found.sort_unstable_by_key(|(place, _)| *place);
    assert!(found.windows(2).all(|pair| pair[0].0 != pair[1].0), "a batch stands there twice");
    found
}

/// The canvas shows what the list comes to, whatever it learnt in which order.
pub fn check_canvas(up: &mut Up) {
    up.canvas.look();
    // A cut that the canvas was not there for has it begin again at its next look.
    up.canvas.look();
    let (shown, listed) = (up.canvas.cells(), canvas::of_list(&up.shared));
    assert!(shown == listed, "{} shows {} cells, and lists {}", up.origin(), shown.len(), listed.len());
}

/// The same bytes for the same numbers where both keep them, and the same state.
pub fn check_equal(a: &Up, b: &Up) {
    let (mine, theirs) = (batches(a), batches(b));
    let kept_from = [a, b].map(|up| up.shared.reader.start_vector());
    let are_kept = |(place, _): &&Found| kept_from.iter().all(|from| from.seq_of(place.0) < place.1);
    // The header covers the body by its checksum, and by its chain all that came before it.
    let [mine, theirs] = [&mine, &theirs].map(|all| all.iter().filter(are_kept));
    assert!(mine.eq(theirs), "{} and {} keep different batches", a.origin(), b.origin());
    let (mine, theirs) = (a.shared.applied.read(), b.shared.applied.read());
    assert_eq!(mine.vector, theirs.vector);
    assert!(a.canvas.cells() == b.canvas.cells(), "the canvases differ");
    for (one, other) in mine.digests().unwrap().iter().zip(&theirs.digests().unwrap()) {
        assert!(one == other, "the states of application {} differ", one.0);
    }
}
