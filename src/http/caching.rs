//! What an answer says about being kept (RFC 9111): the one place that decides about Cache-Control.
//!
//! Every answer says `no-store` unless it is made with another word, and an error says so whatever it is made with: the
//! freshness of a content does not hold for the error that stands in for it. A cache that took `immutable` from a 416 gave that
//! 416 to everybody for a year.

/// The header field.
pub const CACHE_CONTROL: &str = "Cache-Control";

/// Who may keep an answer, and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// Nobody: it is another one the next time.
    #[default]
    NoStore,
    /// Everybody who asks each time whether it is still the same: it has an ETag.
    Revalidated,
    /// Everybody, for good: its path changes with its content.
    Immutable,
    /// The client itself, for good: others may not see it.
    Private,
    /// Nothing is said, because nobody keeps it anyway: the answer to a POST has no freshness unless it is given one
    /// (RFC 9110, section 9.3.3). For `POST /pixel` alone, which is sent by the million and pays for each byte.
    Unsaid,
}

impl Caching {
    /// Returns the same for an answer that only those who are allowed to may see: a cache that several clients share keeps what is
    /// `public`, although it was asked for with a token (RFC 9111, section 3.5).
    #[must_use]
    pub fn guarded(self) -> Self {
        if self == Self::Immutable { Self::Private } else { self }
    }

    /// Returns whether some cache keeps it, be it that of a browser.
    #[must_use]
    pub fn is_kept(self) -> bool {
        !matches!(self, Self::NoStore | Self::Unsaid)
    }

    /// Returns the field's value in an answer with this status; nothing where there is no such field.
    #[must_use]
    pub fn value(self, status: u16) -> Option<&'static str> {
        match self {
            _ if status >= 400 => Some("no-store"),
            Self::NoStore => Some("no-store"),
            Self::Revalidated => Some("no-cache"),
            Self::Immutable => Some("public, max-age=31536000, immutable"),
            Self::Private => Some("private, max-age=31536000, immutable"),
            Self::Unsaid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_never_has_the_freshness_of_the_content() {
        for caching in
            [Caching::NoStore, Caching::Revalidated, Caching::Immutable, Caching::Private, Caching::Unsaid]
        {
            for status in 400..600 {
                assert_eq!(caching.value(status), Some("no-store"), "{caching:?} {status}");
            }
        }
        for status in [200, 206, 304] {
            assert_eq!(Caching::Immutable.value(status), Some("public, max-age=31536000, immutable"));
            assert_eq!(Caching::Revalidated.value(status), Some("no-cache"));
            assert_eq!(Caching::default().value(status), Some("no-store"));
        }
        assert_eq!(Caching::Unsaid.value(200), None);
        assert_eq!(Caching::Immutable.guarded().value(200), Some("private, max-age=31536000, immutable"));
        for caching in [Caching::NoStore, Caching::Revalidated, Caching::Unsaid] {
            assert_eq!(caching.guarded(), caching);
        }
    }
}
