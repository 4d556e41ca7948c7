//! Which bytes may stand where. Looked up instead of compared, because every byte of a Host and a trailer is asked for.

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const HOST: u8 = 4;

/// For each byte the sets that it belongs to.
const SETS: [u8; 256] = {
    let mut sets = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let is_alphanumeric = (byte as u8).is_ascii_alphanumeric();
        if is_alphanumeric || contains(b"!#$%&'*+-.^_`|~", byte as u8) {
            sets[byte] |= TOKEN;
        }
        if is_alphanumeric || contains(b"-._~!$&'()*+,;=", byte as u8) {
            sets[byte] |= HOST;
        }
        if byte == 9 || (byte >= 32 && byte != 127) {
            sets[byte] |= VALUE;
        }
        byte += 1;
    }
    sets
};

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns whether a byte may stand in a token such as a method or a field's name (RFC 9110, section 5.6.2).
#[inline]
#[must_use]
pub fn is_token(byte: u8) -> bool {
    SETS[usize::from(byte)] & TOKEN != 0
}

/// Returns whether a byte may stand in a field's value: anything but a control character, and the tab (RFC 9110, section 5.5).
#[inline]
#[must_use]
pub fn is_value(byte: u8) -> bool {
    SETS[usize::from(byte)] & VALUE != 0
}

/// Returns whether a byte may stand in a host's name as it is, without percent-encoding (RFC 3986, section 3.2.2).
#[inline]
#[must_use]
pub fn is_host(byte: u8) -> bool {
    SETS[usize::from(byte)] & HOST != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(is_member: fn(u8) -> bool) -> usize {
        (0..=u8::MAX).filter(|&byte| is_member(byte)).count()
    }

    #[test]
    fn sets_have_their_members() {
        assert_eq!((members(is_token), members(is_host), members(is_value)), (77, 77, 256 - 32));
        assert!(is_token(b'!') && !is_token(b':') && !is_token(b' ') && !is_token(0x80));
        assert!(is_host(b'.') && !is_host(b'%') && !is_host(b'/') && !is_host(b'@'));
        assert!(is_value(b'\t') && is_value(0xff) && !is_value(b'\r') && !is_value(0x7f));
    }
}
