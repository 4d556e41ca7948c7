//! Canonical digests: hosts that have the same records have the same digest of each application, wherever its items are.

use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::aging::Aging;
use super::applied::Applied;
use super::heal::Heals;
use crate::base::places::{PLACE_BYTES, place_bytes};
use crate::base::sha256::Sha256;
use crate::log::runs::cursor::Cursor;
use crate::log::runs::item::{ITEMS, Item};
use crate::log::runs::run::Run;

/// Goes into a digest for each run with a table that does not lead to its items. Nothing does for one that is sound, as nothing does
/// for items in memory, so those who agree have one digest wherever their items are.
const LEADS_ASTRAY: &[u8] = b"a table of a run leads astray";

impl Applied {
    /// Returns the digest of each application's state, by the application's id: of what it holds beside items, and of its items in
    /// the order of their places. Reads all old items, and whether each table of their runs leads to them.
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
                        add_tables(&mut digest, aging)?;
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

fn add_tables(digest: &mut Sha256, aging: &dyn Aging) -> io::Result<()> {
    for part in aging.old().view().parts() {
        if keys_of_items(&part.run, aging)? != keys_of_tables(&part.run)? {
            digest.update(LEADS_ASTRAY);
        }
    }
    Ok(())
}

/// Entries of tables in any order: how many there are, and the sum of their hashes.
type Entries = (u64, u64);

fn count((count, sum): Entries, table: u8, key: &[u8]) -> Entries {
    (count + 1, sum.wrapping_add(xxh3_64(&[&[table], key].concat())))
}

/// Returns the entries that the items of a run are to have in its tables.
fn keys_of_items(run: &Run, aging: &dyn Aging) -> io::Result<Entries> {
    let (mut entries, mut last) = ((0, 0), None);
    for place in run.places().iter() {
        let item = run.item(place, &mut last)?.ok_or(io::ErrorKind::InvalidData)?;
        for (table, key) in aging.keys(&item) {
            entries = count(entries, table, &[&key[..], &place_bytes(place)].concat());
        }
    }
    Ok(entries)
}

/// Returns the entries that its tables have, without the items themselves.
fn keys_of_tables(run: &Arc<Run>) -> io::Result<Entries> {
    let mut entries = (0, 0);
    for table in run.tables().filter(|table| *table != ITEMS) {
        let Some(mut cursor) = Cursor::at(run, table, &[])? else { continue };
        while let Some((key, _)) = cursor.next()? {
            entries = count(entries, table, key);
            cursor.advance();
        }
    }
    Ok(entries)
}

fn add(digest: &mut Sha256, item: &Item) {
    digest.update(&place_bytes(item.place));
    for number in [item.bytes, item.contents_bytes, item.value.len() as u64] {
        digest.update(&number.to_le_bytes());
    }
    digest.update(&item.value);
}
