//! Names in the log: what streams, subjects and the store of pictures of a cluster are called.

use crate::base::ids::{ClusterId, Inc, NodeId};

/// The names of one cluster. What other clusters keep in the same log has other names.
#[derive(Clone, Debug)]
pub(super) struct Names {
    cluster: String,
}

impl Names {
    /// Returns those of a cluster in one lineage of its records: after a restore it has others, and what the log keeps of the
    /// old ones is nobody's.
    pub(super) fn new(cluster: ClusterId, lineage: u64) -> Self {
        let lineage = if lineage == 0 { String::new() } else { format!("-{lineage:016x}") };
        Self { cluster: format!("{cluster}{lineage}") }
    }

    /// Returns the name of a node's stream.
    pub(super) fn stream(&self, node: NodeId) -> String {
        format!("PX_{}_{node}", self.cluster)
    }

    /// Returns the node whose stream has this name; nothing for a stream of others.
    pub(super) fn node_of_stream(&self, name: &str) -> Option<NodeId> {
        node(name.strip_prefix("PX_")?.strip_prefix(&self.cluster)?.strip_prefix('_')?)
    }

    /// Returns the subject of the messages of one start of a node's process.
    pub(super) fn messages_of(&self, node: NodeId, inc: Inc) -> String {
        format!("px.{}.{node}.{inc}", self.cluster)
    }

    /// Returns the subjects of all messages of a node.
    pub(super) fn messages(&self, node: NodeId) -> String {
        format!("px.{}.{node}.*", self.cluster)
    }

    /// Returns the subject of what a node tells all others.
    pub(super) fn beat(&self, node: NodeId) -> String {
        format!("px.{}.beat.{node}", self.cluster)
    }

    /// Returns the subjects of what nodes tell all others.
    pub(super) fn beats(&self) -> String {
        format!("px.{}.beat.*", self.cluster)
    }

    /// Returns the node that has told something on this subject.
    pub(super) fn node_of_beat(&self, subject: &str) -> Option<NodeId> {
        node(subject.strip_prefix("px.")?.strip_prefix(&self.cluster)?.strip_prefix(".beat.")?)
    }

    /// Returns the subject of questions to a node.
    pub(super) fn question_to(&self, node: NodeId) -> String {
        format!("px.{}.ask.{node}", self.cluster)
    }

    /// Returns the subject of questions to whichever host answers first, and the group of which one gets each.
    pub(super) fn question_to_any(&self) -> (String, String) {
        (format!("px.{}.ask.any", self.cluster), format!("px-{}", self.cluster))
    }

    /// Returns the name of the stream with the register.
    pub(super) fn register(&self) -> String {
        format!("PXR_{}", self.cluster)
    }

    /// Returns the subject of an entry of the register.
    pub(super) fn entry(&self, name: &str) -> String {
        format!("px.{}.register.{name}", self.cluster)
    }

    /// Returns the name of the store of pictures.
    pub(super) fn pictures(&self) -> String {
        format!("PXB_{}", self.cluster)
    }
}

fn node(text: &str) -> Option<NodeId> {
    let is_node = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_node.then(|| u64::from_str_radix(text, 16).ok().map(NodeId))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_by_the_names_that_they_were_given_and_by_no_others() {
        let (names, other) = (Names::new(ClusterId([0xAB; 16]), 0), Names::new(ClusterId([0xAC; 16]), 0));
        let restored = Names::new(ClusterId([0xAB; 16]), 7);
        for node in [NodeId(0), NodeId(0xF00D), NodeId(u64::MAX)] {
            assert_eq!(names.node_of_stream(&names.stream(node)), Some(node));
            assert_eq!(names.node_of_beat(&names.beat(node)), Some(node));
            assert_eq!(restored.node_of_stream(&restored.stream(node)), Some(node));
            assert_eq!(restored.node_of_stream(&names.stream(node)), None);
            assert_eq!(names.node_of_stream(&restored.stream(node)), None);
            assert_eq!(other.node_of_stream(&names.stream(node)), None);
            assert_eq!(other.node_of_beat(&names.beat(node)), None);
        }
        for name in ["", "PX_", "ORDERS", &names.pictures(), &format!("{}0", names.stream(NodeId(1)))] {
            assert_eq!(names.node_of_stream(name), None, "{name}");
        }
    }
}
