//! Fingerprints of public keys, by which one host knows the other.

use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "sha256:";

/// SHA-256 of a public key in the form that RFC 5280 calls SubjectPublicKeyInfo (DER). Written `sha256:` and 64
/// hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFingerprint;

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(PREFIX).ok_or(NoFingerprint)?;
        hex(digits).map(Self).ok_or(NoFingerprint)
    }
}

/// Reads `N` bytes of 2 N hexadecimal digits, and nothing else.
#[must_use]
pub fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let mut bytes = [0xab; 32];
        bytes[0] = 0x01;
        let text = Fingerprint(bytes).to_string();
        assert!(text.starts_with("sha256:01abab") && text.len() == 7 + 64);
        assert_eq!(text.parse(), Ok(Fingerprint(bytes)));
        assert_eq!(text.to_uppercase().replace("SHA", "sha").parse(), Ok(Fingerprint(bytes)));
        let cut = &text[..text.len() - 1];
        for wrong in [cut, &text[7..], "", "sha256:", &text.replace("01", "+1"), &format!("{text}00")] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NoFingerprint), "{wrong}");
        }
    }
}
