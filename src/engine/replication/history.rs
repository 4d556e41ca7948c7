//! History: what this host's journal, its snapshot and its contents give to another host, which asks for what a log has lost or
//! never had.

use std::collections::BTreeSet;
use std::io;

use super::access::readable_to;
use crate::app::naming;
use crate::base::batch::BATCH_HEADER_BYTES;
use crate::base::blob::BlobId;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::limits::{PEER_PIECE_BYTES, RELAY_ANSWER_BYTES, RELAY_CONTENTS_MAX};
use crate::base::sha256::Sha256;
use crate::base::vector::VersionVector;
use crate::engine::shared::Shared;
use crate::log::blobs::store::BlobReader;
use crate::log::runs::shelf::Shelf;
use crate::log::snapshot;
use crate::os::disk::{Access, Disk};
use crate::peer::relay::message;
use crate::peer::relay::words::{Answer, Beginning, Question};

/// Answers a question of another host; `disk` is the data directory. It reads up to a segment of the journal, a picture or a
/// snapshot from the disk, so it is a job's work.
#[must_use]
pub fn answer(shared: &Shared, disk: &dyn Disk, question: &Question) -> Answer {
    match *question {
        Question::Records { origin, seq } => {
            let batches = records(shared, origin, seq);
            if batches.is_empty() { Answer::Nothing } else { Answer::Records(batches) }
        }
        Question::Picture { id, offset } => piece(shared, &id, offset).unwrap_or(Answer::Nothing),
        Question::Beginning => beginning(shared, disk).unwrap_or(Answer::Nothing),
        Question::Standing { origin, seq } => Answer::Standing(standing(shared, origin, seq)),
        Question::Contents { after } => contents(shared, after).map_or(Answer::Nothing, Answer::Contents),
        Question::Snapshot { key, offset } => {
            snapshot_piece(disk, key, offset).ok().flatten().unwrap_or(Answer::Nothing)
        }
    }
}

/// Returns batches of a stream, from the one that begins with `seq` on, as many as an answer takes. What can't be read any more
/// ends them: another host may have it.
fn records(shared: &Shared, origin: Origin, seq: Seq) -> Vec<u8> {
    let to = readable_to(shared);
    // The scan comes before the look at what there is: its segments stay.
    let _pinned = shared.reader.scan(Position(0), to);
    let mut from = Position(0);
    for segment in shared.reader.segments() {
        let (Some(end_vector), Some(end)) = (segment.end_vector, segment.end) else { break };
        if end_vector.seq_of(origin) >= seq {
            break;
        }
        from = end;
    }
    let (mut batches, mut next) = (Vec::new(), seq);
    let mut scan = shared.reader.scan(from, to);
    while let Ok(Some(batch)) = scan.next_batch() {
        if batch.origin != origin || batch.first_seq != next {
            continue;
        }
        let bytes = batches.len() + BATCH_HEADER_BYTES + batch.body.len();
        if !batches.is_empty() && bytes > RELAY_ANSWER_BYTES / 2 {
            break;
        }
        message::push(&mut batches, &batch.header, batch.body);
        next = batch.header.last_seq() + 1;
    }
    batches
}

/// Returns how far each stream had come when this record was added to the journal; if that is not to be found, how far they have
/// come now.
fn standing(shared: &Shared, origin: Origin, seq: Seq) -> VersionVector {
    let to = readable_to(shared);
    let _pinned = shared.reader.scan(Position(0), to);
    let mut from = Position(0);
    for segment in shared.reader.segments() {
        match (&segment.end_vector, segment.end) {
            (Some(vector), Some(end)) if vector.seq_of(origin) < seq => from = end,
            _ => {
                let mut vector = (*segment.start_vector).clone();
                let mut scan = shared.reader.scan(from, to);
                while vector.seq_of(origin) < seq
                    && let Ok(Some(batch)) = scan.next_batch()
                {
                    vector.raise(batch.origin, batch.header.last_seq());
                }
                let is_there = (*segment.start_vector).seq_of(origin) < seq && vector.seq_of(origin) >= seq;
                return if is_there { vector } else { shared.applied.read().vector.clone() };
            }
        }
    }
    shared.applied.read().vector.clone()
}

/// Returns where this host's journal begins, and the newest snapshot that reads well. A host that is joining has nothing to give, nor
/// has one with so many streams that they fit into no answer.
fn beginning(shared: &Shared, disk: &dyn Disk) -> Option<Answer> {
    if shared.space.is_joining() {
        return None;
    }
    // In this order: segments go by the older snapshot, so the newest one that is found afterwards covers this.
    let starts = shared.reader.start_streams().ok()?;
    if starts.is_empty() && starts.folds().is_empty() {
        return Some(Answer::Whole);
    }
    let files = snapshot::files(disk).ok()?;
    let (file, found) = files.into_iter().find_map(|file| Some((file, snapshot::load(disk, file).ok()?)))?;
    let total = found.encoded_bytes() as u64;
    let answer = Answer::Beginning(Beginning { key: file.key(), total, starts });
    (answer.encode().len() <= RELAY_ANSWER_BYTES).then_some(answer)
}

/// Returns names of contents behind `after`, in rising order: the pictures that the states name, and all runs of old items.
fn contents(shared: &Shared, after: Option<BlobId>) -> io::Result<Vec<BlobId>> {
    let pictures = shared.blobs.list()?;
    let unnamed: BTreeSet<BlobId> = naming::unnamed(&shared.applied, pictures.clone())?.into_iter().collect();
    let runs = shared.shelf.as_ref().map_or(Ok(Vec::new()), |shelf| shelf.blobs().list())?;
    let named = pictures.into_iter().filter(|id| !unnamed.contains(id));
    let mut ids: Vec<BlobId> = named.chain(runs).filter(|id| after.is_none_or(|after| *id > after)).collect();
    ids.sort_unstable();
    ids.truncate(RELAY_CONTENTS_MAX);
    Ok(ids)
}

/// Returns a piece of the snapshot with this key, if it is still there.
fn snapshot_piece(disk: &dyn Disk, key: u64, offset: u64) -> io::Result<Option<Answer>> {
    let Some(file) = snapshot::files(disk)?.into_iter().find(|file| file.key() == key) else {
        return Ok(None);
    };
    let file = disk.open(&file.name(), Access::Read)?;
    let total = file.size_bytes()?;
    let length = total.saturating_sub(offset).min(PEER_PIECE_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, offset)?;
    bytes.truncate(read);
    Ok((read > 0).then_some(Answer::Piece { total, offset, bytes }))
}

/// Returns a piece of a picture, or of a run of old items. Before its first one goes, the whole is compared with its name.
fn piece(shared: &Shared, id: &BlobId, offset: u64) -> Option<Answer> {
    let reader = open(shared, id)?;
    let total = reader.size_bytes();
    if offset >= total {
        return None;
    }
    if offset == 0 {
        let mut content = Sha256::default();
        let mut at = 0;
        while at < total {
            let bytes = read(&*reader, at)?;
            content.update(&bytes);
            at += bytes.len() as u64;
        }
        if content.hash() != id.0 {
            return None;
        }
    }
    Some(Answer::Piece { total, offset, bytes: read(&*reader, offset)? })
}

fn open(shared: &Shared, id: &BlobId) -> Option<Box<dyn BlobReader>> {
    let run = || shared.shelf.as_ref().map(Shelf::blobs)?.open(id).ok();
    match shared.blobs.open(id) {
        Ok(picture) if naming::is_named(&shared.applied, id).unwrap_or(false) => Some(picture),
        _ => run(),
    }
}

fn read(reader: &dyn BlobReader, offset: u64) -> Option<Vec<u8>> {
    let length = (reader.size_bytes() - offset).min(PEER_PIECE_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    reader.read_at(&mut bytes, offset).ok()?;
    Some(bytes)
}
