//! The Idempotency-Key field (draft-ietf-httpapi-idempotency-key-header) and the identities made from it.

use uuid::Uuid;

use crate::apps::toys::limits::TOYS_KEY_BYTES_MAX;
use crate::base::ids::ClusterId;
use crate::base::sha256::sha256;
use crate::http::request::Head;

use super::record::{Fingerprint, KeyId};

/// Why a field is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It stands there twice, is empty, or holds what may not stand in it.
    Malformed,
    /// It is longer than [`TOYS_KEY_BYTES_MAX`].
    Long,
}

/// Returns the request's key, without the quotes of a structured field's string (RFC 9651, section 3.3.3); a key that was
/// sent without quotes is taken as it is, because many clients do that.
///
/// # Errors
/// Fails as [`KeyError`] says.
pub fn key_of(head: &Head<'_>) -> Result<Option<String>, KeyError> {
    let mut values = head.values("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| KeyError::Malformed)?.trim();
    if values.next().is_some() {
        return Err(KeyError::Malformed);
    }
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest).ok_or(KeyError::Malformed)?,
        None => text.to_owned(),
    };
    let is_clean = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if key.len() > TOYS_KEY_BYTES_MAX {
        return Err(KeyError::Long);
    }
    if key.is_empty() || !is_clean { Err(KeyError::Malformed) } else { Ok(Some(key)) }
}

/// Returns what stands before the closing quote, which must be the end.
fn unquoted(rest: &str) -> Option<String> {
    let mut key = String::with_capacity(rest.len());
    let mut letters = rest.chars();
    loop {
        match letters.next()? {
            '"' => return letters.next().is_none().then_some(key),
            '\\' => key.push(letters.next().filter(|letter| matches!(letter, '"' | '\\'))?),
            letter => key.push(letter),
        }
    }
}

/// Returns the id of the order with this key: the same on both hosts of a cluster, another one in every other cluster.
#[must_use]
pub fn order_id(cluster: ClusterId, key: &str) -> Uuid {
    Uuid::new_v5(&Uuid::from_bytes(cluster.0), key.as_bytes())
}

/// Returns the bytes that a toy's key is logged as: the same on both hosts of a cluster. Orders are looked up elsewhere, so
/// one key may be used for both.
#[must_use]
pub fn key_id(cluster: ClusterId, key: &str) -> KeyId {
    order_id(cluster, key).into_bytes()
}

/// Returns what tells one body from another. Never all zeros, which mean that there was no key.
#[must_use]
pub fn fingerprint(body: &[u8]) -> Fingerprint {
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&sha256(body)[..16]);
    fingerprint[0] |= 1;
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

    fn key(fields: &str) -> Result<Option<String>, KeyError> {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut slots = HeaderSlots::new();
        key_of(&parse_head(text.as_bytes(), &mut slots, &Limits::default()).unwrap())
    }

    #[test]
    fn keys_with_and_without_quotes_are_the_same() {
        assert_eq!(key(""), Ok(None));
        for field in ["8e03978e-40d5", "\"8e03978e-40d5\"", "  \"8e03978e-40d5\" "] {
            assert_eq!(key(&format!("idempotency-KEY: {field}\r\n")), Ok(Some("8e03978e-40d5".to_owned())));
        }
        assert_eq!(key("Idempotency-Key: \"a\\\"b\\\\c\"\r\n"), Ok(Some("a\"b\\c".to_owned())));
        let longest = "k".repeat(TOYS_KEY_BYTES_MAX);
        assert_eq!(key(&format!("Idempotency-Key: {longest}\r\n")), Ok(Some(longest.clone())));
        assert_eq!(key(&format!("Idempotency-Key: {longest}k\r\n")), Err(KeyError::Long));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for field in ["", "\"", "\"\"", "\"a", "\"a\"b", "\"a\\b\"", "\"a\\\"", "a\tb", "\u{e9}"] {
            assert_eq!(key(&format!("Idempotency-Key: {field}\r\n")), Err(KeyError::Malformed), "{field}");
        }
        assert_eq!(key("Idempotency-Key: a\r\nIdempotency-Key: a\r\n"), Err(KeyError::Malformed));
    }

    #[test]
    fn ids_are_version_5_of_cluster_and_key() {
        let id = order_id(ClusterId([7; 16]), "k");
        assert_eq!((id.get_version_num(), id), (5, order_id(ClusterId([7; 16]), "k")));
        assert_ne!(id, order_id(ClusterId([8; 16]), "k"));
        assert_ne!(id, order_id(ClusterId([7; 16]), "l"));
        assert_ne!(fingerprint(b"a"), fingerprint(b"b"));
    }
}
