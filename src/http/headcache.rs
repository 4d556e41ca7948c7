//! Recognises a request head that was read before, byte for byte but for the digits of its Content-Length.
//!
//! Clients send the same head again and again; comparing it costs a few nanoseconds where reading it costs a hundred.
//! A head of which only the length's digits differ is as valid as the one that was read, so all that was decided about
//! that one (the value kept with it) holds, except what depends on the length itself.

use std::ops::Range;

/// Heads kept by one cache.
const HEADS_MAX: usize = 64;
/// Longest head kept, bytes.
pub const HEAD_BYTES_MAX: usize = 1024;
/// Most digits of a length that is recognised; a longer one is read the long way.
const DIGITS_MAX: usize = 8;
/// The hint of a connection that has no head in the cache.
pub const NO_HINT: u16 = u16::MAX;

/// A head that was recognised at the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<T> {
    /// Bytes up to the body.
    pub head_len: usize,
    /// Bytes of the body, which lies behind the head undivided. Not yet compared with any limit, nor with what has
    /// been read.
    pub content_length: u64,
    /// What was kept with the head.
    pub value: T,
}

#[derive(Debug)]
struct Entry<T> {
    /// The head as it was read.
    head: Box<[u8]>,
    /// Where the digits of its length stand; what follows them starts with no digit.
    digits: Range<usize>,
    content_length: u64,
    value: T,
}

/// The heads that one worker has read last, for all of its connections: these keep a hint each, 2 bytes, instead of a
/// copy of their head. At most 64 KiB.
#[derive(Debug)]
pub struct HeadCache<T> {
    entries: Vec<Entry<T>>,
    /// The entry that gives way next.
    oldest: usize,
    /// The longest body that a head may announce which is no more than like one that was accepted.
    length_most: u64,
}

impl<T: Copy> Default for HeadCache<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> HeadCache<T> {
    /// Returns a cache that knows no head.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: Vec::with_capacity(HEADS_MAX), oldest: 0, length_most: u64::MAX }
    }

    /// Returns the head that `hint` stands for, if the input starts with it. Other entries are not tried: a connection that
    /// changes its head is read the long way once and gets a new hint from [`HeadCache::insert`].
    ///
    /// Ask only where a request may begin ([`super::connection::Machine::is_idle`]).
    #[inline]
    #[must_use]
    pub fn find(&self, hint: u16, input: &[u8]) -> Option<Hit<T>> {
        let entry = self.entries.get(usize::from(hint))?;
        if input.starts_with(&entry.head) {
            // The same to the last byte: one comparison is all.
            let Entry { content_length, value, .. } = *entry;
            return Some(Hit { head_len: entry.head.len(), content_length, value });
        }
        let behind_prefix = input.strip_prefix(&entry.head[..entry.digits.start])?;
        // The head itself was accepted with its length; this one has another.
        let (content_length, digits) =
            canonical_number(behind_prefix).filter(|(length, _)| *length <= self.length_most)?;
        let behind_head = behind_prefix.get(digits..)?.strip_prefix(&entry.head[entry.digits.end..])?;
        Some(Hit { head_len: input.len() - behind_head.len(), content_length, value: entry.value })
    }

    /// Keeps a head that was read and accepted, with the place of its length's digits ([`super::request::Head`] has
    /// both), and gives the hint to find it by. A head that is there already gets the new value.
    ///
    /// The hint is the largest number for a head that is too long or writes its length in an unusual way, and for one without a
    /// Content-Length: its body may be in chunks, which a hit could not tell from the next request.
    pub fn insert(&mut self, head: &[u8], length_digits: Option<Range<usize>>, value: T) -> u16 {
        debug_assert!(head.ends_with(b"\r\n\r\n"), "a whole head");
        let Some(digits) = length_digits else { return NO_HINT };
        let Some(content_length) = kept_length(head, &digits) else { return NO_HINT };
        let is_equal = |entry: &Entry<T>| {
            let (known, new) = (&entry.head, head);
            known[..entry.digits.start] == new[..digits.start]
                && known[entry.digits.end..] == new[digits.end..]
        };
        let at = self.entries.iter().position(is_equal).unwrap_or_else(|| self.make_room());
        let entry = Entry { head: head.into(), digits, content_length, value };
        match self.entries.get_mut(at) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        u16::try_from(at).unwrap_or(NO_HINT)
    }

    /// Forgets all heads; from now on a head that is only like one that is kept announces a body of `most` bytes at most.
    pub fn bound_lengths(&mut self, most: u64) {
        self.clear();
        self.length_most = most;
    }

    /// Forgets all heads; for when what was decided about them no longer holds, such as after a change of limits.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.oldest = 0;
    }

    fn make_room(&mut self) -> usize {
        if self.entries.len() < HEADS_MAX {
            return self.entries.len();
        }
        debug_assert!(self.oldest < HEADS_MAX);
        let at = self.oldest;
        self.oldest = (at + 1) % HEADS_MAX;
        at
    }
}

/// Returns the length that stands at `digits` in a head that may be kept.
fn kept_length(head: &[u8], digits: &Range<usize>) -> Option<u64> {
    let (content_length, count) = canonical_number(head.get(digits.start..)?)?;
    (head.len() <= HEAD_BYTES_MAX && count == digits.len()).then_some(content_length)
}

/// Returns the number that `input` starts with, and its digits: no leading zeros, at most [`DIGITS_MAX`]. A longer one is cut
/// there and then fails to be followed by the suffix, which starts with no digit.
#[inline]
fn canonical_number(input: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    let mut digits = 0;
    for &byte in input.iter().take(DIGITS_MAX) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number * 10 + u64::from(digit);
        digits += 1;
    }
    let has_leading_zero = digits > 1 && input[0] == b'0';
    (digits > 0 && !has_leading_zero).then_some((number, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"POST /pixel HTTP/1.1\r\nContent-Length: 48\r\nHost: a\r\n\r\n";

    fn cached() -> (HeadCache<u8>, u16) {
        let mut cache = HeadCache::new();
        let hint = cache.insert(HEAD, Some(38..40), 7);
        (cache, hint)
    }

    fn with_length(length: &str) -> Vec<u8> {
        [&HEAD[..38], length.as_bytes(), &HEAD[40..], b"rest"].concat()
    }

    #[test]
    fn a_length_that_was_not_accepted_is_bounded() {
        let mut cache = HeadCache::new();
        cache.bound_lengths(64);
        let hint = cache.insert(HEAD, Some(38..40), 7);
        let with = |length: &str| String::from_utf8_lossy(HEAD).replace("48", length).into_bytes();
        assert_eq!(cache.find(hint, &with("64")).map(|hit| hit.content_length), Some(64));
        assert!(cache.find(hint, &with("65")).is_none(), "it is read the long way, and refused there");
        cache.bound_lengths(48);
        assert!(cache.find(hint, HEAD).is_none(), "what was kept is forgotten");
    }

    #[test]
    fn recognises_a_head_with_any_length() {
        let (cache, hint) = cached();
        for length in ["0", "5", "48", "12345678"] {
            let head_len = HEAD.len() - 2 + length.len();
            let hit = Hit { head_len, content_length: length.parse().unwrap(), value: 7 };
            assert_eq!(cache.find(hint, &with_length(length)), Some(hit));
        }
        for length in ["", "00", "048", "123456789", "4x", "+4", " 4", "4 "] {
            assert_eq!(cache.find(hint, &with_length(length)), None, "{length:?}");
        }
    }

    #[test]
    fn a_head_that_is_cut_or_changed_is_not_recognised() {
        let (cache, hint) = cached();
        for cut in 0..HEAD.len() {
            assert_eq!(cache.find(hint, &HEAD[..cut]), None);
            let mut changed = HEAD.to_vec();
            changed[cut] ^= 0x80;
            assert_eq!(cache.find(hint, &changed), None);
        }
        assert_eq!(cache.find(NO_HINT, HEAD), None);
        assert_eq!(cache.find(hint + 1, HEAD), None);
    }

    #[test]
    fn equal_heads_share_an_entry_and_old_ones_give_way() {
        let (mut cache, first) = cached();
        assert_eq!(cache.insert(&with_length("9")[..HEAD.len() - 1], Some(38..39), 8), first);
        assert_eq!(cache.find(first, HEAD).map(|hit| hit.value), Some(8));
        let head = |name: usize| format!("A: 5\r\nB: {name}\r\n\r\n").into_bytes();
        for name in 1..HEADS_MAX {
            assert_eq!(usize::from(cache.insert(&head(name), Some(3..4), 0)), name);
        }
        assert_eq!(cache.insert(&head(HEADS_MAX), Some(3..4), 1), first);
        assert_eq!(cache.find(first, HEAD), None);
        let hit = Hit { head_len: 15, content_length: 5, value: 1 };
        assert_eq!(cache.find(first, &head(HEADS_MAX)), Some(hit));
        cache.clear();
        assert_eq!(cache.find(first, &head(HEADS_MAX)), None);
    }

    #[test]
    fn heads_that_a_hit_could_misread_get_no_hint() {
        let mut cache = HeadCache::new();
        let head = |length: &str, rest: usize| {
            format!("A: {length}\r\nB: {}\r\n\r\n", "b".repeat(rest)).into_bytes()
        };
        assert_eq!(cache.insert(b"Transfer-Encoding: chunked\r\n\r\n", None, ()), NO_HINT);
        assert_eq!(cache.insert(&head("1", HEAD_BYTES_MAX), Some(3..4), ()), NO_HINT);
        assert_eq!(cache.insert(&head("01", 1), Some(3..5), ()), NO_HINT);
        assert_eq!(cache.insert(&head("123456789", 1), Some(3..12), ()), NO_HINT);
        assert_eq!(cache.insert(&head("12345678", 1), Some(3..11), ()), 0);
    }
}
