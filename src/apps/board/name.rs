//! Names of pictures: a UUID, an underscore, and what the client called the file.
//!
//! The client's name is shown and sent back, and never is a path: it is cut to its last part, and letters that would
//! change how a line or an address reads are left out.

use uuid::Uuid;

use crate::apps::board::limits::BOARD_NAME_BYTES_MAX;

/// Characters of a UUID.
const UUID_CHARS: usize = 36;

/// Returns what is kept of a client's name for a file; `picture` if nothing is.
#[must_use]
pub fn cleaned(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut kept = String::new();
    for letter in last.chars().filter(|letter| !is_invisible(*letter)) {
        if kept.len() + letter.len_utf8() > BOARD_NAME_BYTES_MAX {
            break;
        }
        kept.push(letter);
    }
    let kept = kept.trim();
    if matches!(kept, "" | "." | "..") { "picture".to_owned() } else { kept.to_owned() }
}

/// Controls, line ends, and marks that turn the direction of a text or take no room.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(letter, '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}' | '\u{AD}')
}

/// Returns the name of a stored picture.
#[must_use]
pub fn stored(uuid: [u8; 16], name: &str) -> String {
    format!("{}_{name}", Uuid::from_bytes(uuid).hyphenated())
}

/// Returns the UUID at the start of a stored picture's name, and the rest of it.
#[must_use]
pub fn split(stored: &str) -> Option<([u8; 16], &str)> {
    let (uuid, name) = stored.split_at_checked(UUID_CHARS)?;
    let parsed = Uuid::try_parse(uuid).ok()?;
    (parsed.hyphenated().to_string() == uuid).then_some((parsed.into_bytes(), name.strip_prefix('_')?))
}

/// Returns a name as a part of a path: everything but letters, digits and `-._~` is percent-encoded.
#[must_use]
pub fn encoded(name: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::decode_path;

    #[test]
    fn names_lead_nowhere_and_are_one_line() {
        for (name, kept) in [
            ("a.png", "a.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\a b.png", "a b.png"),
            ("..", "picture"),
            ("a/..", "picture"),
            ("/", "picture"),
            ("", "picture"),
            ("a\r\nSet-Cookie: x.png", "aSet-Cookie: x.png"),
            ("\u{202e}gnp.exe", "gnp.exe"),
            ("na\u{ef}ve \u{1f600}.png", "na\u{ef}ve \u{1f600}.png"),
            ("<img src=x>.png", "<img src=x>.png"),
        ] {
            assert_eq!(cleaned(name), kept, "{name:?}");
        }
        let long = "\u{e9}".repeat(300);
        assert!(cleaned(&long).len() <= BOARD_NAME_BYTES_MAX);
    }

    #[test]
    fn a_stored_name_comes_back_from_its_address() {
        let uuid = [0xAB; 16];
        for name in ["a.png", "a b?#%\"<>.png", "\u{e9}.png", "_", ""] {
            let stored = stored(uuid, name);
            assert_eq!(split(&stored), Some((uuid, name)));
            assert_eq!(decode_path(&encoded(&stored)), stored);
            assert!(encoded(&stored).is_ascii() && !encoded(&stored).contains(['/', '"', ' ']));
        }
        assert_eq!(split("abababab-abab-abab-abab-abababababab"), None);
        assert_eq!(split("ABABABAB-ABAB-ABAB-ABAB-ABABABABABAB_a"), None, "one name, one spelling");
        assert_eq!(split("../../../../../../../../etc/passwd___"), None);
    }
}
