//! What a host tells in one object, which it writes again and again. All numbers are little endian.
//!
//! ```text
//!  0 u8[4] "PXV1"
//!  4 u64 which connection of the host to the bucket it is, by chance
//! 12 u64 the number of the last message that the host is known to have appended; a hint
//! 20 u64 the number of the first word
//! 28 u32 words, each with its length before it, u32
//!    u32 questions, each: u64 number, u64 node that is asked, u32 length, question
//! ```
//!
//! Words and questions are numbered from one object to the next, so that whoever reads only some of the objects hears each word once,
//! as long as it reads often enough.

use crate::base::ids::NodeId;
use crate::base::numbers::{u32_at, u64_at};

const MAGIC: &[u8; 4] = b"PXV1";

/// The content of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Voice {
    /// Which connection of the host to the bucket it is.
    pub(super) session: u64,
    /// The number of the last message that it is known to have appended.
    pub(super) last: u64,
    /// The number of the first of the words.
    pub(super) first: u64,
    /// The newest words.
    pub(super) words: Vec<Vec<u8>>,
    /// Questions that wait for an answer.
    pub(super) questions: Vec<Question>,
}

/// A question to another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Names it among those of the connection.
    pub(super) number: u64,
    /// The host that is asked.
    pub(super) whom: NodeId,
    /// The question.
    pub(super) bytes: Vec<u8>,
}

fn push_counted(content: &mut Vec<u8>, bytes: &[u8]) {
    // Beats and questions have some MiB at most.
    content.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    content.extend_from_slice(bytes);
}

impl Voice {
    /// Returns the content of its object.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut content = MAGIC.to_vec();
        [self.session, self.last, self.first]
            .iter()
            .for_each(|number| content.extend_from_slice(&number.to_le_bytes()));
        content.extend_from_slice(&(self.words.len() as u32).to_le_bytes());
        self.words.iter().for_each(|word| push_counted(&mut content, word));
        content.extend_from_slice(&(self.questions.len() as u32).to_le_bytes());
        for Question { number, whom, bytes } in &self.questions {
            content.extend_from_slice(&number.to_le_bytes());
            content.extend_from_slice(&whom.0.to_le_bytes());
            push_counted(&mut content, bytes);
        }
        content
    }

    /// Reads an object; nothing for one of another form.
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let mut rest = Rest(content.strip_prefix(MAGIC)?);
        let [session, last, first] = [rest.u64()?, rest.u64()?, rest.u64()?];
        let words = (0..rest.u32()?).map(|_| rest.counted()).collect::<Option<_>>()?;
        let question = |rest: &mut Rest<'_>| {
            Some(Question { number: rest.u64()?, whom: NodeId(rest.u64()?), bytes: rest.counted()? })
        };
        let questions = (0..rest.u32()?).map(|_| question(&mut rest)).collect::<Option<_>>()?;
        rest.0.is_empty().then_some(Self { session, last, first, words, questions })
    }
}

/// The rest of an object, to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32_at(bytes, 0))
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8).map(|bytes| u64_at(bytes, 0))
    }

    fn counted(&mut self) -> Option<Vec<u8>> {
        let bytes = usize::try_from(self.u32()?).ok()?;
        self.take(bytes).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_read_as_it_was_written_and_half_of_one_is_none() {
        let question = Question { number: 3, whom: NodeId(9), bytes: b"why".to_vec() };
        let voice = Voice {
            session: 7,
            last: 1_000,
            first: 41,
            words: vec![b"here".to_vec(), Vec::new()],
            questions: vec![question.clone(), Question { number: 4, ..question }],
        };
        let content = voice.encode();
        assert_eq!(Voice::decode(&content), Some(voice));
        for end in 0..content.len() {
            assert_eq!(Voice::decode(&content[..end]), None, "{end}");
        }
        assert_eq!(Voice::decode(&[&content[..], b"x"].concat()), None);
        // Counts that promise more than there is take no memory.
        let mut huge = content;
        huge[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Voice::decode(&huge), None);
        assert_eq!(Voice::decode(&Voice::default().encode()), Some(Voice::default()));
    }
}
