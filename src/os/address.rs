//! Addresses as people write them: an IP address or a host name, and a port. A name is looked up when it is needed, and
//! again each time: a host that boots may have no DNS yet, and what has the name today may be elsewhere tomorrow.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// An IP address or a host name, with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

/// A host name that could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("the name of {address} could not be resolved: {source}")]
pub struct Unresolved {
    /// The address.
    pub address: Address,
    /// What the resolver said.
    #[source]
    pub source: io::Error,
}

/// Returns what this machine is called, for people; two may be called the same.
#[must_use]
pub fn name_of_this_machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Address {
    /// Reads `HOST:PORT`; nothing if the text has another form. Looks nothing up.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_literal = text.parse::<SocketAddr>().is_ok();
        let is_named = || {
            let (host, port) = text.rsplit_once(':')?;
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
            (!host.is_empty() && host.bytes().all(is_host) && is_number).then_some(())
        };
        (is_literal || is_named().is_some()).then(|| Self(text.to_owned()))
    }

    /// Returns the address, if no name has to be looked up for it.
    #[must_use]
    pub fn literal(&self) -> Option<SocketAddr> {
        self.0.parse().ok()
    }

    /// Returns whether it is certain that nothing leaves this machine on the way there.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let is_localhost = || self.0.rsplit_once(':').is_some_and(|(host, _)| host == "localhost");
        self.literal().map_or_else(is_localhost, |address| address.ip().is_loopback())
    }

    /// Looks the name up; the first IPv4 address, or the first at all. Blocks for as long as the system's resolver does.
    ///
    /// # Errors
    /// Returns the error of the resolver, or that the name has no address.
    pub fn resolve(&self) -> Result<SocketAddr, Unresolved> {
        if let Some(literal) = self.literal() {
            return Ok(literal);
        }
        let failed = |source| Unresolved { address: self.clone(), source };
        let found: Vec<SocketAddr> = self.0.to_socket_addrs().map_err(failed)?.collect();
        let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
        first.copied().ok_or_else(|| failed(io::Error::from(io::ErrorKind::NotFound)))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self(address.to_string())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_judged_without_looking_anything_up() {
        for text in
            ["127.0.0.1:80", "[::1]:80", "host-b.internal:9001", "pixeld-1.pixeld_hosts:0", "localhost:65535"]
        {
            assert_eq!(Address::parse(text).expect(text).to_string(), text);
        }
        for text in [
            "",
            "127.0.0.1",
            "8000",
            ":80",
            "host:",
            "host:x",
            "host:65536",
            "host:+1",
            "a b:1",
            "::1:80",
            "[::1:80",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_need_no_look_up_and_a_name_without_an_address_is_named() {
        let literal = Address::parse("[::1]:80").expect("an address");
        assert_eq!(literal.resolve().expect("no look-up").to_string(), "[::1]:80");
        assert!(literal.is_local() && Address::parse("localhost:1").expect("an address").is_local());
        let name = Address::parse("nobody.invalid:80").expect("an address");
        assert!(!name.is_local() && name.literal().is_none());
        let unresolved = name.resolve().expect_err("reserved by RFC 2606").to_string();
        assert!(
            unresolved.starts_with("the name of nobody.invalid:80 could not be resolved: "),
            "{unresolved}"
        );
    }
}
