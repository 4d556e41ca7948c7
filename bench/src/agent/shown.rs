//! Texts of the other side, as they may be shown.

use crate::agent::limits::TEXT_CHARS_MAX;

/// Returns a text of the other side as it may be shown: on one line, not too long, without control characters.
#[must_use]
pub fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| if c == '\n' { ' ' } else { c });
    shown.filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_other_side_can_do_nothing() {
        assert_eq!(plain("a\nb\u{1b}[31m\u{7}c"), "a b[31mc");
        assert_eq!(plain(&"x".repeat(5_000)).len(), TEXT_CHARS_MAX);
    }
}
