//! The secret that agents and masters share. It is never sent: each side proves that it has it, for this connection only.

use crate::agent::limits::{SECRET_FILE_BYTES_MAX, TOKEN_BYTES};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What is known of the TLS connection to its two ends only (RFC 5705, RFC 8446 section 7.5). Whoever stands between
/// them has two connections, with another one each, so a proof can't be passed on.
pub type Channel = [u8; 32];

/// Who proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one who directs.
    Master,
    /// The one who is directed.
    Agent,
}

/// The secret.
#[derive(Clone)]
pub struct Token(hmac::Key);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([hidden])")
    }
}

impl Token {
    /// Takes a text without the spaces and line ends around it.
    ///
    /// # Errors
    /// Returns a sentence for one that is too short to be a secret, or too long.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !TOKEN_BYTES.contains(&text.len()) {
            return Err(format!(
                "a token has {} to {} characters; make one with `openssl rand -hex 32`",
                TOKEN_BYTES.start(),
                TOKEN_BYTES.end()
            ));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())))
    }

    /// Reads the file that holds it.
    ///
    /// # Errors
    /// Returns a sentence with the file's name.
    pub fn read(file: &Path) -> Result<Self, String> {
        let wrong = |what: String| format!("--token-file {}: {what}", file.display());
        Self::new(&secret_text(file).map_err(wrong)?).map_err(wrong)
    }

    /// Returns the proof that `side` has the token, for this connection.
    #[must_use]
    pub fn proof(&self, side: Side, channel: &Channel) -> String {
        STANDARD.encode(hmac::sign(&self.0, &message(side, channel)))
    }

    /// Returns whether `proof` is that of `side`. Takes as long for every wrong one.
    #[must_use]
    pub fn is_proof(&self, proof: &str, side: Side, channel: &Channel) -> bool {
        let Ok(bytes) = STANDARD.decode(proof) else { return false };
        hmac::verify(&self.0, &message(side, channel), &bytes).is_ok()
    }
}

fn message(side: Side, channel: &Channel) -> Vec<u8> {
    let label: &[u8] = match side {
        Side::Master => b"pixeld bench master",
        Side::Agent => b"pixeld bench agent",
    };
    [label, channel].concat()
}

/// Reads a small file of text.
pub(super) fn secret_text(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| error.to_string())?;
    let read = opened.take(SECRET_FILE_BYTES_MAX + 1).read_to_string(&mut text);
    match read.map_err(|error| error.to_string())? as u64 {
        bytes if bytes > SECRET_FILE_BYTES_MAX => Err("longer than a secret".into()),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_good_for_one_side_of_one_connection() {
        let (token, other) =
            (Token::new("0123456789abcdef").unwrap(), Token::new("0123456789abcdeg").unwrap());
        let (channel, elsewhere) = ([7; 32], [8; 32]);
        let proof = token.proof(Side::Master, &channel);
        assert!(token.is_proof(&proof, Side::Master, &channel));
        for (token, side, channel) in [
            (&other, Side::Master, &channel),
            (&token, Side::Agent, &channel),
            (&token, Side::Master, &elsewhere),
        ] {
            assert!(!token.is_proof(&proof, side, channel), "{side:?} {channel:?}");
        }
        for wrong in ["", "!", "AAAA", &proof[1..]] {
            assert!(!token.is_proof(wrong, Side::Master, &channel), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn tokens_by_length_and_file() {
        for (text, is_taken) in [
            ("0123456789abcde", false),
            ("  0123456789abcdef\n", true),
            (&"x".repeat(1024), true),
            (&"x".repeat(1025), false),
        ] {
            assert_eq!(Token::new(text).is_ok(), is_taken, "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let proof = Token::new("0123456789abcdef").unwrap().proof(Side::Agent, &[0; 32]);
        assert!(Token::read(&file).unwrap().is_proof(&proof, Side::Agent, &[0; 32]));
        assert!(Token::read(Path::new("/dev/zero")).unwrap_err().contains("/dev/zero"));
        assert!(Token::read(&folder.path().join("none")).unwrap_err().contains("none"));
    }
}
