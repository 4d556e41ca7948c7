//! The thumbnail service's records.
//!
//! ```text
//! submit   0x41   16 uuid  u8 media type  u16 width  u16 height  32 blob of the picture  u64 its bytes
//! known    0x42   the same, and then: 32 blob of the thumbnail  u64 its bytes
//! attempt  0x43   place
//! done     0x44   place  32 blob of the thumbnail  u64 its bytes
//! failed   0x45   place  reason
//! delete   0x46   place
//! submit   0x47   as 0x41 with 128 added to the media type, and at the end: u8 kind of the thumbnail  u8 how it fits
//! known    0x48   as 0x42, with a picture as in 0x47
//! ```
//!
//! Little endian. A place is that of the submit (or known) record: 16 origin, u64 seq. A reason is UTF-8 and ends with the
//! record. The blob of a `known` record's picture is its hash only: nobody keeps the content.

use crate::app::fields::{Fields, push_origin};
use crate::apps::thumbs::tag::{
    THUMBS_ATTEMPT, THUMBS_DELETE, THUMBS_DONE, THUMBS_FAILED, THUMBS_KNOWN, THUMBS_KNOWN_STYLED,
    THUMBS_SUBMIT, THUMBS_SUBMIT_STYLED,
};
use crate::base::blob::BlobId;
use crate::base::ids::{Origin, Seq};
use crate::log::format::record;

use super::media::{Frame, Media, Style};

/// Added to the number of a media type where the record has a style, since that is not the usual one.
const STYLED: u8 = 0x80;

/// Where a picture was handed in: it is named by this in all later records.
pub type Place = (Origin, Seq);

/// A picture as it was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its name to clients.
    pub uuid: [u8; 16],
    /// What it was sent as.
    pub media: Media,
    /// What its thumbnail fits.
    pub frame: Frame,
    /// How its thumbnail is to be.
    pub style: Style,
    /// The picture itself.
    pub raw: BlobId,
    /// Its bytes.
    pub raw_bytes: u64,
}

/// A thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thumbnail {
    /// The blob.
    pub blob: BlobId,
    /// Its bytes.
    pub bytes: u64,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A picture was handed in.
    Submit(Picture),
    /// A picture was handed in, and this is its thumbnail.
    Known(Picture, Thumbnail),
    /// A host begins to decode it.
    Attempt(Place),
    /// This is its thumbnail.
    Done(Place, Thumbnail),
    /// It has none, for this reason.
    Failed(Place, String),
    /// It is taken away.
    Delete(Place),
}

impl Picture {
    /// Appends the fields.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.uuid);
        out.push(self.media.number() | if self.is_styled() { STYLED } else { 0 });
        out.extend_from_slice(&self.frame.width.to_le_bytes());
        out.extend_from_slice(&self.frame.height.to_le_bytes());
        out.extend_from_slice(&self.raw.0);
        out.extend_from_slice(&self.raw_bytes.to_le_bytes());
        if self.is_styled() {
            self.style.push(out);
        }
    }

    /// Says that its thumbnail is not to be as it usually is: the first program did not know that.
    fn is_styled(&self) -> bool {
        self.style != Style::usual(self.media)
    }

    /// Reads the fields.
    #[must_use]
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let side = |fields: &mut Fields<'_>| fields.array().map(u16::from_le_bytes).filter(|side| *side > 0);
        let (uuid, media) = (fields.array()?, fields.byte()?);
        let is_styled = media & STYLED != 0;
        let media = Media::numbered(media & !STYLED)?;
        let mut picture = Self {
            uuid,
            media,
            frame: Frame { width: side(fields)?, height: side(fields)? },
            style: Style::usual(media),
            raw: fields.blob()?,
            raw_bytes: fields.u64()?,
        };
        if is_styled {
            picture.style = Style::read(fields)?;
        }
        // One form for each picture.
        (picture.is_styled() == is_styled).then_some(picture)
    }
}

impl Thumbnail {
    /// Appends the fields.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.blob.0);
        out.extend_from_slice(&self.bytes.to_le_bytes());
    }

    /// Reads the fields.
    #[must_use]
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { blob: fields.blob()?, bytes: fields.u64()? })
    }
}

/// Appends a place.
pub fn push_place(out: &mut Vec<u8>, (origin, seq): Place) {
    push_origin(out, origin);
    out.extend_from_slice(&seq.to_le_bytes());
}

/// Reads a place.
#[must_use]
pub fn read_place(fields: &mut Fields<'_>) -> Option<Place> {
    Some((fields.origin()?, fields.u64()?))
}

impl Change {
    /// Returns the record.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        let tag = match self {
            Self::Submit(picture) => {
                picture.push(&mut payload);
                if picture.is_styled() { THUMBS_SUBMIT_STYLED } else { THUMBS_SUBMIT }
            }
            Self::Known(picture, thumbnail) => {
                picture.push(&mut payload);
                thumbnail.push(&mut payload);
                if picture.is_styled() { THUMBS_KNOWN_STYLED } else { THUMBS_KNOWN }
            }
            Self::Attempt(place) => {
                push_place(&mut payload, *place);
                THUMBS_ATTEMPT
            }
            Self::Done(place, thumbnail) => {
                push_place(&mut payload, *place);
                thumbnail.push(&mut payload);
                THUMBS_DONE
            }
            Self::Failed(place, reason) => {
                push_place(&mut payload, *place);
                payload.extend_from_slice(reason.as_bytes());
                THUMBS_FAILED
            }
            Self::Delete(place) => {
                push_place(&mut payload, *place);
                THUMBS_DELETE
            }
        };
        record::push(&mut out, tag, &payload);
        out
    }

    /// Reads a record; nothing if it is none of these.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(record::payload(bytes));
        let tag = *bytes.first()?;
        let is_styled = matches!(tag, THUMBS_SUBMIT_STYLED | THUMBS_KNOWN_STYLED);
        let mut picture = || Picture::read(&mut fields).filter(|picture| picture.is_styled() == is_styled);
        let change = match tag {
            THUMBS_SUBMIT | THUMBS_SUBMIT_STYLED => Self::Submit(picture()?),
            THUMBS_KNOWN | THUMBS_KNOWN_STYLED => Self::Known(picture()?, Thumbnail::read(&mut fields)?),
            THUMBS_ATTEMPT => Self::Attempt(read_place(&mut fields)?),
            THUMBS_DONE => Self::Done(read_place(&mut fields)?, Thumbnail::read(&mut fields)?),
            THUMBS_FAILED => {
                let place = read_place(&mut fields)?;
                Self::Failed(place, std::str::from_utf8(fields.rest()).ok()?.to_owned())
            }
            THUMBS_DELETE => Self::Delete(read_place(&mut fields)?),
            _ => return None,
        };
        fields.is_empty().then_some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::pictures::kind::Kind;
    use crate::apps::pictures::size::Fit;
    use crate::base::ids::{Inc, NodeId};

    const PLACE: Place = (Origin { node: NodeId(1), inc: Inc(2) }, 3);

    fn changes() -> [Change; 8] {
        let (media, frame) = (Media::Jpg, Frame { width: 100, height: 0x0102 });
        let style = Style::usual(media);
        let picture = Picture { uuid: [1; 16], media, frame, style, raw: BlobId([2; 32]), raw_bytes: 3 };
        let style = Style { kind: Kind::Webp, fit: Fit::Cover };
        let styled = Picture { style, ..picture };
        let thumbnail = Thumbnail { blob: BlobId([4; 32]), bytes: 5 };
        [
            Change::Submit(picture),
            Change::Known(picture, thumbnail),
            Change::Attempt(PLACE),
            Change::Done(PLACE, thumbnail),
            Change::Failed(PLACE, "é".to_owned()),
            Change::Delete(PLACE),
            Change::Submit(styled),
            Change::Known(styled, thumbnail),
        ]
    }

    #[test]
    fn golden_bytes() {
        let picture = [&[1; 16][..], &[1, 100, 0, 2, 1], &[2; 32], &[3, 0, 0, 0, 0, 0, 0, 0]].concat();
        let mut styled = [&picture[..], &[4, 1]].concat();
        styled[16] |= 0x80;
        let thumbnail = [&[4; 32][..], &[5, 0, 0, 0, 0, 0, 0, 0]].concat();
        let place = [1, 2, 3].map(u64::to_le_bytes).concat();
        for (change, expected) in changes().iter().zip([
            [&[0x41, 61, 0, 0, 0][..], &picture, b""],
            [&[0x42, 101, 0, 0, 0], &picture, &thumbnail],
            [&[0x43, 24, 0, 0, 0], &place, b""],
            [&[0x44, 64, 0, 0, 0], &place, &thumbnail],
            [&[0x45, 26, 0, 0, 0], &place, "é".as_bytes()],
            [&[0x46, 24, 0, 0, 0], &place, b""],
            [&[0x47, 63, 0, 0, 0], &styled, b""],
            [&[0x48, 103, 0, 0, 0], &styled, &thumbnail],
        ]) {
            assert_eq!(change.record(), expected.concat());
            assert_eq!(Change::read(&expected.concat()).as_ref(), Some(change));
        }
    }

    #[test]
    fn what_is_cut_or_of_another_kind_is_nothing() {
        for change in changes() {
            let record = change.record();
            for cut in 0..record.len() {
                let part = Change::read(&record[..cut]);
                // A reason may be shorter.
                assert!(
                    part.is_none() || matches!(part, Some(Change::Failed(..))),
                    "{change:?} cut at {cut}"
                );
            }
        }
        assert_eq!(Change::read(&[0x49, 0, 0, 0, 0]), None);
        // A style stands under its own tags, only where it is not the usual one, and is a known one.
        let [.., styled, _] = changes().map(|change| change.record());
        for (at, byte) in [(0, 0x41), (21, 1), (styled.len() - 2, 5), (styled.len() - 1, 2)] {
            let mut wrong = styled.clone();
            wrong[at] = byte;
            assert_eq!(Change::read(&wrong), None, "{at}");
        }
        let mut usual = styled;
        let length = usual.len();
        usual[length - 2..].copy_from_slice(&[0, 0]);
        assert_eq!(Change::read(&usual), None);
    }
}
