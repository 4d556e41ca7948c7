//! The keys about the peer, as texts and what they have to have to do with each other.

use crate::base::fingerprint::Fingerprint;
use crate::base::setting::Form;
use crate::engine::shared::settings::{Retention, Trust};
use crate::os::address::Address;

/// What `peer` and `peer_listen` may look like.
pub(super) const ADDRESS: Form = Form::Or(
    "none",
    "",
    &Form::Text("ADDRESS:PORT such as 10.0.0.2:9000", |text| Address::parse(text).is_some()),
);
/// What `peer_key` may look like.
pub(super) const KEY: Form = Form::Or(
    "none",
    "",
    &Form::Text("what `pixeld init --show key` prints on the peer, sha256:...", |text| {
        text.parse::<Fingerprint>().is_ok()
    }),
);

/// The peer as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where the peer may dial this one.
    pub listen: Option<Address>,
    /// Where this host dials the peer.
    pub dial: Option<Address>,
    /// The peer's public key.
    pub key: Option<Fingerprint>,
    /// Neither key nor encryption; on this machine only.
    pub insecure: bool,
    /// How much of the journal waits for a peer that is away.
    pub retention: Retention,
}

impl Peer {
    /// Returns whether there is to be a peer.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.listen.is_some() || self.dial.is_some()
    }

    /// Returns by what this host knows the peer.
    #[must_use]
    pub(super) fn trust(&self) -> Trust {
        match self.key {
            Some(key) => Trust::Key(key),
            None if self.insecure => Trust::Nothing,
            None => Trust::Directory,
        }
    }

    /// Returns the first key whose value will not do beside the others, and what would.
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let addresses = [&self.listen, &self.dial];
        let leaves = addresses.into_iter().flatten().any(|address| !address.is_local());
        match (self.is_there(), self.key, self.insecure) {
            (false, Some(_), _) => Some(("peer_key", "none without peer or peer_listen")),
            (false, _, true) => Some(("insecure_peer", "false without peer or peer_listen")),
            (false, None, false) | (true, Some(_), false) => None,
            // Somebody who is invited may come.
            (true, None, false) if self.listen.is_some() => None,
            (true, None, false) => Some((
                "peer_key",
                "what `pixeld init --show key` prints on the peer, sha256:...; or none, with peer_listen, for a host that is \
                 paired by `pixeld init --invite`; on one machine insecure_peer does without",
            )),
            (true, Some(_), true) => Some(("insecure_peer", "false beside peer_key")),
            (true, None, true) if leaves => Some((
                "insecure_peer",
                "false, with a peer_key, where peer or peer_listen is no address of this machine alone (127.0.0.1 or [::1])",
            )),
            (true, None, true) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_together() {
        let address = |text: Option<&str>| text.and_then(Address::parse);
        let (near, far) = (Some("127.0.0.1:1"), Some("host-b.internal:1"));
        let key = Some(Fingerprint([7; 32]));
        let peer = |listen, dial, key, insecure| Peer {
            listen: address(listen),
            dial: address(dial),
            key,
            insecure,
            retention: Retention::Usual,
        };
        let wrong = |peer: Peer| peer.contradiction().map(|(key, _)| key);
        for sound in [
            peer(None, None, None, false),
            peer(far, far, key, false),
            peer(far, None, key, false),
            peer(None, near, key, false),
            peer(near, near, None, true),
            peer(near, None, None, false),
            peer(far, far, None, false),
        ] {
            assert_eq!(wrong(sound.clone()), None, "{sound:?}");
        }
        assert_eq!(wrong(peer(None, None, key, false)), Some("peer_key"));
        assert_eq!(wrong(peer(None, None, None, true)), Some("insecure_peer"));
        assert_eq!(wrong(peer(None, near, None, false)), Some("peer_key"));
        assert_eq!(wrong(peer(near, near, key, true)), Some("insecure_peer"));
        assert_eq!(wrong(peer(near, far, None, true)), Some("insecure_peer"));
        assert_eq!(wrong(peer(far, near, None, true)), Some("insecure_peer"));
    }
}
