//! Records: the changes in a batch's body, one after the other.
//!
//! ```text
//! short     0 u8 tag (0x11, 0x12 or 0x13)   1 nine bytes of its application                    10 bytes
//! others    0 u8 tag (app, kind)                1 u32 payload length   5 payload
//! ```
//!
//! Little endian. A tag of zero is none, because the journal's files are zero-filled before they are written.

use crate::base::limits::BATCH_BODY_BYTES_MAX;
use crate::base::tag::{self, RECORD_HEAD_BYTES, SHORT_RECORD_BYTES};

/// Why bytes are no sequence of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A zero where a tag is due.
    #[error("a record has the tag 0")]
    NoTag,
    /// The bytes end inside a record.
    #[error("the body ends within a record")]
    Cut,
    /// The records are more or fewer than the header says.
    #[error("the body holds {found} records, but the header says {said}")]
    Count {
        /// Records in the body.
        found: u32,
        /// The header's count.
        said: u32,
    },
}

/// Appends a record that is not short.
pub fn push(out: &mut Vec<u8>, tag: u8, payload: &[u8]) {
    assert!(tag != 0 && !tag::is_short(tag), "short records and the zero tag have no payload");
    assert!(payload.len() <= BATCH_BODY_BYTES_MAX - RECORD_HEAD_BYTES, "a record fits into a batch");
    let length = u32::try_from(payload.len()).expect("bounded by a batch's body");
    out.push(tag);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Returns the payload of a record; empty for a short one.
#[must_use]
pub fn payload(record: &[u8]) -> &[u8] {
    match record.first() {
        Some(&tag) if !tag::is_short(tag) => record.get(RECORD_HEAD_BYTES..).unwrap_or_default(),
        _ => &[],
    }
}

/// Returns the length of the record that starts here, or nothing while its head isn't complete.
///
/// # Errors
/// Returns [`RecordError::NoTag`]. The length isn't compared with any bound.
#[inline]
pub fn length_of(bytes: &[u8]) -> Result<Option<usize>, RecordError> {
    match bytes {
        [] => Ok(None),
        [0, ..] => Err(RecordError::NoTag),
        [tag, ..] if tag::is_short(*tag) => Ok(Some(SHORT_RECORD_BYTES)),
        [_, a, b, c, d, ..] => Ok(Some(RECORD_HEAD_BYTES + u32::from_le_bytes([*a, *b, *c, *d]) as usize)),
        _ => Ok(None),
    }
}

/// Returns the records of a body in their order. After an error there is nothing more.
#[must_use]
pub fn records(body: &[u8]) -> Records<'_> {
    Records { rest: body }
}

/// See [`records`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a [u8], RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        match length_of(rest) {
            Ok(Some(length)) if length <= rest.len() => {
                let (record, after) = rest.split_at(length);
                self.rest = after;
                Some(Ok(record))
            }
            Ok(_) => Some(Err(RecordError::Cut)),
            Err(error) => Some(Err(error)),
        }
    }
}

/// Checks whether a body is exactly `count` records.
///
/// # Errors
/// Returns what is wrong with it.
pub fn check(body: &[u8], count: u32) -> Result<(), RecordError> {
    let mut found = 0;
    for record in records(body) {
        record?;
        found += 1;
    }
    if found == count { Ok(()) } else { Err(RecordError::Count { found, said: count }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: [u8; SHORT_RECORD_BYTES] = [0x12, 200, 0xFE, 0xFF, 0xFF, 0xFF, 4, 3, 2, 1];

    #[test]
    fn bytes_of_a_short_record_and_of_another() {
        let mut body = SHORT.to_vec();
        push(&mut body, 0x1F, b"abc");
        assert_eq!(
            body,
            [0x12, 200, 0xFE, 0xFF, 0xFF, 0xFF, 4, 3, 2, 1, 0x1F, 3, 0, 0, 0, b'a', b'b', b'c'],
            "golden bytes"
        );
        let found: Vec<_> = records(&body).map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0], found[1][0]), (&SHORT[..], 0x1F));
        assert_eq!((payload(found[0]), payload(found[1])), (&b""[..], &b"abc"[..]));
    }

    #[test]
    fn a_body_that_is_cut_or_miscounted_is_reported() {
        let mut body = SHORT.to_vec();
        push(&mut body, 0x1F, b"abc");
        assert_eq!(check(&body, 2), Ok(()));
        assert_eq!(check(&body, 3), Err(RecordError::Count { found: 2, said: 3 }));
        for cut in (1..10).chain(11..body.len()) {
            assert_eq!(check(&body[..cut], 2), Err(RecordError::Cut), "cut at {cut}");
        }
        body.push(0);
        assert_eq!(check(&body, 2), Err(RecordError::NoTag));
        assert_eq!(records(&[0x1F, 255, 255, 255, 255]).next(), Some(Err(RecordError::Cut)));
    }
}
