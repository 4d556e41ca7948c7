//! What a shop shows, of memory and of the disk.

use crate::app::applied::Applied;
use crate::app::heal::Heals;
use crate::app::trimming::Trimmed;
use crate::apps::toys::claims::Claim;
use crate::apps::toys::item::{Order, Product};
use crate::apps::toys::named::Look;
use crate::apps::toys::old::OldToys;
use crate::apps::toys::place::Place;
use crate::apps::toys::state::ToysState;

/// More names than samples have.
const NAMES: u8 = 40;

/// Returns the toy of each key and the order of each id: in memory or on the disk, once no doubt is open.
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

/// All toys in their order, page by page of the disk, with their places.
pub(super) fn toys(shop: &ToysState, heals: &Heals) -> Vec<(Place, Product)> {
    let (old, mut found, mut after) = (OldToys::of(shop, heals), Vec::new(), None);
    loop {
        let mut row = old.behind(after, 2).unwrap();
        let mut page = Vec::new();
        while page.len() < 2
            && let Some(place) = row.peek()
        {
            page.push((place, row.step().unwrap().unwrap()));
        }
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        found.append(&mut page);
    }
    let latest = found.last().cloned();
    assert_eq!(old.latest().unwrap(), latest);
    found.extend(shop.products(None).map(|(place, product)| (*place, product.clone())));
    found.sort_unstable_by_key(|(place, _)| *place);
    found
}
