//! What a picture is handed in as, and what its thumbnail has to fit.

use crate::app::fields::Fields;
use crate::apps::pictures::kind::Kind;
use crate::apps::pictures::size::Fit;
use crate::apps::thumbs::limits::THUMBS_SIDE_MAX;

/// Media types that thumbnails are made of, as they are sent and given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Media {
    /// `image/png`
    Png,
    /// `image/jpg`, which is none but is sent.
    Jpg,
    /// `image/jpeg`
    Jpeg,
    /// `image/gif`
    Gif,
}

impl Media {
    /// All of them; the place of one is its number in records.
    pub const ALL: [Self; 4] = [Self::Png, Self::Jpg, Self::Jpeg, Self::Gif];

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpg => "image/jpg",
            _ => self.kind().media_type(),
        }
    }

    /// Returns the media type of that name, in any case (RFC 9110, section 8.3.1).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| name.eq_ignore_ascii_case(media.name()))
    }

    /// Returns the kind of its thumbnails, whatever kind of picture came under its name.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Png => Kind::Png,
            Self::Jpg | Self::Jpeg => Kind::Jpeg,
            Self::Gif => Kind::Gif,
        }
    }

    /// Returns its number in records.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns the media type of a number in records.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// How a thumbnail is to be, beside its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Style {
    /// Its kind.
    pub kind: Kind,
    /// How it fits its frame.
    pub fit: Fit,
}

impl Style {
    /// Returns what it is unless it is asked for: of the kind that the picture was sent as, and all of the picture.
    #[must_use]
    pub fn usual(media: Media) -> Self {
        Self { kind: media.kind(), fit: Fit::Contain }
    }

    /// Names of kinds that may be asked for.
    pub const KINDS: [(&str, Kind); 5] = [
        ("png", Kind::Png),
        ("jpeg", Kind::Jpeg),
        ("jpg", Kind::Jpeg),
        ("gif", Kind::Gif),
        ("webp", Kind::Webp),
    ];

    /// Returns the media type of a thumbnail of a picture that was sent as `media`.
    #[must_use]
    pub fn media_type(self, media: Media) -> &'static str {
        if self.kind == media.kind() { media.name() } else { self.kind.media_type() }
    }

    /// Appends the fields.
    pub fn push(self, out: &mut Vec<u8>) {
        out.extend([self.kind.number(), self.fit.number()]);
    }

    /// Reads the fields; nothing if one is unknown.
    #[must_use]
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { kind: Kind::numbered(fields.byte()?)?, fit: Fit::numbered(fields.byte()?)? })
    }
}

/// What a thumbnail has to fit, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame {
    /// At most so wide.
    pub width: u16,
    /// At most so high.
    pub height: u16,
}

impl Frame {
    /// What it is unless it is asked for.
    pub const USUAL: Self = Self { width: 100, height: 100 };

    /// Reads `WxH`, each from 1 to [`THUMBS_SIDE_MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (width, height) = text.split_once('x')?;
        let side = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let side = if is_number { text.parse().ok() } else { None };
            side.filter(|side| (1..=THUMBS_SIDE_MAX).contains(side))
        };
        Some(Self { width: side(width)?, height: side(height)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for media in Media::ALL {
            assert_eq!(Media::named(media.name()), Some(media));
            assert_eq!(Media::numbered(media.number()), Some(media));
        }
        assert_eq!(Media::named("Image/PNG"), Some(Media::Png));
        assert_eq!((Media::named("image/foo"), Media::numbered(4)), (None, None));
    }

    #[test]
    fn frames() {
        assert_eq!(Frame::parse("100x100"), Some(Frame::USUAL));
        assert_eq!(Frame::parse("1x2048"), Some(Frame { width: 1, height: 2048 }));
        for wrong in
            ["", "x", "1", "1x", "0x1", "1x0", "2049x1", "+1x1", "1x1x1", "1X1", " 1x1", "1x99999999"]
        {
            assert_eq!(Frame::parse(wrong), None, "{wrong}");
        }
    }
}
