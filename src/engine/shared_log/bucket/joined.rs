//! Messages in one object: each with its length before it, 4 bytes, little endian.

use crate::base::limits::{SHARED_LOG_JOINED_BYTES, SHARED_LOG_JOINED_MAX};
use crate::base::numbers::u32_at;

/// Bytes before each message.
const LENGTH_BYTES: usize = 4;

/// Returns how many of these messages one object takes, from the first one on; one that is too long for that has an object alone.
pub(super) fn fitting<'a>(messages: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut bytes = 0;
    let fits = |(at, message): &(usize, &[u8])| {
        bytes += LENGTH_BYTES + message.len();
        *at == 0 || (*at < SHARED_LOG_JOINED_MAX && bytes <= SHARED_LOG_JOINED_BYTES)
    };
    messages.enumerate().take_while(fits).count()
}

/// Returns the content of the object that has these messages.
pub(super) fn join<'a>(messages: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut content = Vec::new();
    for message in messages {
        // A message has at most one batch of some MiB.
        content.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_le_bytes());
        content.extend_from_slice(message);
    }
    content
}

/// Returns the messages of an object; nothing for one that is damaged.
pub(super) fn part(mut content: &[u8]) -> Option<Vec<&[u8]>> {
    let mut messages = Vec::new();
    while !content.is_empty() {
        let length = usize::try_from(u32_at(content.get(..LENGTH_BYTES)?, 0)).ok()?;
        let (message, rest) = content[LENGTH_BYTES..].split_at_checked(length)?;
        messages.push(message);
        content = rest;
    }
    let is_whole = (1..=SHARED_LOG_JOINED_MAX).contains(&messages.len());
    is_whole.then_some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_of_an_object_as_they_went_in() {
        let messages: [&[u8]; 3] = [b"one", b"", b"three"];
        let content = join(messages.into_iter());
        assert_eq!(part(&content), Some(messages.to_vec()));
        assert_eq!(part(&[]), None, "no object is empty");
        for end in 1..content.len() {
            let cut = part(&content[..end]).map(|found| found.len());
            assert!(cut.is_none_or(|count| count < 3), "{end}");
        }
        let many = vec![&b"x"[..]; SHARED_LOG_JOINED_MAX + 1];
        assert_eq!(part(&join(many.into_iter())), None);
    }

    #[test]
    fn an_object_takes_what_is_bounded_and_one_message_of_any_length() {
        let (small, long) = (vec![0; 10], vec![0; SHARED_LOG_JOINED_BYTES + 1]);
        let count = |messages: &[&[u8]]| fitting(messages.iter().copied());
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[&long, &small]), 1);
        assert_eq!(count(&[&small, &long, &small]), 1);
        assert_eq!(count(&vec![&small[..]; 100]), SHARED_LOG_JOINED_MAX);
    }
}
