//! Trouble: why there is no connection to the peer, in words that an operator can act on.

use std::io;
use std::net::SocketAddr;

use super::tls;
use crate::base::fingerprint::Fingerprint;
use crate::engine::peering::counters::Failure;
use crate::peer::fault::Close;

/// What is known about the keys of both sides, for the words.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownKeys {
    /// This host's.
    pub own: Option<Fingerprint>,
    /// The one that the other host ought to have.
    pub pinned: Option<Fingerprint>,
}

/// A connection that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// For the counters.
    pub failure: Failure,
    /// For people.
    pub why: String,
}

impl Trouble {
    /// The socket failed, or TLS on it.
    #[must_use]
    pub fn of_socket(error: &io::Error, remote: SocketAddr, is_connected: bool, keys: KnownKeys) -> Self {
        if let (Some(shown), Some(pinned)) = (tls::other_key(error), keys.pinned) {
            let why = format!(
                "the host at {remote} has the key {shown}, expected was {pinned}: if it was set up afresh, start this \
                 host with --peer-key {shown}; if not, something else is there"
            );
            return Self { failure: Failure::Key, why };
        }
        if let (true, Some(own)) = (tls::is_refusal(error), keys.own) {
            let why = format!(
                "the host at {remote} refused this host's key: start it with --peer-key {own} if this is its second host"
            );
            return Self { failure: Failure::Key, why };
        }
        if error.kind() == io::ErrorKind::InvalidData {
            let why = format!(
                "{remote} does not speak as a second host does ({error}): --peer and --peer-listen are not the addresses \
                 for clients, and --insecure-peer is for both hosts or for none"
            );
            return Self { failure: Failure::Protocol, why };
        }
        let next = if error.kind() == io::ErrorKind::ConnectionRefused {
            ": nobody listens there; is the second host running, with that --peer-listen?"
        } else {
            ""
        };
        let what = if is_connected { "the connection failed" } else { "can't be reached" };
        Self { failure: Failure::Network, why: format!("{remote}: {what}: {error}{next}") }
    }

    /// The other side closed. `is_guessed_keyed`: before it said who it is, to a host without keys.
    #[must_use]
    pub fn of_end(remote: SocketAddr, is_guessed_keyed: bool) -> Self {
        if is_guessed_keyed {
            let why = format!(
                "{remote} closed the connection before it said who it is: --insecure-peer is for both hosts or for none, \
                 and that one may expect TLS"
            );
            return Self { failure: Failure::Network, why };
        }
        Self { failure: Failure::Network, why: format!("{remote} closed the connection") }
    }

    /// The other side speaks TLS, and this host has no keys.
    #[must_use]
    pub fn of_tls(remote: SocketAddr) -> Self {
        let why = format!(
            "the host at {remote} expects TLS: start this host with --peer-key and that host's key instead of \
             --insecure-peer, or both with --insecure-peer"
        );
        Self { failure: Failure::Protocol, why }
    }

    /// The session ended; nothing for one that ended in order.
    #[must_use]
    pub fn of_close(close: &Close, remote: SocketAddr, is_connected: bool) -> Option<Self> {
        let failure = match close {
            Close::Bye { .. } | Close::Left(_) | Close::Lost(_) => return None,
            Close::NoHello | Close::Silent if !is_connected => {
                let why =
                    format!("{remote}: no answer; is the address right, and does a firewall let it through?");
                return Some(Self { failure: Failure::Network, why });
            }
            Close::NoHello | Close::Silent => Failure::Silence,
            Close::Failed(_) => Failure::Own,
            _ if close.needs_operator() => Failure::Identity,
            Close::Violation(_) | Close::Refused { .. } => Failure::Protocol,
        };
        Some(Self { failure, why: close.to_string() })
    }

    /// Whether the next try comes to the same end until somebody has changed something.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        self.failure == Failure::Identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::fault::{ByeCode, ErrorCode};

    #[test]
    fn an_end_in_order_is_no_trouble() {
        let remote = ([127, 0, 0, 1], 7).into();
        assert_eq!(Trouble::of_close(&Close::Left(ByeCode::Replaced), remote, true), None);
        let silent = Trouble::of_close(&Close::NoHello, remote, false).expect("trouble");
        assert!(
            silent.why.contains("no answer")
                && silent.failure == Failure::Network
                && !silent.needs_operator()
        );
        let copied = Close::Refused { code: ErrorCode::OtherHistory as u16, text: String::new() };
        assert!(Trouble::of_close(&copied, remote, true).expect("trouble").needs_operator());
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let refused = Trouble::of_socket(&refused, remote, false, KnownKeys::default());
        assert!(refused.why.contains("nobody listens there"), "{}", refused.why);
    }
}
