//! Toys with keys and orders on the disk: of those with one name the earliest stands, wherever they are and whenever they come.

use super::aged::toys;

use crate::app::applied::Applied;
use crate::app::trimming::Trimmed;
use crate::apps::toys::claims::Claim;
use crate::apps::toys::named::Look;
use crate::apps::toys::old::OldToys;
use crate::apps::toys::state::{Order, ToysState};

/// More names than samples have.
const NAMES: u8 = 40;

/// What stands for each key, and for each id: in memory or on the disk, once no doubt is open.
pub(super) fn standing(applied: &Applied) -> Vec<(Option<Claim>, Option<Order>)> {
    let shop = applied.state::<ToysState>().unwrap();
    let old = OldToys::of(shop, &applied.heals);
    let each = |byte| {
        let name = [byte; 16];
        let claim = match shop.look_at_key(&name) {
            Look::Known(claim) => Some(claim),
            Look::Old => old.claim(&name).unwrap(),
            Look::Free => None,
            Look::Doubt => panic!("a doubt is open"),
        };
        let order = match shop.look_at_order(&name) {
            Look::Known(order) => Some(order),
            Look::Old => old.order(&name).unwrap(),
            Look::Free => None,
            Look::Doubt => panic!("a doubt is open"),
        };
        (claim, order)
    };
    (0..NAMES).map(each).collect()
}

/// Holds a host to what it may show while doubts are open: some of the toys that stand, none of them twice, and as many as it counts.
pub(super) fn check(live: &Applied, plain: &Applied) {
    let [shop, all] = [live, plain].map(|applied| applied.state::<ToysState>().unwrap());
    let shown = toys(shop, &live.heals);
    assert_eq!(shown.len(), shop.count());
    assert!(shown.len() <= all.count(), "{} of {}", shown.len(), all.count());
    assert_eq!(shop.extent().0, all.extent().0);
}
