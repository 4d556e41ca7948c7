//! Which starts of a host can be folded: asked when it is looked for, and again when the fold is sealed.

use super::applied::Applied;
use crate::base::ids::{Inc, NodeId, Origin};
use crate::base::limits::FOLD_STARTS_MAX;

/// Returns earlier starts of the node of `own` that can be folded now, in rising order, at most [`FOLD_STARTS_MAX`]: those that all
/// of `hosts` have said to have, and that every application can do without.
#[must_use]
pub fn foldable(applied: &Applied, own: Origin, hosts: &[NodeId]) -> Vec<Inc> {
    let (vector, ends) = (&applied.vector, &applied.ends);
    // A power cut took it here; the other host hands it back.
    let is_on_its_way = |host: &NodeId| ends.by(*host, own.node).any(|origin| vector.seq_of(origin) == 0);
    if hosts.iter().any(is_on_its_way) {
        return Vec::new();
    }
    let is_had = |origin, seq| hosts.iter().all(|host| ends.of(*host, origin) == seq);
    let earlier = vector.iter().filter(|(origin, _)| origin.node == own.node && *origin != own);
    // Whoever has folded a numbered start takes all before it for folded, so none is passed over: streams of a log may come in any
    // order, and a host that lacks one of them would never ask for it.
    let mut are_had = true;
    let had = earlier.filter(|&(origin, seq)| {
        let had = is_had(origin, seq);
        are_had &= had || !origin.inc.is_numbered();
        had && (are_had || !origin.inc.is_numbered())
    });
    had.map(|(origin, _)| origin.inc).take(FOLD_STARTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::folding::tests::{NODE, PEER, apply, start};
    use crate::app::folding::{Ends, ends_record};

    fn incs(numbers: &[u32]) -> Vec<Inc> {
        numbers.iter().map(|number| start(NODE, *number).inc).collect()
    }

    #[test]
    fn a_start_can_be_folded_once_the_other_host_has_said_that_it_has_its_end() {
        let (mut applied, own, any) = (Applied::default(), start(NODE, 4), [0x71, 0, 0, 0, 0]);
        [1, 2, 3].iter().for_each(|number| apply(&mut applied, start(NODE, *number), &any));
        assert_eq!(foldable(&applied, own, &[]), incs(&[1, 2, 3]), "a host that is alone asks nobody");
        assert_eq!(foldable(&applied, start(NODE, 3), &[]), incs(&[1, 2]));
        assert!(foldable(&applied, own, &[PEER]).is_empty());
        let [one, two, three] = [1, 2, 3].map(|number| start(NODE, number).inc);
        apply(&mut applied, start(PEER, 1), &ends_record(NODE, &[(one, 1), (two, 9)]));
        assert_eq!(foldable(&applied, own, &[PEER]), incs(&[1]), "of the second one it has more");
        apply(&mut applied, start(PEER, 1), &ends_record(NODE, &[(three, 1)]));
        assert_eq!(
            foldable(&applied, own, &[PEER]),
            incs(&[1]),
            "the third one does not go before the second"
        );
        apply(&mut applied, start(PEER, 1), &ends_record(NODE, &[(Inc::of_start(9, 9), 1)]));
        assert!(foldable(&applied, own, &[PEER]).is_empty(), "one is still to come back");
        apply(&mut applied, Origin { node: NODE, inc: Inc::of_start(9, 9) }, &any);
        assert_eq!(
            foldable(&applied, own, &[PEER]),
            incs(&[1]),
            "it came back, and the second one is still in the way"
        );
        assert!(foldable(&applied, own, &[PEER, NodeId(3)]).is_empty(), "one of three has said nothing");
        let ends = applied.sections().iter().find_map(|(_, bytes)| Ends::read(bytes));
        assert_eq!(ends, Some(applied.ends.clone()));
    }
}
