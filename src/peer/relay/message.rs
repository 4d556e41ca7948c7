//! Messages of a log: whole batches of one node, verbatim and back to back. A message without any carries nothing.

use crate::base::batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader};
use crate::base::ids::NodeId;
use crate::base::streams::Stream;

/// A batch that came through the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its header.
    pub header: BatchHeader,
    /// Its records.
    pub body: Vec<u8>,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It ends amid a batch.
    #[error("a message of the log ends amid a batch")]
    Short,
    /// A header is none.
    #[error("a message of the log is damaged: {0}")]
    Header(#[from] BatchError),
    /// A body is not the one that was written.
    #[error("a message of the log is damaged: a body's checksum does not match")]
    Body,
    /// It stands in another node's stream.
    #[error("a message of the log has a batch of the node {0}, in whose stream it does not stand")]
    Node(NodeId),
}

/// Returns the batches of a message in the stream of `node`.
///
/// # Errors
/// Fails if the message has anything but whole, sound batches of that node.
pub fn batches(node: NodeId, message: &[u8]) -> Result<Vec<Batch>, MessageError> {
    let batches = cut(message)?;
    match batches.iter().map(|batch| batch.header.origin.node).find(|of| *of != node) {
        Some(other) => Err(MessageError::Node(other)),
        None => Ok(batches),
    }
}

/// Returns batches that stand back to back, whoever made them.
///
/// # Errors
/// Fails if there is anything but whole, sound batches.
pub fn cut(mut bytes: &[u8]) -> Result<Vec<Batch>, MessageError> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk::<BATCH_HEADER_BYTES>().ok_or(MessageError::Short)?;
        let header = BatchHeader::decode(head)?;
        let (body, rest) = rest.split_at_checked(header.body_len as usize).ok_or(MessageError::Short)?;
        if crc32c::crc32c(body) != header.body_crc {
            return Err(MessageError::Body);
        }
        batches.push(Batch { header, body: body.to_vec() });
        bytes = rest;
    }
    Ok(batches)
}

/// Returns where the stream stands behind a message's last batch; nothing for a message without batches.
///
/// # Errors
/// See [`batches`].
pub fn end(node: NodeId, message: &[u8]) -> Result<Option<Stream>, MessageError> {
    Ok(batches(node, message)?.last().map(|batch| stream_behind(&batch.header)))
}

/// Returns where a batch's stream stands behind it.
pub(super) fn stream_behind(header: &BatchHeader) -> Stream {
    Stream { origin: header.origin, seq: header.last_seq(), chain: header.chain }
}

/// Appends a batch to a message.
pub fn push(message: &mut Vec<u8>, header: &BatchHeader, body: &[u8]) {
    message.extend_from_slice(&header.encode());
    message.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, Origin};

    #[test]
    fn batches_come_out_as_they_went_in_and_no_flipped_bit_passes() {
        let origin = Origin { node: NodeId(3), inc: Inc(4) };
        let first = BatchHeader::seal(origin, 1, 2, 9, 7, &[0x11; 20]);
        let second = BatchHeader::seal(origin, 3, 1, 10, first.chain, &[0x11; 10]);
        let mut message = Vec::new();
        push(&mut message, &first, &[0x11; 20]);
        push(&mut message, &second, &[0x11; 10]);
        let found = batches(NodeId(3), &message).unwrap();
        assert_eq!(found.iter().map(|batch| batch.header).collect::<Vec<_>>(), [first, second]);
        assert_eq!(end(NodeId(3), &message), Ok(Some(stream_behind(&second))));
        assert_eq!(batches(NodeId(5), &message), Err(MessageError::Node(NodeId(3))));
        assert_eq!(end(NodeId(3), &[]), Ok(None));
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(batches(NodeId(3), &flipped).is_err(), "bit {bit}");
        }
        for length in (1..message.len()).filter(|length| *length != 84) {
            assert_eq!(batches(NodeId(3), &message[..length]), Err(MessageError::Short), "{length}");
        }
    }
}
