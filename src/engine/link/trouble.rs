//! Trouble: why there is no connection to the peer, in words that an operator can act on.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::tls;
use crate::base::fingerprint::Fingerprint;
use crate::engine::shared::peering::counters::Failure;
use crate::os::address::Unresolved;
use crate::peer::fault::Close;

/// What is known about the keys of both sides, for the words.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownKeys {
    /// This host's.
    pub own: Option<Fingerprint>,
    /// The one that the peer ought to have.
    pub pinned: Option<Fingerprint>,
}

/// The other end of a connection, in words. A host that dialed is named without its port, which is another one each
/// time: the same trouble has the same words, and is logged once.
#[derive(Clone, Copy, Debug)]
pub struct Remote {
    /// Where it is; nothing for the log, which sits in the peer's place in this process.
    pub address: Option<SocketAddr>,
    /// Whether this host dialed it.
    pub dialed: bool,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) if self.dialed => address.fmt(f),
            Some(address) => address.ip().fmt(f),
            None => f.write_str("the log"),
        }
    }
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
    /// Makes the trouble of a socket that failed, or of TLS on it.
    #[must_use]
    pub fn of_socket(error: &io::Error, remote: Remote, is_connected: bool, keys: KnownKeys) -> Self {
        if let (Some(shown), Some(pinned)) = (tls::other_key(error), keys.pinned) {
            let why = format!(
                "the host at {remote} has the key {shown}, expected was {pinned}: if it was set up afresh, start this \
                 host with --peer-key {shown}; if not, something else is there"
            );
            return Self { failure: Failure::Key, why };
        }
        if let (Some(shown), Some(_)) = (tls::other_key(error), keys.own) {
            let why = format!(
                "the host at {remote} has the key {shown}, and this host has no peer yet: invite it with `pixeld init --invite`, or \
                 start this host with --peer-key {shown}"
            );
            return Self { failure: Failure::Key, why };
        }
        if let (true, Some(own)) = (tls::is_refusal(error), keys.own) {
            let why = format!(
                "the host at {remote} refused this host's key: start it with --peer-key {own} if this host is its peer"
            );
            return Self { failure: Failure::Key, why };
        }
        if error.kind() == io::ErrorKind::InvalidData {
            let why = format!(
                "{remote} does not speak as a peer does ({error}): --peer and --peer-listen are not the addresses \
                 for clients, and --insecure-peer is for both hosts or for none"
            );
            return Self { failure: Failure::Protocol, why };
        }
        let next = if error.kind() == io::ErrorKind::ConnectionRefused {
            ": nobody listens there; is the peer running, with that --peer-listen?"
        } else {
            ""
        };
        let what = if is_connected { "the connection failed" } else { "can't be reached" };
        Self { failure: Failure::Network, why: format!("{remote}: {what}: {error}{next}") }
    }

    /// Makes the trouble of a host that does not take this one's invitation, for the reason that it gave if it gave one.
    #[must_use]
    pub fn of_invitation(remote: Remote, reason: Option<&str>) -> Self {
        let reason = reason.unwrap_or("nobody is invited there");
        let why = format!(
            "the host at {remote} refused the invitation: {reason}. `pixeld init --invite` there makes another one; take it here with \
             `pixeld init --accept` and start again"
        );
        Self { failure: Failure::Identity, why }
    }

    /// Makes the trouble of a peer whose name has no address now.
    #[must_use]
    pub fn of_name(unresolved: &Unresolved) -> Self {
        Self {
            failure: Failure::Network,
            why: format!("{unresolved}; is --peer right, and is there a name server?"),
        }
    }

    /// Makes the trouble of a log in the peer's place that takes no connection now.
    #[must_use]
    pub fn of_log(error: &io::Error) -> Self {
        Self { failure: Failure::Network, why: error.to_string() }
    }

    /// Makes the trouble of a connection that the other side closed. `is_guessed_keyed`: it did so before it said who it is, to a
    /// host without keys.
    #[must_use]
    pub fn of_end(remote: Remote, is_guessed_keyed: bool) -> Self {
        if is_guessed_keyed {
            let why = format!(
                "{remote} closed the connection before it said who it is: --insecure-peer is for both hosts or for none, \
                 and that one may expect TLS"
            );
            return Self { failure: Failure::Network, why };
        }
        Self { failure: Failure::Network, why: format!("{remote} closed the connection") }
    }

    /// Makes the trouble of another side that speaks TLS to a host without keys.
    #[must_use]
    pub fn of_tls(remote: Remote) -> Self {
        let why = format!(
            "the host at {remote} expects TLS: start this host with --peer-key and that host's key instead of \
             --insecure-peer, or both with --insecure-peer"
        );
        Self { failure: Failure::Protocol, why }
    }

    /// Makes the trouble of a session that ended; nothing for one that ended in order.
    #[must_use]
    pub fn of_close(close: &Close, remote: Remote, is_connected: bool) -> Option<Self> {
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

    /// Returns whether this says nothing about the peer, of a connection that somebody else made and on which the peer did not show
    /// who it is: a port scanner, a balancer's check, `pixeld doctor --peer`. `has_peer`: the peer is connected.
    #[must_use]
    pub fn is_strangers(&self, has_peer: bool) -> bool {
        match self.failure {
            // Whoever only connects and goes tells nothing.
            Failure::Network | Failure::Silence => true,
            // A copy of the peer's directory, or of this one.
            Failure::Identity => false,
            // A key or a language that is not ours: while there is no peer, it may well be the peer as it was configured.
            Failure::Key | Failure::Protocol | Failure::Own => has_peer,
        }
    }

    /// Returns whether the next try comes to the same end until somebody has changed something.
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
        let remote = Remote { address: Some(([127, 0, 0, 1], 7).into()), dialed: true };
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

    #[test]
    fn the_same_trouble_has_the_same_words_whatever_port_it_came_from() {
        let words = |port: u16, dialed| {
            let remote = Remote { address: Some(([10, 0, 0, 2], port).into()), dialed };
            let garbage = io::Error::new(io::ErrorKind::InvalidData, "garbage");
            let broken = io::Error::from(io::ErrorKind::ConnectionReset);
            [
                Trouble::of_socket(&garbage, remote, true, KnownKeys::default()).why,
                Trouble::of_socket(&broken, remote, true, KnownKeys::default()).why,
                Trouble::of_end(remote, true).why,
                Trouble::of_end(remote, false).why,
                Trouble::of_tls(remote).why,
                Trouble::of_close(&Close::NoHello, remote, false).expect("trouble").why,
            ]
        };
        assert_eq!(words(40_001, false), words(40_002, false));
        assert!(
            words(8001, true).iter().all(|why| why.contains("10.0.0.2:8001")),
            "a dialed port is the one that was set"
        );
    }

    #[test]
    fn who_only_connects_is_a_stranger_and_who_has_the_wrong_key_may_be_the_peer() {
        let of = |failure| Trouble { failure, why: String::new() };
        for failure in [Failure::Network, Failure::Silence] {
            assert!(of(failure).is_strangers(false) && of(failure).is_strangers(true));
        }
        for failure in [Failure::Key, Failure::Protocol] {
            assert!(!of(failure).is_strangers(false) && of(failure).is_strangers(true));
        }
        assert!(!of(Failure::Identity).is_strangers(true));
    }
}
