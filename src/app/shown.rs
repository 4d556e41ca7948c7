//! Words of operators as messages repeat them.

use std::fmt;

use crate::base::limits::TOKEN_NAME_BYTES_MAX;

/// Begins each token.
const TOKEN_PREFIX: &str = "pixeld_";

/// A word for a message, in quotes; its length alone where it may be a token, or a hash, that stands in a wrong place: others read the
/// logs that messages go to.
pub(crate) struct Shown<'w>(pub(crate) &'w str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(word) = self;
        // A hash is as long as the longest name.
        if word.len() >= TOKEN_NAME_BYTES_MAX || word.to_ascii_lowercase().contains(TOKEN_PREFIX) {
            write!(f, "({} bytes, not shown: it may be a token)", word.len())
        } else {
            write!(f, "{word:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_repeated_unless_it_may_be_a_secret() {
        let long = "x".repeat(TOKEN_NAME_BYTES_MAX);
        for (word, shown) in [
            ("raed", "\"raed\""),
            ("pixeld", "\"pixeld\""),
            (&long[1..], &*format!("{:?}", &long[1..])),
            ("pixeld_1", "(8 bytes, not shown: it may be a token)"),
            ("PIXELD_1", "(8 bytes, not shown: it may be a token)"),
            ("=pixeld_1", "(9 bytes, not shown: it may be a token)"),
            (&long, "(64 bytes, not shown: it may be a token)"),
        ] {
            assert_eq!(Shown(word).to_string(), shown);
        }
    }
}
