//! What outputs keep to themselves: values of header fields that let somebody in, and the user of a URL.

/// Stands for what is kept.
const HIDDEN: &str = "[hidden]";
/// Fields whose values let somebody in.
const SECRET_FIELDS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "authentication"];
/// Ends of the names of further ones, such as `X-Api-Key` and `X-Csrf-Token`.
const SECRET_ENDS: [&str; 6] = ["token", "-key", "apikey", "secret", "password", "-auth"];

/// Returns true for a header field whose value is no one else's business.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    SECRET_FIELDS.contains(&name.as_str()) || SECRET_ENDS.iter().any(|end| name.ends_with(end))
}

/// Least length of a part of a secret that is hidden where it stands alone; shorter ones are words of any text.
const PART_BYTES_MIN: usize = 8;
/// Least length of a secret, or of its beginning at the end of a text that was cut, that is hidden.
const BYTES_MIN: usize = 4;

/// What was sent in secret fields, to be hidden in what comes back: a server may repeat a request in its answer.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Collects values of the secret ones of `fields`, and their parts: the token of `Bearer TOKEN`, the values of a cookie.
    #[must_use]
    pub fn of<'f>(fields: impl Iterator<Item = &'f (String, String)>) -> Self {
        let mut found = Vec::new();
        for (_, value) in fields.filter(|(name, _)| is_secret(name)) {
            let words = value.split([' ', ';', ',']);
            let parts = words.flat_map(|word| [Some(word), word.split_once('=').map(|(_, value)| value)]);
            let parts = parts.flatten().filter(|part| part.len() >= PART_BYTES_MIN);
            found.extend(parts.chain([value.trim()]).filter(|it| it.len() >= BYTES_MIN).map(str::to_string));
        }
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        found.dedup();
        Self(found)
    }

    /// Returns `text` without them.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut shown = self.0.iter().fold(text.to_string(), |text, secret| text.replace(secret, HIDDEN));
        let is_cut = |from: &usize| {
            let end = &shown[*from..];
            end.len() >= BYTES_MIN && self.0.iter().any(|secret| secret.starts_with(end))
        };
        if let Some(from) = shown.char_indices().map(|(at, _)| at).find(is_cut) {
            shown.replace_range(from.., HIDDEN);
        }
        shown
    }
}

/// Shows a header field as a line, without the value of a secret one.
#[must_use]
pub fn shown_field((name, value): &(String, String)) -> String {
    format!("{name}: {}", if is_secret(name) { HIDDEN } else { value })
}

/// Shows a text without the users and passwords of the URLs in it.
#[must_use]
pub fn shown_url(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        rest = match user_bytes(after) {
            Some(user) => {
                shown.push_str(HIDDEN);
                &after[user..]
            }
            None => after,
        };
    }
    match user_bytes(text).filter(|&user| !text.contains("://") && text[..user].contains(':')) {
        Some(user) => format!("{HIDDEN}{}", &text[user..]),
        None => shown + rest,
    }
}

/// Returns the length of `user:password` before the `@` at the front of what follows a scheme (RFC 3986, section 3.2.1).
fn user_bytes(text: &str) -> Option<usize> {
    let end = text.find(['/', '?', '#', ' ', '"']).unwrap_or(text.len());
    let user = text[..end].rfind('@')?;
    let is_allowed = |c: char| !c.is_control() && !"{}<>\\^`|".contains(c);
    (user > 0 && text[..user].chars().all(is_allowed)).then_some(user)
}

/// Shows a command line so that a shell takes it as it was given, but for its secrets.
#[must_use]
pub fn shown_command(words: impl Iterator<Item = String>) -> String {
    let (mut shown, mut is_header) = (Vec::new(), false);
    for word in words {
        let safe = if is_header { shown_header(&word) } else { shown_word(&word) };
        is_header = !is_header && (word == "-H" || word == "--header");
        // Only a NUL can't be quoted, and no argument has one.
        shown.push(shlex::try_quote(&safe).map_or_else(|_| HIDDEN.into(), |word| word.into_owned()));
    }
    shown.join(" ")
}

/// Shows an argument, also one that is a secret header field whose `-H` was forgotten.
#[must_use]
pub fn shown_argument(word: &str) -> String {
    match word.split_once(':') {
        Some((name, _)) if is_secret(name) => shown_header(word),
        _ => shown_word(word),
    }
}

/// Shows an argument other than the value of `-H`.
fn shown_word(word: &str) -> String {
    for option in ["--header=", "-H=", "-H"] {
        if let Some(value) = word.strip_prefix(option).filter(|value| !value.is_empty()) {
            return format!("{option}{}", shown_header(value));
        }
    }
    match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => format!("{option}={}", shown_url(value)),
        _ => shown_url(word),
    }
}

fn shown_header(field: &str) -> String {
    match field.split_once(':') {
        Some((name, _)) if is_secret(name) => format!("{name}: {HIDDEN}"),
        _ => field.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_by_table() {
        for (name, expected) in [
            ("Authorization", true),
            (" cookie", true),
            ("X-Auth-Token", true),
            ("token", true),
            ("X-API-Key", true),
            ("Proxy-Authorization", true),
            ("X-Client-Secret", true),
            ("Accept", false),
            ("X-Request-Id", false),
            ("Keyboard", false),
        ] {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }

    #[test]
    fn what_was_sent_in_secret_is_hidden_in_what_comes_back() {
        let fields = [
            ("Authorization", "Bearer s3cr3t-token"),
            ("Cookie", "sid=abcdefgh; lang=de"),
            ("X-Api-Key", "k3y!"),
            ("X-Pin-Token", "1"),
            ("Accept", "text/html"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()));
        let secrets = Secrets::of(fields.iter());
        for (text, shown) in [
            (
                "Authorization: Bearer s3cr3t-token Accept: text/html",
                "Authorization: [hidden] Accept: text/html",
            ),
            (r#"{"why":"no such token: s3cr3t-token"}"#, r#"{"why":"no such token: [hidden]"}"#),
            ("Cookie: sid=abcdefgh; lang=de", "Cookie: [hidden]"),
            ("session abcdefgh is over", "session [hidden] is over"),
            ("key k3y! of 1", "key [hidden] of 1"),
            ("cut off at s3cr3t-t", "cut off at [hidden]"),
            ("nothing of it", "nothing of it"),
            ("é", "é"),
            ("", ""),
        ] {
            assert_eq!(secrets.hide(text), shown);
        }
        assert_eq!(Secrets::default().hide("all of it"), "all of it");
    }

    #[test]
    fn urls_by_table() {
        for (text, shown) in [
            ("http://h/x", "http://h/x"),
            ("http://u:p@h:1/x@y", "http://[hidden]@h:1/x@y"),
            ("u:p@h", "[hidden]@h"),
            ("https://u@x:p@h?a", "https://[hidden]@h?a"),
            ("http://h/a?u=b@c", "http://h/a?u=b@c"),
            ("@body.json", "@body.json"),
            ("me@example.com", "me@example.com"),
            (r#"{"a":"b@c"}"#, r#"{"a":"b@c"}"#),
            (
                "serve --peer http://u:p@h --of https://v:q@i/",
                "serve --peer http://[hidden]@h --of https://[hidden]@i/",
            ),
        ] {
            assert_eq!(shown_url(text), shown);
        }
    }

    #[test]
    fn arguments_by_table() {
        for (word, shown) in [
            ("Authorization: Bearer s3", "Authorization: [hidden]"),
            ("X-Own-Token:s3", "X-Own-Token: [hidden]"),
            ("--header=Cookie: s3", "--header=Cookie: [hidden]"),
            ("http://u:s3@h/x", "http://[hidden]@h/x"),
            ("--header <NAME: VALUE>", "--header <NAME: VALUE>"),
            ("http://h:80/x", "http://h:80/x"),
        ] {
            assert_eq!(shown_argument(word), shown);
        }
    }

    #[test]
    fn commands_by_table() {
        for (words, shown) in [
            (&["pixeld", "bench", "--goal", "p99<1s"][..], "pixeld bench --goal 'p99<1s'"),
            (&["-b", "it's {{n}}", ""], r#"-b "it's {{n}}" ''"#),
            (
                &["-H", "Authorization: Bearer s3", "-H", "Accept: a"],
                "-H 'Authorization: [hidden]' -H 'Accept: a'",
            ),
            (
                &["-HCookie: s3", "--header=X-My-Token:s3"],
                "'-HCookie: [hidden]' '--header=X-My-Token: [hidden]'",
            ),
            (
                &["http://u:s3@h/x", "--verify-host=http://u:s3@h"],
                "'http://[hidden]@h/x' '--verify-host=http://[hidden]@h'",
            ),
        ] {
            let line = shown_command(words.iter().map(ToString::to_string));
            assert_eq!(line, shown);
            assert!(!line.contains("s3"));
        }
    }
}
