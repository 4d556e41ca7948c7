//! What a port to a log begins with.

use std::sync::Arc;

use crate::base::ids::{ClusterId, NodeId};
use crate::engine::shared::settings::SharedLogSettings;
use crate::os::clock::Clock;

/// Which host the port is for, and where its log is.
pub struct Plan {
    /// Where the log is, and what it has to be.
    pub settings: Arc<SharedLogSettings>,
    /// The content of the file of credentials.
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "a bucket has those of the environment"))]
    pub credentials: Option<String>,
    /// The hosts that share their records.
    pub cluster: ClusterId,
    /// The lineage of its records.
    pub lineage: u64,
    /// The host.
    pub node: NodeId,
    /// Random: with which server to begin.
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "there is one bucket"))]
    pub random: u64,
    /// The server's clock.
    pub clock: Clock,
}
