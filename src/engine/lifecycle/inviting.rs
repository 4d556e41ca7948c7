//! Inviting: two hosts are paired by one command on each, and no key is copied. The first one makes an invitation, which the other
//! one's directory is made with; what the two say to each other when they run is in [`crate::engine::link::pairing`].

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use super::founding::{self, FoundError, Known};
use crate::base::fingerprint::{Fingerprint, hex};
use crate::base::ids::ClusterId;
use crate::base::secret::{self, Secret};
use crate::log::files::identity::Identity;
use crate::log::files::invitation::Invitation;
use crate::log::files::newcomer;
use crate::log::files::paired::{Accepted, Paired};
use crate::os::address::Address;
use crate::os::disk::Disk;
use crate::os::files::RealDisk;
use crate::os::random;

/// The beginning of the text of an invitation, by which scanners for secrets find it.
const PREFIX: &str = "pixeld-invitation-1";

/// An invitation as it is carried to the other host. Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where the first host is dialed.
    pub address: Address,
    cluster: ClusterId,
    lineage: u64,
    key: Fingerprint,
    secret: Secret,
    /// Until when it may be used, microseconds since 1970.
    pub until_us: u64,
}

/// The text is no invitation, or not all of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl Token {
    /// Returns the cluster that it leads to, with the lineage of its records.
    #[must_use]
    pub fn cluster(&self) -> (ClusterId, u64) {
        (self.cluster, self.lineage)
    }

    fn paired(&self) -> Paired {
        let accepted = Accepted { address: self.address.to_string(), secret: Some(self.secret) };
        Paired { key: self.key, accepted: Some(accepted) }
    }

    /// Returns everything but the checksum.
    fn body(&self) -> String {
        let digits =
            |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let Self { address, cluster, lineage, key, secret, until_us } = self;
        let (key, secret) = (digits(&key.0), digits(&secret.0));
        format!("{PREFIX}.{cluster}.{lineage:016x}.{key}.{secret}.{until_us:016x}@{address}")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body();
        write!(f, "{body}.{:08x}", secret::checksum(&body))
    }
}

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (body, sum) = text.trim().rsplit_once('.').ok_or(NoToken)?;
        let (fields, address) = body.split_once('@').ok_or(NoToken)?;
        let fields: Vec<&str> = fields.split('.').collect();
        let [PREFIX, cluster, lineage, key, secret, until] = fields[..] else { return Err(NoToken) };
        let is_whole = hex(sum).map(u32::from_be_bytes) == Some(secret::checksum(body));
        let read = || {
            Some(Self {
                address: Address::parse(address)?,
                cluster: ClusterId(hex(cluster)?),
                lineage: u64::from_be_bytes(hex(lineage)?),
                key: Fingerprint(hex(key)?),
                secret: Secret(hex(secret)?),
                until_us: u64::from_be_bytes(hex(until)?),
            })
        };
        read().filter(|_| is_whole).ok_or(NoToken)
    }
}

/// Invites one other host to the directory at `path`, which is made where it is missing and on which a server may be running. An
/// invitation of before is void.
///
/// # Errors
/// Fails as [`FoundError`] says.
pub fn invite(
    path: &Path,
    segment_bytes: u64,
    address: Address,
    valid: Duration,
    wall_us: u64,
) -> Result<Token, FoundError> {
    let io = |source| FoundError::Io { path: path.to_owned(), source };
    let Known { cluster, lineage, key, .. } = match founding::known(path) {
        Err(FoundError::None { .. }) => founding::found(path, segment_bytes, None)?,
        known => known?,
    };
    let disk = RealDisk::open(path).map_err(io)?;
    if newcomer::is_marked(&disk).map_err(io)? {
        return Err(FoundError::Joining { path: path.to_owned() });
    }
    let secret = Secret(random::bytes());
    let until_us = wall_us.saturating_add(u64::try_from(valid.as_micros()).unwrap_or(u64::MAX));
    Invitation { secret: secret.hash(), until_us, used_by: None }.store(&disk).map_err(io)?;
    Ok(Token { address, cluster, lineage, key, secret, until_us })
}

/// Makes the directory at `path` for a host that is invited, as [`founding::found`] does. One that was made by an invitation which
/// it never used takes this one in its place.
///
/// # Errors
/// Fails as [`FoundError`] says; what was there is unchanged.
pub fn accept(path: &Path, segment_bytes: u64, token: &Token) -> Result<Known, FoundError> {
    let made = founding::found_paired(path, segment_bytes, Some(token.cluster()), Some(&token.paired()));
    let Err(already @ FoundError::Already { .. }) = made else { return made };
    let io = |source| FoundError::Io { path: path.to_owned(), source };
    let disk = RealDisk::open(path).map_err(io)?;
    let is_unused = Paired::load(&disk).map_err(io)?.is_some_and(|paired| paired.secret().is_some());
    if !is_unused || !is_of(&disk, token).map_err(io)? {
        return Err(already);
    }
    token.paired().store(&disk).map_err(io)?;
    founding::known(path)
}

/// Returns whether the directory belongs to the cluster that `token` leads to.
fn is_of(disk: &dyn Disk, token: &Token) -> io::Result<bool> {
    let identity = Identity::load(disk)?;
    Ok(identity.is_some_and(|identity| (identity.cluster, identity.lineage) == token.cluster()))
}

/// Returns where the directory at `path` dials the host that has invited it; nothing unless it was invited.
///
/// # Errors
/// Returns the error of reading it.
pub fn dialed(path: &Path) -> Result<Option<Address>, FoundError> {
    let io = |source| FoundError::Io { path: path.to_owned(), source };
    if !path.is_dir() {
        return Ok(None);
    }
    let paired = Paired::load(&RealDisk::open(path).map_err(io)?).map_err(io)?;
    let accepted = paired.and_then(|paired| paired.accepted);
    Ok(accepted.and_then(|accepted| Address::parse(&accepted.address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::SEGMENT_BYTES_MIN;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    #[test]
    fn a_text_that_lacks_something_is_no_invitation() {
        let token = Token {
            address: address("[2001:db8::1]:8001"),
            cluster: ClusterId([1; 16]),
            lineage: 2,
            key: Fingerprint([3; 32]),
            secret: Secret([4; 16]),
            until_us: 5,
        };
        let named = Token { address: address("host-a.internal:8001"), ..token.clone() };
        for token in [token, named] {
            let text = token.to_string();
            assert_eq!(text.parse(), Ok(token));
            assert!((0..text.len()).all(|at| text[..at].parse::<Token>() == Err(NoToken)));
            assert_eq!(text.replace("0101", "0102").parse::<Token>(), Err(NoToken), "one digit is wrong");
        }
    }

    #[test]
    fn an_invitation_that_was_never_used_is_replaced_by_another_one() {
        let parent = tempfile::tempdir().expect("a directory");
        let (a, b) = (parent.path().join("a"), parent.path().join("b"));
        let invite = || super::invite(&a, SEGMENT_BYTES_MIN, address("a:1"), HOUR, 7);
        let first = invite().expect("it makes the directory too");
        assert_eq!(first.until_us, 7 + 3_600_000_000);
        let joined = accept(&b, SEGMENT_BYTES_MIN, &first).expect("made");
        assert_eq!((joined.cluster, dialed(&b).expect("readable")), (first.cluster, Some(address("a:1"))));
        let refused = super::invite(&b, SEGMENT_BYTES_MIN, address("b:1"), HOUR, 7);
        assert!(matches!(refused, Err(FoundError::Joining { .. })));
        let second = invite().expect("again");
        assert_ne!(first.secret, second.secret);
        assert_eq!(accept(&b, SEGMENT_BYTES_MIN, &second).expect("another try"), joined);
        let disk = RealDisk::open(&b).expect("a directory");
        assert_eq!(Paired::load(&disk).expect("readable"), Some(second.paired()));
        let used = Accepted { address: "a:1".to_owned(), secret: None };
        Paired { key: first.key, accepted: Some(used) }.store(&disk).expect("stored");
        assert!(matches!(accept(&b, SEGMENT_BYTES_MIN, &second), Err(FoundError::Already { .. })));
        let elsewhere = Token { cluster: ClusterId([9; 16]), ..second };
        assert!(matches!(accept(&a, SEGMENT_BYTES_MIN, &elsewhere), Err(FoundError::Already { .. })));
        assert_eq!(dialed(&a).expect("readable"), None, "the one that invites dials nobody");
    }
}
