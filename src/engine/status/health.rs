//! What /health says of the other hosts: the peer, or the log in its place, and the members.

use super::peer::{Report, joining_json};
use super::{members, shared_log};
use crate::app::application::PeerReport;
use crate::base::ids::NodeId;
use crate::engine::shared::{Shared, roster};

impl PeerReport for Shared {
    fn joining_json(&self) -> Option<String> {
        let peering = self.peering.as_ref().filter(|_| self.space.is_joining())?;
        Some(joining_json(self, peering))
    }

    fn peer_json(&self) -> Option<String> {
        let report = Report::of(self)?;
        Some(match &self.shared_log {
            Some(log) => format!("\"log\":{}", shared_log::json(self, &report, &log.look())),
            None => format!("\"peer\":{}", report.json()),
        })
    }

    fn members_json(&self) -> Option<String> {
        members::json(self)
    }

    fn prospect_json(&self) -> Option<String> {
        self.prospect.get().json()
    }

    fn folds_wait_for(&self) -> Option<NodeId> {
        let hosts = roster::hosts(self, &self.applied.read());
        let peer = self.peering.as_ref().and_then(|peering| peering.look().node);
        // The one on the link may be there while another one is waited for.
        hosts.away().next().or(peer)
    }

    fn writes_refused(&self) -> Option<String> {
        self.space.refused().map(|refused| refused.reason)
    }
}
