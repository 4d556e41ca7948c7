//! What is known of one picture, and how two hosts' words about it are joined.

use std::collections::BTreeMap;

use crate::app::fields::{Fields, push_text};
use crate::base::ids::NodeId;

use super::record::{Picture, Thumbnail};

/// How a picture ended. Of two words about it the greater one counts, whichever comes first: a thumbnail stands above a
/// failure, and among thumbnails, which two hosts may have made at the same time, the one whose hash is smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is none, and why.
    Failed(String),
    /// There is one.
    Done(Thumbnail),
}

impl Outcome {
    /// Returns whether this word counts against `other`. Of two reasons the smaller text does.
    fn beats(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Done(own), Self::Done(other)) => own < other,
            (Self::Done(_), Self::Failed(_)) => true,
            (Self::Failed(_), Self::Done(_)) => false,
            (Self::Failed(own), Self::Failed(other)) => own < other,
        }
    }

    /// Returns the thumbnail.
    #[must_use]
    pub fn thumbnail(&self) -> Option<Thumbnail> {
        match self {
            Self::Done(thumbnail) => Some(*thumbnail),
            Self::Failed(_) => None,
        }
    }
}

/// How far a picture has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// For each host, how often it began to decode it; forgotten with the end.
    pub attempts: BTreeMap<NodeId, u32>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// What a word about a picture's end changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// This thumbnail stands now.
    pub named: Option<Thumbnail>,
    /// This one does not.
    pub released: Option<Thumbnail>,
}

impl Progress {
    /// Returns the thumbnail, if there is one.
    #[must_use]
    pub fn thumbnail(&self) -> Option<Thumbnail> {
        self.outcome.as_ref().and_then(Outcome::thumbnail)
    }

    /// Notes that a host begins to decode.
    pub fn attempt(&mut self, node: NodeId) {
        if self.outcome.is_none() {
            *self.attempts.entry(node).or_default() += 1;
        }
    }

    /// Notes that it came to an end, as a host says.
    pub fn end(&mut self, word: Outcome) -> Joined {
        self.attempts.clear();
        let new = word.thumbnail();
        match &self.outcome {
            Some(standing) if !word.beats(standing) => Joined { named: None, released: new },
            _ => {
                let old = self.outcome.replace(word);
                Joined { named: new, released: old.and_then(|old| old.thumbnail()) }
            }
        }
    }

    /// Appends the fields.
    pub fn push(&self, out: &mut Vec<u8>) {
        match &self.outcome {
            None => {
                out.push(0);
                out.extend_from_slice(&(self.attempts.len() as u64).to_le_bytes());
                for (node, count) in &self.attempts {
                    out.extend_from_slice(&node.0.to_le_bytes());
                    out.extend_from_slice(&count.to_le_bytes());
                }
            }
            Some(Outcome::Failed(reason)) => {
                out.push(1);
                push_text(out, reason);
            }
            Some(Outcome::Done(thumbnail)) => {
                out.push(2);
                thumbnail.push(out);
            }
        }
    }

    /// Reads the fields.
    #[must_use]
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut progress = Self::default();
        match fields.byte()? {
            0 => {
                for _ in 0..fields.u64()? {
                    progress.attempts.insert(NodeId(fields.u64()?), fields.u32()?);
                }
            }
            1 => progress.outcome = Some(Outcome::Failed(fields.text()?.to_owned())),
            2 => progress.outcome = Some(Outcome::Done(Thumbnail::read(fields)?)),
            _ => return None,
        }
        Some(progress)
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// As it was handed in.
    pub picture: Picture,
    /// How far it has come.
    pub progress: Progress,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::blob::BlobId;

    fn done(hash: u8) -> Outcome {
        Outcome::Done(Thumbnail { blob: BlobId([hash; 32]), bytes: 1 })
    }

    #[test]
    fn the_same_end_in_any_order_and_every_other_thumbnail_goes() {
        let words =
            [done(2), Outcome::Failed("b".to_owned()), done(1), Outcome::Failed("a".to_owned()), done(2)];
        for rotation in 0..words.len() {
            for is_reversed in [false, true] {
                let mut words = words.to_vec();
                words.rotate_left(rotation);
                if is_reversed {
                    words.reverse();
                }
                let mut progress = Progress::default();
                let mut named = None;
                for word in words {
                    let came = word.thumbnail();
                    let joined = progress.end(word);
                    if let Some(new) = joined.named {
                        assert_eq!(
                            (Some(new), joined.released),
                            (came, named),
                            "it takes the place of the last"
                        );
                        named = Some(new);
                    } else {
                        assert_eq!(joined.released, came, "it goes as it came");
                    }
                    progress.attempt(NodeId(1));
                }
                assert_eq!((named, progress.outcome), (done(1).thumbnail(), Some(done(1))));
                assert!(progress.attempts.is_empty());
            }
        }
        let mut progress = Progress::default();
        progress.end(Outcome::Failed("b".to_owned()));
        progress.end(Outcome::Failed("a".to_owned()));
        assert_eq!(progress.outcome, Some(Outcome::Failed("a".to_owned())));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut working = Progress::default();
        working.attempt(NodeId(7));
        working.attempt(NodeId(7));
        working.attempt(NodeId(8));
        let failed = Progress { outcome: Some(Outcome::Failed("why".to_owned())), ..Progress::default() };
        let done = Progress { outcome: Some(done(3)), ..Progress::default() };
        for progress in [Progress::default(), working, failed, done] {
            let mut bytes = Vec::new();
            progress.push(&mut bytes);
            assert_eq!(Progress::read(&mut Fields::of(&bytes)), Some(progress));
        }
        assert_eq!(Progress::read(&mut Fields::of(&[3])), None);
    }
}
