//! Values with parameters: `form-data; name="a"; filename="b.png"` (RFC 9110, section 5.6.6).

/// A field's value and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// What stands before the first `;`, without white space around it.
    pub value: &'a str,
    /// Names in lower case, and values without quotes and escapes, in order.
    pub list: Vec<(String, String)>,
}

/// Reads a value with parameters. It never fails: a parameter without `=` is passed over, a quoted text that does not
/// end goes to the end.
///
/// In a quoted text a backslash escapes a quote or a backslash and is itself otherwise: browsers of old sent paths of
/// Windows as they were.
#[must_use]
pub fn parameters_of(text: &str) -> Parameters<'_> {
    let (value, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let mut list = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(['=', ';']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_ascii_lowercase();
        let Some(after) = rest[end..].strip_prefix('=') else {
            rest = rest[end..].strip_prefix(';').unwrap_or_default();
            continue;
        };
        let value;
        (value, rest) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let (value, behind) = unquote(quoted);
                (value, behind.split_once(';').map_or("", |(_, rest)| rest))
            }
            None => {
                let (value, behind) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), behind)
            }
        };
        list.push((name, value));
    }
    Parameters { value: value.trim(), list }
}

/// Reads a quoted text from behind its first quote; returns it and what follows its last quote.
fn unquote(text: &str) -> (String, &str) {
    let (mut value, mut letters) = (String::new(), text.char_indices().peekable());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => match letters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            _ => value.push(letter),
        }
    }
    (value, "")
}

/// Returns the text of a parameter whose name ends with `*`: `utf-8'en'na%C3%AFve.png` (RFC 8187, section 3.2); nothing if it is
/// malformed or in another encoding than the two that are known.
#[must_use]
pub fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    let (mut bytes, mut left) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, rest @ ..] = left {
        left = rest;
        bytes.push(match (*first, rest) {
            (b'%', [high, low, behind @ ..]) => {
                left = behind;
                16 * hexadecimal(*high)? + hexadecimal(*low)?
            }
            (b'%', _) => return None,
            (byte, _) => byte,
        });
    }
    // A control in a name would end a line of what is made of it.
    let is_plain = |text: &String| !text.chars().any(char::is_control);
    if charset.eq_ignore_ascii_case("utf-8") {
        String::from_utf8(bytes).ok().filter(is_plain)
    } else if charset.eq_ignore_ascii_case("iso-8859-1") {
        Some(bytes.into_iter().map(char::from).collect()).filter(is_plain)
    } else {
        None
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_parameters() {
        let read = |text| {
            let Parameters { value, list } = parameters_of(text);
            let list: Vec<_> = list.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{value}|{}", list.join("|"))
        };
        assert_eq!(read("text/html"), "text/html|");
        assert_eq!(read(" image/png ; q=1;Charset = \"utf-8\" ; x"), "image/png|q=1|charset=utf-8");
        assert_eq!(
            read(r#"form-data; name="a;b"; filename="x\"y\\z.png""#),
            r#"form-data|name=a;b|filename=x"y\z.png"#
        );
        assert_eq!(read(r#"form-data; filename="C:\dir\a.png""#), r"form-data|filename=C:\dir\a.png");
        assert_eq!(read("a; b=\"no end; c=d"), "a|b=no end; c=d");
        assert_eq!(read("a;;=;b"), "a|=");
        assert_eq!(read(""), "|");
    }

    #[test]
    fn texts_with_their_encoding() {
        for (value, text) in [
            ("utf-8''na%C3%AFve%20a.png", Some("na\u{ef}ve a.png")),
            ("UTF-8'de'a.png", Some("a.png")),
            ("iso-8859-1''na%efve.png", Some("na\u{ef}ve.png")),
            ("utf-8''it's.png", Some("it's.png")),
            ("utf-8''", Some("")),
            ("utf-8''%E4.png", None),
            ("utf-8''%", None),
            ("utf-8''%4", None),
            ("utf-8''%+1", None),
            ("utf-8''a%0D%0Ab", None),
            ("utf-8''a%00b", None),
            ("utf-16''a", None),
            ("utf-8'a", None),
            ("a.png", None),
            ("", None),
        ] {
            assert_eq!(extended(value).as_deref(), text, "{value}");
        }
    }
}
