//! Canonical digests: hosts that have the same records have the same digest of each application, wherever its items are.

use std::io;

use super::aging::Aging;
use super::applied::Applied;
use super::heal::Heals;
use crate::base::places::{PLACE_BYTES, place_bytes};
use crate::base::sha256::Sha256;
use crate::log::runs::item::{ITEMS, Item};

impl Applied {
    /// Returns the digest of each application's state, by the application's id: of what it holds beside items, and of its items in
    /// the order of their places. Reads all old items.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn digests(&self) -> io::Result<Vec<(u8, [u8; 32])>> {
        self.states()
            .map(|(id, state)| {
                let mut digest = Sha256::default();
                let mut bytes = Vec::new();
                match state.aging() {
                    Some(aging) => {
                        aging.beside_items(&mut bytes);
                        digest.update(&bytes);
                        add_items(&mut digest, aging, &self.heals)?;
                    }
                    None => {
                        state.snapshot(&mut bytes);
                        digest.update(&bytes);
                    }
                }
                Ok((id, digest.hash()))
            })
            .collect()
    }
}

fn add_items(digest: &mut Sha256, aging: &dyn Aging, heals: &Heals) -> io::Result<()> {
    let view = aging.old().view();
    let (mut reader, mut young) = (view.reader(), aging.young().peekable());
    let mut walk = reader.ascending(ITEMS, &[0; PLACE_BYTES]);
    while let Some((_, place)) = walk.step()? {
        while let Some(item) = young.next_if(|item| item.place < place) {
            add(digest, &item);
        }
        let old = reader.item(place)?.ok_or(io::ErrorKind::InvalidData)?;
        add(digest, &aging.current(old, heals));
    }
    young.for_each(|item| add(digest, &item));
    Ok(())
}

fn add(digest: &mut Sha256, item: &Item) {
    digest.update(&place_bytes(item.place));
    for number in [item.bytes, item.contents_bytes, item.value.len() as u64] {
        digest.update(&number.to_le_bytes());
    }
    digest.update(&item.value);
}
