//! History: what this host's journal and its pictures give to another host, which asks for what a log has lost or never had.

use super::access::readable_to;
use crate::base::batch::BATCH_HEADER_BYTES;
use crate::base::blob::BlobId;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::limits::{PEER_PIECE_BYTES, RELAY_ANSWER_BYTES};
use crate::base::sha256::Sha256;
use crate::engine::shared::Shared;
use crate::log::blobs::store::BlobReader;
use crate::peer::relay::message;
use crate::peer::relay::words::{Answer, Question};

/// Answers a question of another host. It reads up to a segment of the journal or a picture from the disk, so it is a job's work.
#[must_use]
pub fn answer(shared: &Shared, question: &Question) -> Answer {
    match *question {
        Question::Records { origin, seq } => {
            let batches = records(shared, origin, seq);
            if batches.is_empty() { Answer::Nothing } else { Answer::Records(batches) }
        }
        Question::Picture { id, offset } => piece(shared, &id, offset).unwrap_or(Answer::Nothing),
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

/// Returns a piece of a picture. Before its first one goes, the whole is compared with its name.
fn piece(shared: &Shared, id: &BlobId, offset: u64) -> Option<Answer> {
    let is_named = shared.applied.read().names_blob(id);
    let reader = shared.blobs.open(id).ok().filter(|_| is_named)?;
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

fn read(reader: &dyn BlobReader, offset: u64) -> Option<Vec<u8>> {
    let length = (reader.size_bytes() - offset).min(PEER_PIECE_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    reader.read_at(&mut bytes, offset).ok()?;
    Some(bytes)
}
