//! The kinds of pictures, told by their first bytes.

/// A kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF, still or animated.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// WebP, still or animated.
    Webp,
}

/// First bytes that are enough to tell.
pub const KIND_BYTES: usize = 18;

impl Kind {
    /// All of them; the place of one is its number in records.
    pub const ALL: [Self; 5] = [Self::Jpeg, Self::Png, Self::Gif, Self::Bmp, Self::Webp];

    /// Recognises a picture by its first bytes, of which [`KIND_BYTES`] are enough; whatever its name says.
    #[must_use]
    pub fn of(content: &[u8]) -> Option<Self> {
        match content {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            // The length of the header that follows tells a bitmap from a text that begins with these two letters.
            [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, length, 0, 0, 0, ..]
                if is_bitmap_header(*length) =>
            {
                Some(Self::Bmp)
            }
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    /// Returns its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Webp => "image/webp",
        }
    }

    /// Returns its number in records.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns the kind of a number in records.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Says that a bitmap's header may be this long, bytes: one of OS/2 1.x, of OS/2 2.x (which may be cut), or of Windows.
fn is_bitmap_header(length: u8) -> bool {
    matches!(length, 12 | 42 | 46 | 108 | 124) || ((16..=64).contains(&length) && length.is_multiple_of(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_and_names_do_not() {
        for (content, kind) in [
            (&b"\xFF\xD8\xFF\xE0"[..], Some(Kind::Jpeg)),
            (b"\x89PNG\r\n\x1A\n", Some(Kind::Png)),
            (b"GIF87a", Some(Kind::Gif)),
            (b"GIF89a", Some(Kind::Gif)),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Some(Kind::Bmp)),
            (b"BM\x46\0\0\0\0\0\0\0\x1A\0\0\0\x0C\0\0\0", Some(Kind::Bmp)),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x0D\0\0\0", None),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\x01", None),
            (b"BMW is a car", None),
            (b"BMI is weight over height squared (kg/m2)", None),
            (b"BM", None),
            (b"RIFF\x01\x02\x03\x04WEBP", Some(Kind::Webp)),
            (b"RIFF\x01\x02\x03\x04WAVE", None),
            (b"GIF88a", None),
            (b"<svg>", None),
            (b"", None),
        ] {
            assert_eq!(Kind::of(content), kind, "{content:?}");
            assert_eq!(Kind::of(&content[..content.len().min(KIND_BYTES)]), kind);
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::numbered(kind.number()), Some(kind));
        }
        assert_eq!(Kind::numbered(5), None);
    }
}
