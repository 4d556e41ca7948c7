//! The identity once more, from what the segments and snapshots say, when its own file is damaged or gone.

use std::collections::BTreeSet;
use std::io;

use super::outcome::{RecoverError, io_error};
use super::{Replay, examine_as};
use crate::base::ids::{ClusterId, Inc, NodeId};
use crate::base::limits::BLOCK_BYTES;
use crate::log::files::identity::Identity;
use crate::log::format::segment::{self, HeaderLook, SegmentHeader};
use crate::log::streams::Streams;
use crate::os::disk::{Access, Disk};

/// Makes the file again that says whose the directory is, and gives what it says. A start's number is the highest that a
/// record tells of; nobody may serve from the directory meanwhile.
///
/// # Errors
/// Fails if no segment can be read, or two of them name different directories; and as a start's. Nothing was changed then.
pub fn mend(disk: &dyn Disk) -> Result<Identity, RecoverError> {
    match Identity::load(disk) {
        Ok(Some(identity)) => return Ok(identity),
        Err(error) if error.kind() != io::ErrorKind::InvalidData => {
            return Err(io_error("reading the identity")(error));
        }
        _ => {}
    }
    let mut found = BTreeSet::new();
    let names = disk.list().map_err(io_error("listing the directory"))?;
    for number in names.iter().filter_map(|name| segment::number_of(name)) {
        found.extend(named_by(disk, number).map_err(io_error("reading a segment"))?);
    }
    let (Some((cluster, node, segment_bytes)), 1) = (found.first().copied(), found.len()) else {
        return Err(RecoverError::NoIdentity);
    };
    let mut identity =
        Identity { start: 0, ..Identity::new(ClusterId(cluster), NodeId(node), segment_bytes, 0) };
    let mut highest = 0;
    let mut note = |streams: &Streams| {
        let own = streams.iter().map(|stream| stream.origin).filter(|origin| origin.node.0 == node);
        let numbers = own.filter(|origin| origin.inc.is_numbered()).map(|origin| origin.inc.number());
        let folded = streams.folds().of(NodeId(node)).map_or(0, |folds| folds.highest);
        highest = numbers.chain([highest, folded]).max().unwrap_or(0);
    };
    let mut last = Streams::default();
    let read = examine_as(disk, identity, &mut |replay| {
        match replay {
            Replay::Snapshot(snapshot) => last = snapshot.streams.clone(),
            Replay::Batch(batch) => {
                let followed = last.follow(ClusterId(cluster), &batch.header, &batch.folds());
                followed.map_err(|fault| fault.to_string())?;
            }
            Replay::Oldest(oldest) => note(&oldest.streams),
        }
        Ok(())
    });
    match read {
        // The start that follows reports what is damaged beside the identity.
        Ok(_) | Err(RecoverError::Damaged(_) | RecoverError::NoBase(_)) => {}
        Err(error) => return Err(error),
    }
    note(&last);
    identity.start = highest;
    identity.inc = Inc::of_start(highest, 0);
    identity.store(disk).map_err(io_error("writing the identity"))?;
    Ok(identity)
}

/// Returns whose directory a segment says that it is in, if it can be read and holds anything.
fn named_by(disk: &dyn Disk, number: u32) -> io::Result<Option<([u8; 16], u64, u64)>> {
    let file = disk.open(&segment::name(number), Access::Read)?;
    let mut bytes = vec![0; BLOCK_BYTES];
    loop {
        let length = file.read_at(&mut bytes, 0)?;
        match SegmentHeader::decode(&bytes[..length]) {
            Ok(HeaderLook::Header(header)) => {
                return Ok(Some((header.cluster.0, header.node.0, header.segment_bytes)));
            }
            Ok(HeaderLook::More(more)) if length == bytes.len() && more > length => bytes.resize(more, 0),
            _ => return Ok(None),
        }
    }
}
