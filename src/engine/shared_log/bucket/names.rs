//! Names in the bucket: what the objects of a cluster are called.
//!
//! ```text
//! PREFIX/CLUSTER/log/NODE/NUMBER        messages of a node, from this number on
//! PREFIX/CLUSTER/voices/NODE            what a node tells all others, and what it asks
//! PREFIX/CLUSTER/answers/NODE/NUMBER    answers to what a node has asked
//! PREFIX/CLUSTER/pictures/SHA-256       contents that messages name
//! PREFIX/CLUSTER/register/ENTRY         which host has which seat (peer/relay/register.rs)
//! PREFIX/CLUSTER/check/NODE-NUMBER      put twice, to see whether the bucket compares
//! ```

use crate::base::blob::BlobId;
use crate::base::ids::{ClusterId, NodeId};

/// Digits of a message's number, so that names are in the order of the messages.
const NUMBER_DIGITS: usize = 20;

/// The names of one cluster. What other clusters keep in the same bucket has other names.
#[derive(Clone, Debug)]
pub(super) struct Names {
    root: String,
}

impl Names {
    /// Returns those of a cluster below `prefix`, in one lineage of its records: after a restore it has others, and what the bucket
    /// keeps of the old ones is nobody's.
    pub(super) fn new(prefix: &str, cluster: ClusterId, lineage: u64) -> Self {
        let lineage = if lineage == 0 { String::new() } else { format!("-{lineage:016x}") };
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { root: format!("{prefix}{cluster}{lineage}") }
    }

    /// Returns the folder in which each node with a stream has one.
    pub(super) fn streams(&self) -> String {
        format!("{}/log/", self.root)
    }

    /// Returns the folder of a node's messages.
    pub(super) fn messages(&self, node: NodeId) -> String {
        format!("{}/log/{node}/", self.root)
    }

    /// Returns the object of a node's messages from `number` on.
    pub(super) fn message(&self, node: NodeId, number: u64) -> String {
        format!("{}/log/{node}/{number:0NUMBER_DIGITS$}", self.root)
    }

    /// Returns the folder of what nodes tell.
    pub(super) fn voices(&self) -> String {
        format!("{}/voices/", self.root)
    }

    /// Returns the object by which a node tells something.
    pub(super) fn voice(&self, node: NodeId) -> String {
        format!("{}/voices/{node}", self.root)
    }

    /// Returns the folder of answers to a node's questions.
    pub(super) fn answers(&self, node: NodeId) -> String {
        format!("{}/answers/{node}/", self.root)
    }

    /// Returns the object of the answer to one question of a node, which it has asked since its connection `session` began.
    pub(super) fn answer(&self, node: NodeId, session: u64, number: u64) -> String {
        format!("{}/answers/{node}/{session:016x}-{number:0NUMBER_DIGITS$}", self.root)
    }

    /// Returns the folder of contents that messages name.
    pub(super) fn pictures(&self) -> String {
        format!("{}/pictures/", self.root)
    }

    /// Returns the object of such a content.
    pub(super) fn picture(&self, id: &BlobId) -> String {
        format!("{}/pictures/{id}", self.root)
    }

    /// Returns the object of an entry of the register.
    pub(super) fn entry(&self, name: &str) -> String {
        format!("{}/register/{name}", self.root)
    }

    /// Returns the object by which a node sees whether the bucket compares.
    pub(super) fn check(&self, node: NodeId, random: u64) -> String {
        format!("{}/check/{node}-{random:016x}", self.root)
    }
}

/// Returns the last part of a name.
fn last_part(name: &str) -> &str {
    name.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// Returns the node that a folder or an object is named after; nothing for another one.
pub(super) fn node_of(name: &str) -> Option<NodeId> {
    let text = last_part(name);
    let is_node = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_node.then(|| u64::from_str_radix(text, 16).ok().map(NodeId))?
}

/// Returns the number of the first message in the object of this name; nothing for an object of others.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let text = last_part(name);
    let is_number = text.len() == NUMBER_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_numbers_are_found_by_the_names_that_they_were_given_and_by_no_others() {
        let names = Names::new("a/b", ClusterId([0xAB; 16]), 0);
        let (other, restored) =
            (Names::new("", ClusterId([0xAB; 16]), 0), Names::new("a/b", ClusterId([0xAB; 16]), 7));
        for node in [NodeId(0), NodeId(0xF00D), NodeId(u64::MAX)] {
            assert_eq!(node_of(&names.messages(node)), Some(node));
            assert_eq!(node_of(&names.voice(node)), Some(node));
            assert!(names.messages(node).starts_with(&names.streams()));
            for number in [1, 99, u64::MAX] {
                assert_eq!(number_of(&names.message(node, number)), Some(number));
                assert!(names.message(node, number).starts_with(&names.messages(node)));
            }
            for strange in [&other, &restored] {
                assert!(!strange.message(node, 1).starts_with(&names.streams()));
                assert!(!names.message(node, 1).starts_with(&strange.streams()));
            }
        }
        assert!(names.message(NodeId(1), 9) < names.message(NodeId(1), 10), "names rise with the numbers");
        for name in ["", "a/b/log/", "a/b/log/00000000000000zz", "a/log/1"] {
            assert_eq!((node_of(name), number_of(name)), (None, None), "{name}");
        }
    }
}
