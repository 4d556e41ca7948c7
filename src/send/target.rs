//! Where the server is, and the bytes of the requests to it.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs};

use super::error::SendError;
use super::picture::Sample;

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `host:port`, as the requests' Host field has it.
    pub host: String,
    /// What stands before `/pixel`, without a slash at its end; usually empty.
    pub path: String,
}

impl Target {
    /// Reads `http://host[:port][/path]`; the scheme may be left out, the port is 80 then as everywhere.
    ///
    /// # Errors
    /// [`SendError::Url`] for anything else.
    pub fn parse(url: &str) -> Result<Self, SendError> {
        let wrong = || SendError::Url { url: url.to_owned() };
        let rest = url.strip_prefix("http://").unwrap_or(url);
        if rest.contains("://") || rest.contains(['?', '#', '@', ' ']) {
            return Err(wrong());
        }
        let (authority, path) =
            rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        let host = match port {
            Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => authority.to_owned(),
            None if !authority.is_empty() => format!("{authority}:80"),
            _ => return Err(wrong()),
        };
        let path = path.trim_end_matches('/');
        Ok(Self { host, path: if path.is_empty() { String::new() } else { format!("/{path}") } })
    }

    /// Looks the host up.
    ///
    /// # Errors
    /// Those of the resolver, or `NotFound` when it knows no address.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> = self.host.to_socket_addrs()?.collect();
        if found.is_empty() { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }

    /// Appends the request that posts `sample`.
    pub fn post(&self, sample: Sample, out: &mut Vec<u8>) {
        let Sample { x, y, channel, value } = sample;
        let mut body = Vec::with_capacity(64);
        let _ = write!(body, r#"{{"x":{x},"y":{y},"channel":"{channel}","value":{value}}}"#);
        let _ = write!(
            out,
            "POST {}/pixel HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.path,
            self.host,
            body.len()
        );
        out.extend_from_slice(&body);
    }

    /// The request that reads all pixels, one JSON object a line.
    #[must_use]
    pub fn list(&self) -> Vec<u8> {
        let head = "Accept: application/x-ndjson\r\nConnection: close\r\n\r\n";
        format!("GET {}/pixels HTTP/1.1\r\nHost: {}\r\n{head}", self.path, self.host).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (url, host, path) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", ""),
            ("http://127.0.0.1:8000/", "127.0.0.1:8000", ""),
            ("example.org", "example.org:80", ""),
            ("http://[::1]/a/b/", "[::1]:80", "/a/b"),
            ("[::1]:9", "[::1]:9", ""),
        ] {
            let target = Target::parse(url).expect("an address");
            assert_eq!((target.host.as_str(), target.path.as_str()), (host, path), "{url}");
        }
        for url in ["", "https://x", "http://:80", "x:y", "x:99999", "http://a b", "http://x/?q"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_pixel_is_posted_as_the_service_documents_it() {
        let mut out = Vec::new();
        let target = Target::parse("http://h:1/p").expect("an address");
        target.post(Sample { x: 10, y: 20, channel: 'R', value: 128 }, &mut out);
        let text = String::from_utf8(out).expect("a text");
        assert!(text.starts_with("POST /p/pixel HTTP/1.1\r\nHost: h:1\r\n"), "{text}");
        assert!(
            text.ends_with("Content-Length: 41\r\n\r\n{\"x\":10,\"y\":20,\"channel\":\"R\",\"value\":128}"),
            "{text}"
        );
    }
}
