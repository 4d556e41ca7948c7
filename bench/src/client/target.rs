//! Where the requests go: a URL, or a path on a unix socket.

use crate::client::addresses::Addresses;
use crate::client::tls::{Tls, Trust};
use crate::client::token::Token;
use crate::redaction::shown_url;
use std::net::ToSocketAddrs;
use std::path::PathBuf;

/// How the target's socket is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP to one of the addresses that the name gave.
    Tcp(Addresses),
    /// A unix stream socket.
    Unix(PathBuf),
}

/// A target that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The URL as given, with a scheme and a path.
    pub url: String,
    /// Value of the Host field.
    pub host: String,
    /// Path with query, never empty.
    pub path: String,
    /// The socket.
    pub endpoint: Endpoint,
    /// What TLS needs, if the scheme is https.
    pub tls: Option<Tls>,
    /// The token that single requests send.
    pub token: Option<Token>,
}

/// The pieces of a URL before its name is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Name or address and port, as the Host field wants it.
    pub host: String,
    /// Name or address.
    pub name: String,
    /// Port; 80 unless given, 443 with TLS.
    pub port: u16,
    /// Whether the scheme is https.
    pub is_tls: bool,
    /// Path with query; `None` when the URL ends with the host.
    pub path: Option<String>,
}

impl Url {
    /// Reads `http://host[:port][/path]` or the same with https; without a scheme it is http. A fragment is left out.
    ///
    /// # Errors
    /// Returns a sentence with an example of what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_tls = is_https(text);
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if is_tls || scheme.eq_ignore_ascii_case("http") => rest,
            _ => text,
        };
        // Errors name the target without its password.
        let shown = shown_url(text);
        if shown != text {
            return Err(format!("`{shown}` has a user in it; write -H 'Authorization: Basic ...' instead"));
        }
        if rest.contains("://") {
            return Err(format!("{text}: unknown scheme; write for example http://127.0.0.1:8000/pixel"));
        }
        let (host, path) = match rest.find(['/', '?', '#']) {
            Some(at) if rest.as_bytes()[at] == b'/' => (&rest[..at], Some(rest[at..].to_string())),
            Some(at) if rest.as_bytes()[at] == b'#' => (&rest[..at], None),
            Some(at) => (&rest[..at], Some(format!("/{}", &rest[at..]))),
            None => (rest, None),
        };
        let (name, port) = split_port(host, if is_tls { "443" } else { "80" })
            .ok_or_else(|| format!("`{text}` is not a URL; write for example http://127.0.0.1:8000/pixel"))?;
        let path = path.map(|path| sendable(&path));
        if path.as_ref().is_some_and(|path| !is_path(path)) {
            return Err(format!("`{text}` has a space or control character in its path; write it as %20"));
        }
        Ok(Self { host: host.to_string(), name: name.to_string(), port, is_tls, path })
    }
}

fn split_port<'a>(host: &'a str, usual: &'a str) -> Option<(&'a str, u16)> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, after) = rest.split_once(']')?;
            (name, after.strip_prefix(':').or((after.is_empty()).then_some(usual))?)
        }
        None => host.split_once(':').unwrap_or((host, usual)),
    };
    let clean = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '@');
    Some((name, port.parse().ok().filter(|&port| port > 0 && clean)?))
}

/// Returns true for a URL whose scheme is https; its case does not matter (RFC 3986, section 3.1).
#[must_use]
pub fn is_https(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// Splits a path into what is sent as it stands and what is a template, `{{` and `}}` included; true marks the latter.
fn pieces(path: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = path;
    std::iter::from_fn(move || {
        let end = match rest.find("{{") {
            // Four write two braces and begin nothing.
            Some(0) if rest.starts_with("{{{{") => 4,
            Some(0) => rest.find("}}").map_or(rest.len(), |at| at + 2),
            Some(at) => at,
            None => rest.len(),
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then(|| (piece.starts_with("{{"), piece))
    })
}

/// Returns true for a path without spaces and control characters; within `{{ }}` they are part of a template.
#[must_use]
pub fn is_path(text: &str) -> bool {
    pieces(text).all(|(is_template, piece)| is_template || !piece.bytes().any(|b| b <= b' ' || b == 0x7f))
}

/// Returns a path as a browser sends it: without its fragment (RFC 9110, section 7.1), and with `%C3%A4` for what is not ASCII
/// (RFC 3986, section 2.1). Templates stay as they are.
#[must_use]
pub fn sendable(path: &str) -> String {
    let mut sent = String::with_capacity(path.len());
    for (is_template, piece) in pieces(path) {
        let kept = if is_template { piece } else { piece.split('#').next().unwrap_or_default() };
        for c in kept.chars() {
            if is_template || c.is_ascii() {
                sent.push(c);
            } else {
                sent.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")));
            }
        }
        if kept.len() < piece.len() {
            break;
        }
    }
    sent
}

impl Target {
    /// Looks up `url`; with `unix` the socket is that path and the URL only gives Host and path.
    /// A URL without a path means `default_path`. With https the system's authorities are trusted.
    ///
    /// # Errors
    /// Returns a sentence that names the next step.
    pub fn resolve(url: &str, unix: Option<PathBuf>, default_path: &str) -> Result<Self, String> {
        Self::resolve_trusting(url, unix, default_path, &Trust::default())
    }

    /// Looks up `url` as [`Target::resolve`] does, with others to trust for https.
    ///
    /// # Errors
    /// Fails as that does, and with a sentence for authorities that can't be read.
    pub fn resolve_trusting(
        url: &str,
        unix: Option<PathBuf>,
        default_path: &str,
        trust: &Trust,
    ) -> Result<Self, String> {
        let parsed = Url::parse(url)?;
        let tls = if parsed.is_tls { Some(Tls::new(&parsed.name, trust)?) } else { None };
        let endpoint = match unix {
            Some(path) => Endpoint::Unix(path),
            None => Endpoint::Tcp(look_up(&parsed)?),
        };
        let path = parsed.path.unwrap_or_else(|| default_path.to_string());
        let url = format!("{}://{}{path}", scheme(tls.as_ref()), parsed.host);
        Ok(Self { url, host: parsed.host, path, endpoint, tls, token: None })
    }

    /// Returns the same target, asked with this token.
    #[must_use]
    pub fn with_token(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// Returns the same server at another path.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        let url = format!("{}://{}{path}", scheme(self.tls.as_ref()), self.host);
        Self { url, path: path.to_string(), ..self.clone() }
    }

    /// Returns whether the target runs on this host, so that `/proc` has its figures.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.endpoint {
            Endpoint::Unix(_) => true,
            // An address is ours when a socket can be bound to it.
            Endpoint::Tcp(addresses) => std::net::UdpSocket::bind((addresses.used().ip(), 0)).is_ok(),
        }
    }
}

fn scheme(tls: Option<&Tls>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

fn look_up(url: &Url) -> Result<Addresses, String> {
    let name = &url.name;
    let found = (name.as_str(), url.port)
        .to_socket_addrs()
        .map_err(|error| format!("cannot look up `{name}`: {error}; check the name or give an address"))?;
    Addresses::new(found.collect())
        .ok_or_else(|| format!("`{name}` has no address; check the name or give an address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_table() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:8000/pixel", "127.0.0.1:8000", 8000, Some("/pixel")),
            ("127.0.0.1:8000", "127.0.0.1:8000", 8000, None),
            ("http://localhost", "localhost", 80, None),
            ("http://h/a?b=c#d", "h", 80, Some("/a?b=c")),
            ("http://h?b", "h", 80, Some("/?b")),
            ("http://h/{{rand 0 9}}/{{ n }}?x", "h", 80, Some("/{{rand 0 9}}/{{ n }}?x")),
            ("http://[::1]:81/", "[::1]:81", 81, Some("/")),
            ("http://[::1]", "[::1]", 80, None),
            ("https://h/a", "h", 443, Some("/a")),
            ("https://[::1]", "[::1]", 443, None),
            ("https://h:8443/", "h:8443", 8443, Some("/")),
            ("HTTPS://h/a", "h", 443, Some("/a")),
            ("Http://h/a", "h", 80, Some("/a")),
            ("http://h#b", "h", 80, None),
            ("http://h/a#b?c", "h", 80, Some("/a")),
            ("http://h/{{pick a#b}}#c{{n}}", "h", 80, Some("/{{pick a#b}}")),
            ("http://h/ä/{{pick ö}}?ü", "h", 80, Some("/%C3%A4/{{pick ö}}?%C3%BC")),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.path.as_deref()), (host, port, path), "{text}");
        }
        for text in [
            "",
            "http://",
            "https://",
            "ftp://h/",
            "httpss://h/",
            "http://h:x/",
            "http://h:0/",
            "http://a b/",
            "h/a b",
            "h/{{n}} b",
            "h/ {{n}}",
            "h/{{{{ {{n}}",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resolves_and_moves() {
        let target = Target::resolve("http://127.0.0.1:8000", None, "/pixel").unwrap();
        assert_eq!(target.url, "http://127.0.0.1:8000/pixel");
        assert_eq!(target.at("/pixels").path, "/pixels");
        assert!(target.is_local());
        let unix = Target::resolve("http://x/a", Some("/run/p.sock".into()), "/").unwrap();
        assert_eq!(unix.endpoint, Endpoint::Unix("/run/p.sock".into()));
    }
}
