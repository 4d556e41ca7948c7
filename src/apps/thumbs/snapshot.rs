//! The thumbnail service's snapshot.

use crate::app::fields::Fields;
use crate::app::floors::Floors;

use super::item::{Item, Progress};
use super::record::{Picture, push_place, read_place};
use super::state::{Early, Key, ThumbsState};

/// A record about a picture that has not come: it is deleted.
const DELETED: u8 = 0;
/// How far it came.
const EARLY: u8 = 1;
/// Later records about a picture that is on the disk. A host that keeps all pictures in memory writes no such entry.
const LATE: u8 = 2;

/// Appends the state's bytes.
pub fn push(state: &ThumbsState, out: &mut Vec<u8>) {
    push_seen(state, out);
    push_count(out, state.early.len() + state.late.len());
    push_early(state, out);
    for (place, said) in &state.late {
        push_place(out, *place);
        out.push(LATE);
        said.push(out);
    }
    push_count(out, state.items.len());
    state.items.iter().for_each(|(key, item)| push_item(out, key, item));
    state.floors.push(out);
}

/// Appends what is kept beside pictures that have come to an end, with those that have not.
pub fn push_beside(state: &ThumbsState, out: &mut Vec<u8>) {
    push_seen(state, out);
    push_early(state, out);
    let open = state.items.iter().filter(|(_, item)| item.progress.outcome.is_none());
    open.for_each(|(key, item)| push_item(out, key, item));
    state.floors.push(out);
}

fn push_seen(state: &ThumbsState, out: &mut Vec<u8>) {
    push_count(out, state.seen.len());
    for (origin, seq) in &state.seen {
        push_place(out, (*origin, *seq));
    }
}

fn push_early(state: &ThumbsState, out: &mut Vec<u8>) {
    for (place, early) in &state.early {
        push_place(out, *place);
        match early {
            Early::Deleted => out.push(DELETED),
            Early::Progress(progress) => {
                out.push(EARLY);
                progress.push(out);
            }
        }
    }
}

/// Reads what [`push`] has written; nothing for bytes of another form.
pub fn read(bytes: &[u8]) -> Option<ThumbsState> {
    let (mut state, mut fields) = (ThumbsState::default(), Fields::of(bytes));
    for _ in 0..fields.u64()? {
        state.seen.insert(fields.origin()?, fields.u64()?);
    }
    for _ in 0..fields.u64()? {
        let place = read_place(&mut fields)?;
        let kind = fields.byte()?;
        let said = if kind == DELETED { None } else { Some(Progress::read(&mut fields)?) };
        if let Some(thumbnail) = said.as_ref().and_then(Progress::thumbnail) {
            state.references.add(thumbnail.blob);
        }
        match (kind, said) {
            (DELETED, None) => drop(state.early.insert(place, Early::Deleted)),
            (EARLY, Some(said)) => drop(state.early.insert(place, Early::Progress(said))),
            (LATE, Some(said)) => drop(state.late.insert(place, said)),
            _ => return None,
        }
    }
    for _ in 0..fields.u64()? {
        let (place, time_us) = (read_place(&mut fields)?, fields.u64()?);
        let (picture, progress) = (Picture::read(&mut fields)?, Progress::read(&mut fields)?);
        state.insert(Key { time_us, place }, Item { picture, progress });
    }
    state.floors = Floors::read(&mut fields)?;
    Some(state)
}

fn push_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u64).to_le_bytes());
}

fn push_item(out: &mut Vec<u8>, key: &Key, item: &Item) {
    push_place(out, key.place);
    out.extend_from_slice(&key.time_us.to_le_bytes());
    item.picture.push(out);
    item.progress.push(out);
}
