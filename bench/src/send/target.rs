//! Where the server is, and the bytes of the requests to it.

use crate::client;
use crate::client::addresses::Addresses;
use crate::client::target::{Endpoint, Url};
use crate::client::tls::{Tls, Trust};
use crate::client::token::Token;
use std::io::{self, Write as _};
use std::net::ToSocketAddrs;

use super::error::SendError;
use super::picture::Sample;

/// A server's address.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port`, as the requests' Host field has it.
    pub host: String,
    /// What stands before `/pixel`, without a slash at its end; usually empty.
    pub path: String,
    url: Url,
    tls: Option<Tls>,
    token: Option<Token>,
}

impl Target {
    /// Reads `http://host[:port][/path]`, or the same with https; the scheme may be left out, the port is 80 then as everywhere.
    ///
    /// # Errors
    /// Returns [`SendError::Url`] for anything else, and [`SendError::Trust`] for authorities that can't be read.
    pub fn parse(url: &str, trust: &Trust) -> Result<Self, SendError> {
        let wrong = || SendError::Url { url: url.to_owned() };
        if url.contains(['?', '#']) {
            return Err(wrong());
        }
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let tls =
            parsed.is_tls.then(|| Tls::new(&parsed.name, trust)).transpose().map_err(SendError::Trust)?;
        let path = parsed.path.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self { host: parsed.host.clone(), path, url: parsed, tls, token: None })
    }

    /// Returns the same server, asked with this token.
    #[must_use]
    pub fn with_token(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// Looks the host up.
    fn endpoint(&self) -> io::Result<Endpoint> {
        let found = (self.url.name.as_str(), self.url.port).to_socket_addrs()?;
        Addresses::new(found.collect()).map(Endpoint::Tcp).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Appends the request that posts `sample`.
    pub fn post(&self, sample: Sample, out: &mut Vec<u8>) {
        let Sample { x, y, channel, value } = sample;
        let mut body = Vec::with_capacity(64);
        let _ = write!(body, r#"{{"x":{x},"y":{y},"channel":"{channel}","value":{value}}}"#);
        let _ = write!(
            out,
            "POST {}/pixel HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n",
            self.path,
            self.host,
            Token::line(self.token.as_ref()),
            body.len()
        );
        out.extend_from_slice(&body);
    }

    /// Returns whether it is asked by https.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns where something of the service is, such as `pixels`, the list of all pixels. Looks the host up.
    ///
    /// # Errors
    /// Returns the error of the resolver, or `NotFound` when it knows no address.
    pub fn at(&self, name: &str) -> io::Result<client::target::Target> {
        let path = format!("{}/{name}", self.path);
        let url = format!("{}://{}{path}", if self.is_tls() { "https" } else { "http" }, self.host);
        Ok(client::target::Target {
            url,
            host: self.host.clone(),
            path,
            endpoint: self.endpoint()?,
            tls: self.tls.clone(),
            token: self.token.clone(),
        })
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
            ("example.org", "example.org", ""),
            ("http://[::1]/a/b/", "[::1]", "/a/b"),
            ("[::1]:9", "[::1]:9", ""),
        ] {
            let target = Target::parse(url, &Trust::default()).expect("an address");
            assert_eq!((target.host.as_str(), target.path.as_str()), (host, path), "{url}");
        }
        for url in ["", "ftp://x", "http://:80", "x:y", "x:99999", "http://a b", "http://x/?q"] {
            assert!(Target::parse(url, &Trust::default()).is_err(), "{url}");
        }
    }

    #[test]
    fn a_pixel_is_posted_as_the_service_documents_it() {
        let mut out = Vec::new();
        let target = Target::parse("http://h:1/p", &Trust::default()).expect("an address");
        target.post(Sample { x: 10, y: 20, channel: 'R', value: 128 }, &mut out);
        let text = String::from_utf8(out).expect("a text");
        assert!(text.starts_with("POST /p/pixel HTTP/1.1\r\nHost: h:1\r\n"), "{text}");
        assert!(
            text.ends_with("Content-Length: 41\r\n\r\n{\"x\":10,\"y\":20,\"channel\":\"R\",\"value\":128}"),
            "{text}"
        );
    }
}
