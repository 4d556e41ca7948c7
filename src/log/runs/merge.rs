//! Makes one run of several, without what is gone of them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::cursor::Cursor;
use super::item::ITEMS;
use super::run::{Run, damaged, split_key};
use super::writer::RunWriter;
use crate::base::places::Places;
use crate::log::blobs::{Pin, Writer};

/// A run, and which of its items are gone.
pub type Part<'a> = (&'a Arc<Run>, &'a Places);

/// Merges the runs of an application. No two of them have an item at one place that is not gone of either.
///
/// # Errors
/// Returns the error of reading or writing; nothing is left of the new run then.
pub fn merge(out: Writer, app: u8, parts: &[Part<'_>]) -> io::Result<Pin> {
    let mut writer = RunWriter::new(out, app)?;
    let tables: BTreeSet<u8> = parts.iter().flat_map(|(run, _)| run.tables()).collect();
    for number in tables {
        let entries = parts.iter().filter_map(|(run, _)| run.table(number)).map(|table| table.entries);
        writer.begin_table(number, entries.sum())?;
        merge_table(&mut writer, number, parts)?;
    }
    writer.finish()
}

fn merge_table(writer: &mut RunWriter, number: u8, parts: &[Part<'_>]) -> io::Result<()> {
    let mut cursors = Vec::new();
    for (run, gone) in parts {
        if let Some(cursor) = Cursor::at(run, number, &[])? {
            cursors.push((cursor, *gone));
        }
    }
    while let Some(least) = least(&mut cursors)? {
        let (cursor, gone) = &mut cursors[least];
        let id = cursor.run().id();
        if let Some((key, value)) = cursor.next()? {
            let (_, place) = split_key(key).ok_or_else(|| damaged(&id, "a key has no place"))?;
            match gone.contains(&place) {
                true => {}
                false if number == ITEMS => writer.push_item(place, value)?,
                false => writer.push(key, value)?,
            }
        }
        cursor.advance();
    }
    Ok(())
}

/// Returns which cursor stands before the least key.
fn least(cursors: &mut [(Cursor, &Places)]) -> io::Result<Option<usize>> {
    let mut least: Option<(usize, &[u8])> = None;
    for (at, (cursor, _)) in cursors.iter_mut().enumerate() {
        if let Some((key, _)) = cursor.next()?
            && least.is_none_or(|(_, other)| key < other)
        {
            least = Some((at, key));
        }
    }
    Ok(least.map(|(at, _)| at))
}
