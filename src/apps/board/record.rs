//! The board's records.
//!
//! ```text
//! post     0x31   u64 id (0 until it is stamped)  16 uuid  32 blob  u8 kind  u64 size  text name  text message
//! delete   0x32   16 origin, u64 seq of the post
//! ```

use crate::app::fields::{Fields, push_origin, push_text};
use crate::apps::board::tag::{BOARD_DELETE, BOARD_POST};
use crate::apps::pictures::kind::Kind;
use crate::base::blob::BlobId;
use crate::base::ids::{Origin, Seq};
use crate::base::tag::RECORD_HEAD_BYTES;
use crate::log::format::record;

/// What is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Number of the message; 0 until it is stamped.
    pub id: u64,
    /// First part of the picture's name.
    pub uuid: [u8; 16],
    /// The picture.
    pub blob: BlobId,
    /// Its kind.
    pub kind: Kind,
    /// Its bytes.
    pub size_bytes: u64,
    /// Second part of the picture's name.
    pub name: String,
    /// The text.
    pub message: String,
}

impl Post {
    /// Appends the fields.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.uuid);
        out.extend_from_slice(&self.blob.0);
        out.push(self.kind.number());
        out.extend_from_slice(&self.size_bytes.to_le_bytes());
        push_text(out, &self.name);
        push_text(out, &self.message);
    }

    /// Reads the fields.
    #[must_use]
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.u64()?,
            uuid: fields.array()?,
            blob: fields.blob()?,
            kind: Kind::numbered(fields.byte()?)?,
            size_bytes: fields.u64()?,
            name: fields.text()?.to_owned(),
            message: fields.text()?.to_owned(),
        })
    }

    /// Returns the record.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        self.push(&mut payload);
        record::push(&mut out, BOARD_POST, &payload);
        out
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What was posted.
    pub post: Post,
    /// When, microseconds since 1970.
    pub time_us: u64,
}

/// Appends a post's record with its number filled in.
pub fn push_stamped(record: &[u8], id: u64, out: &mut Vec<u8>) {
    let at = out.len() + RECORD_HEAD_BYTES;
    out.extend_from_slice(record);
    if let Some(place) = out.get_mut(at..at + 8) {
        place.copy_from_slice(&id.to_le_bytes());
    }
}

/// Returns the record that takes the post of `origin` with the number `seq` off the board.
#[must_use]
pub fn delete_record(origin: Origin, seq: Seq) -> Vec<u8> {
    let (mut payload, mut out) = (Vec::new(), Vec::new());
    push_origin(&mut payload, origin);
    payload.extend_from_slice(&seq.to_le_bytes());
    record::push(&mut out, BOARD_DELETE, &payload);
    out
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A post.
    Post(Post),
    /// The post with this place is taken off.
    Delete(Origin, Seq),
}

/// Reads a record of the board; nothing if it is none.
#[must_use]
pub fn read(record: &[u8]) -> Option<Change> {
    let mut fields = Fields::of(record::payload(record));
    let change = match *record.first()? {
        BOARD_POST => Change::Post(Post::read(&mut fields)?),
        BOARD_DELETE => Change::Delete(fields.origin()?, fields.u64()?),
        _ => return None,
    };
    fields.is_empty().then_some(change)
}
