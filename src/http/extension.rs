//! Chunk extensions (RFC 9112, section 7.1.1): what may stand behind a chunk's size, byte by byte.
//!
//! ```text
//! chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
//! ```
//!
//! Nothing here uses an extension, but all of it is held to the grammar: one server takes the line end in `1;a="` for the
//! end of the line and another one for a part of the string, and then they see different requests (the class of
//! CVE-2026-2332).

use super::charset;

/// Where in the extensions of a chunk the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// In white space behind the size or a value: only `;` may follow.
    Blank,
    /// Behind `;`, before a name.
    Start,
    /// In a name.
    Name,
    /// In white space behind a name.
    NameBlank,
    /// Behind `=`, before a value.
    ValueStart,
    /// In a value without quotes.
    Value,
    /// Between quotes.
    Quoted,
    /// Behind a backslash between quotes.
    Escaped,
    /// Behind the closing quote.
    QuotedEnd,
}

impl Extension {
    /// Returns the place behind one more byte of the line; nothing if the byte may not stand there.
    #[must_use]
    pub fn after(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Quoted, b'"') => Some(Self::QuotedEnd),
            (Self::Quoted, b'\\') => Some(Self::Escaped),
            (Self::Quoted | Self::Escaped, _) => charset::is_value(byte).then_some(Self::Quoted),
            (Self::Start | Self::ValueStart, b' ' | b'\t') => Some(self),
            (Self::Name | Self::NameBlank, b' ' | b'\t') => Some(Self::NameBlank),
            (_, b' ' | b'\t') => Some(Self::Blank),
            (Self::Start | Self::Name, _) if charset::is_token(byte) => Some(Self::Name),
            (Self::Name | Self::NameBlank, b'=') => Some(Self::ValueStart),
            (Self::ValueStart, b'"') => Some(Self::Quoted),
            (Self::ValueStart | Self::Value, _) if charset::is_token(byte) => Some(Self::Value),
            (Self::Start | Self::ValueStart, _) => None,
            (_, b';') => Some(Self::Start),
            _ => None,
        }
    }

    /// Returns whether the line may end here: not in white space, and not before a name, a value or a closing quote.
    #[must_use]
    pub fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Value | Self::QuotedEnd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether `line`, which starts behind the size, is extensions and nothing else.
    fn is_valid(line: &str) -> bool {
        let mut bytes = line.bytes();
        let first = match bytes.next() {
            Some(b';') => Extension::Start,
            Some(b' ' | b'\t') => Extension::Blank,
            _ => return false,
        };
        bytes.try_fold(first, Extension::after).is_some_and(Extension::may_end)
    }

    #[test]
    fn names_alone_and_with_values() {
        for good in [
            ";a",
            ";a=b",
            ";a=\"b\"",
            ";a=\"\"",
            ";a;b=c;d=\"e;f\"",
            " ; a",
            "\t;\ta\t=\tb",
            ";a ; b",
            ";a = \"b\" ;c",
            ";a=\"\\\"\"",
            ";a=\"\\\\\"",
            ";a=\"\\;\"",
            ";a=\" \t=,;'\u{e9}\"",
            ";!#$%&'*+-.^_`|~=1",
        ] {
            assert!(is_valid(good), "{good}");
        }
    }

    #[test]
    fn everything_else() {
        for bad in [
            "",
            ";",
            " ",
            ";;",
            ";a;",
            ";a;;b",
            ";a=",
            ";a=;b",
            ";=b",
            ";a=\"",
            ";a=\"b",
            ";a=\"b\\\"",
            ";a=\"\\",
            ";a ",
            ";a=b ",
            ";a=\"b\" ",
            ";a b",
            ";a=b c",
            ";a=\"b\"c",
            ";a=\"b\"\"c\"",
            ";\"a\"",
            ";a==b",
            ";a=b=c",
            ";a,b",
            ";a:b",
            ";a=b/c",
            ";(a)",
            ";a=\"\n\"",
            ";a=\"\r\n\"",
            ";a=\"\\\r\"",
            ";a=\"\0\"",
            ";a=\"\u{7f}\"",
            ";\u{e9}",
            ";a=\u{e9}",
            " a",
            " =",
            ";a\"",
        ] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }
}
