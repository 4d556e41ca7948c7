//! Greetings: what a host that dialed says first is looked at before anything is done about it, because it may be a
//! stranger, or a second connection between two hosts that dialed each other.

use crate::base::ids::{ClusterId, NodeId};
use crate::base::limits::PEER_HELLO_BYTES_MAX;
use crate::peer::frame::{Inflow, Kind};
use crate::peer::message::{Hello, PEER_VERSION};

/// What came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Not all of it is there.
    More,
    /// Another host of this cluster.
    Host(Hello),
    /// Nothing that a session could begin with; a session will say why not.
    Stranger,
}

/// Looks at the first bytes of a connection to the host `own` of `cluster`.
#[must_use]
pub fn look(bytes: &[u8], cluster: ClusterId, own: NodeId) -> Greeting {
    let mut inflow = Inflow::default();
    inflow.extend(bytes);
    let hello = match inflow.frame(PEER_HELLO_BYTES_MAX) {
        Ok(None) => return Greeting::More,
        Ok(Some(frame)) if frame.kind == Kind::Hello => Hello::decode(frame.payload).ok(),
        Ok(Some(_)) | Err(_) => None,
    };
    let is_host = |hello: &Hello| {
        hello.cluster == cluster
            && hello.node != own
            && (hello.version_min..=hello.version_max).contains(&PEER_VERSION)
    };
    hello.filter(is_host).map_or(Greeting::Stranger, Greeting::Host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Inc;
    use crate::base::kinds::Kinds;
    use crate::peer::frame;

    const CLUSTER: ClusterId = ClusterId([3; 16]);

    fn bytes(hello: &Hello) -> Vec<u8> {
        let mut out = Vec::new();
        frame::push(&mut out, Kind::Hello, 0, &[&hello.encode()]);
        out
    }

    #[test]
    fn hosts_are_told_from_strangers() {
        let (version_min, version_max) = (PEER_VERSION, PEER_VERSION);
        let (node, inc) = (NodeId(7), Inc(8));
        let hello = Hello {
            version_min,
            version_max,
            cluster: CLUSTER,
            node,
            inc,
            nonce: 1,
            clock_us: 2,
            lineage: 3,
            is_empty: false,
            is_joining: false,
            kinds: Kinds::FIRST.with(&[0xE7]),
        };
        let sound = bytes(&hello);
        for cut in 0..sound.len() {
            assert_eq!(look(&sound[..cut], CLUSTER, NodeId(1)), Greeting::More);
        }
        assert_eq!(look(&sound, CLUSTER, NodeId(1)), Greeting::Host(hello));
        assert_eq!(look(&sound, CLUSTER, NodeId(7)), Greeting::Stranger, "this host itself");
        assert_eq!(look(&sound, ClusterId([4; 16]), NodeId(1)), Greeting::Stranger);
        let later = Hello { version_min: PEER_VERSION + 1, version_max: PEER_VERSION + 1, ..hello };
        assert_eq!(look(&bytes(&later), CLUSTER, NodeId(1)), Greeting::Stranger);
        assert_eq!(look(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", CLUSTER, NodeId(1)), Greeting::Stranger);
        let mut ping = Vec::new();
        frame::push(&mut ping, Kind::Ping, 0, &[&[0; 8]]);
        assert_eq!(look(&ping, CLUSTER, NodeId(1)), Greeting::Stranger);
    }
}
