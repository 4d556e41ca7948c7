//! Random numbers of the operating system, for identities.

use crate::base::ids::{ClusterId, NodeId};

/// Returns a new cluster's id.
///
/// # Errors
/// Fails if the system has no source of randomness.
pub fn cluster_id() -> std::io::Result<ClusterId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(ClusterId(bytes))
}

/// Returns a new data directory's id.
///
/// # Errors
/// Fails if the system has no source of randomness.
pub fn node_id() -> std::io::Result<NodeId> {
    Ok(NodeId(getrandom::u64()?))
}

/// Returns the random part of the id of this start of the process.
///
/// # Errors
/// Fails if the system has no source of randomness.
pub fn start() -> std::io::Result<u32> {
    Ok(getrandom::u32()?)
}

/// Returns a new token: 256 random bits in hexadecimal digits, behind a word by which scanners for secrets find it.
///
/// # Panics
/// The system has no source of randomness any more.
#[must_use]
pub fn token() -> String {
    let bits = [bytes(), bytes()].concat();
    bits.iter().fold("pixeld_".to_owned(), |token, byte| format!("{token}{byte:02x}"))
}

/// Returns sixteen random bytes.
///
/// # Panics
/// The system has no source of randomness any more, although a server needed it at its start.
#[must_use]
pub fn bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// Returns a random number.
///
/// # Errors
/// Fails if the system has no source of randomness.
pub fn number() -> std::io::Result<u64> {
    Ok(getrandom::u64()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_not_the_same() {
        assert_ne!(cluster_id().unwrap(), cluster_id().unwrap());
        assert_ne!(node_id().unwrap(), node_id().unwrap());
        assert_ne!((start().unwrap(), start().unwrap()), (start().unwrap(), start().unwrap()));
        assert_ne!(bytes(), bytes());
    }
}
