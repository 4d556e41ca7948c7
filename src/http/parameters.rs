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

/// A quoted text behind its first quote; gives it and what follows its last one.
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
}
