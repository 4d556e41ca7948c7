//! Pairing: by which key this host knows its peer, and how it comes to know one by an invitation.
//!
//! The host that was invited dials with a protocol of its own inside TLS ([`super::tls`]), knows the other one's key from the
//! invitation, and says the secret. The other one then stores the key that was shown, and answers:
//!
//! ```text
//! -> 16 bytes: the secret
//! <- 0 u8: 0 for paired, 1 for refused   1 u8 zero   2 u16 length   4 text: why it is refused
//! ```

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::fingerprint::Fingerprint;
use crate::base::numbers::u16_at;
use crate::base::secret::Secret;
use crate::engine::shared::settings::Trust;
use crate::log::files::invitation::Invitation;
use crate::log::files::paired::{Accepted, Paired};
use crate::os::disk::Disk;

/// The time for which the bearer of a secret that can't be used any more is told why, microseconds; afterwards its bearer is a stranger as any other.
const EXPLAINED_US: u64 = 24 * 3_600 * 1_000_000;
/// Bytes before the text of an answer.
const ANSWER_HEAD_BYTES: usize = 4;

/// This host's knowledge of its peer's key; shared by the verifier of TLS and the link.
pub struct Pairing {
    disk: Arc<dyn Disk>,
    /// Its own key, which is nobody else's.
    own: Fingerprint,
    trust: Trust,
    known: Mutex<Known>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    key: Option<Fingerprint>,
    /// The secret that the peer is to be shown before it knows this host.
    secret: Option<Secret>,
}

/// Why a host is not paired with this one.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such secret was ever given, or it was withdrawn by a later one.
    #[error("there is no such invitation on this host, or a later one has taken its place")]
    Unknown,
    /// It is too late.
    #[error("the invitation has expired")]
    Expired,
    /// Somebody else was quicker.
    #[error("the invitation was used already, by the host with the key {0}")]
    Used(Fingerprint),
    /// It came back to where it was made.
    #[error("the invitation was accepted by the host that made it")]
    Own,
    /// There is a peer.
    #[error("this host is connected with another one: stop that one first")]
    Taken,
    /// The key can't be stored.
    #[error("the key could not be stored: {0}")]
    Disk(#[from] io::Error),
}

/// The answer of the host that has made the invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not all of it is there.
    More,
    /// It knows this host from now on.
    Paired,
    /// It doesn't, for this reason.
    Refused(String),
}

impl Pairing {
    /// Reads what `disk`, the data directory, says.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn of(disk: &Arc<dyn Disk>, own: Fingerprint, trust: Trust) -> io::Result<Self> {
        let known = match trust {
            Trust::Nothing => Known::default(),
            Trust::Key(key) => Known { key: Some(key), secret: None },
            Trust::Directory => Paired::load(&**disk)?.map_or_else(Known::default, |paired| Known {
                key: Some(paired.key),
                secret: paired.secret(),
            }),
        };
        Ok(Self { disk: disk.clone(), own, trust, known: Mutex::new(known) })
    }

    /// Returns the peer's key; nothing as long as there is no peer.
    #[must_use]
    pub fn key(&self) -> Option<Fingerprint> {
        self.known().key
    }

    /// Returns what the peer has to be shown before it knows this host.
    #[must_use]
    pub fn secret(&self) -> Option<Secret> {
        self.known().secret
    }

    /// Returns whether somebody whom this host doesn't know may say a secret.
    #[must_use]
    pub fn is_inviting(&self, wall_us: u64) -> bool {
        let explained = |invitation: &Invitation| wall_us < invitation.until_us.saturating_add(EXPLAINED_US);
        self.trust == Trust::Directory && matches!(self.invitation(), Ok(Some(it)) if explained(&it))
    }

    /// Takes the host that has shown `key` and said `secret` for the peer from now on, durably. One that says it again is told
    /// the same again: its answer may have been lost.
    ///
    /// # Errors
    /// Fails as [`Refused`] says; then nothing has changed. `has_peer`: another host is connected.
    pub fn admit(
        &self,
        secret: Secret,
        key: Fingerprint,
        has_peer: bool,
        wall_us: u64,
    ) -> Result<(), Refused> {
        let invitation = self.invitation()?.filter(|invitation| invitation.secret == secret.hash());
        let invitation = invitation.ok_or(Refused::Unknown)?;
        match invitation.used_by {
            _ if key == self.own => return Err(Refused::Own),
            Some(user) if user == key && self.key() == Some(key) => return Ok(()),
            // A crash came between the two files.
            Some(user) if user == key => {}
            Some(user) => return Err(Refused::Used(user)),
            None if wall_us >= invitation.until_us => return Err(Refused::Expired),
            None if has_peer => return Err(Refused::Taken),
            None => {}
        }
        Invitation { used_by: Some(key), ..invitation }.store(&*self.disk)?;
        Paired { key, accepted: None }.store(&*self.disk)?;
        *self.known() = Known { key: Some(key), secret: None };
        Ok(())
    }

    /// Notes that the peer knows this host: the secret is worth nothing any more.
    ///
    /// # Errors
    /// Returns the error of the disk. The secret is said once more at the next start, then.
    pub fn proven(&self) -> io::Result<()> {
        self.known().secret = None;
        let Some(Paired { key, accepted: Some(accepted) }) = Paired::load(&*self.disk)? else {
            return Ok(());
        };
        Paired { key, accepted: Some(Accepted { secret: None, ..accepted }) }.store(&*self.disk)
    }

    fn invitation(&self) -> io::Result<Option<Invitation>> {
        Invitation::load(&*self.disk)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the answer to a host that has said a secret.
#[must_use]
pub fn answer(outcome: &Result<(), Refused>) -> Vec<u8> {
    let (code, text) = match outcome {
        Ok(()) => (0, String::new()),
        Err(refused) => (1, refused.to_string()),
    };
    let length = u16::try_from(text.len()).unwrap_or(0);
    let mut bytes = vec![code, 0];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes().get(..usize::from(length)).unwrap_or_default());
    bytes
}

/// Reads an answer.
#[must_use]
pub fn read_answer(bytes: &[u8]) -> Answer {
    let Some((head, text)) = bytes.split_at_checked(ANSWER_HEAD_BYTES) else { return Answer::More };
    match (head[0], text.get(..usize::from(u16_at(head, 2)))) {
        (_, None) => Answer::More,
        (0, Some(_)) => Answer::Paired,
        (_, Some(text)) => Answer::Refused(crate::peer::fault::printable(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::files::RealDisk;

    const SECRET: Secret = Secret([1; 16]);
    const HOUR_US: u64 = 3_600_000_000;

    fn inviting(directory: &tempfile::TempDir) -> Pairing {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(directory.path()).expect("a directory"));
        let invitation = Invitation { secret: SECRET.hash(), until_us: HOUR_US, used_by: None };
        invitation.store(&*disk).expect("a file");
        Pairing::of(&disk, Fingerprint([9; 32]), Trust::Directory).expect("readable")
    }

    #[test]
    fn an_invitation_is_used_once_and_changes_nothing_for_anybody_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let (pairing, one, two) = (inviting(&directory), Fingerprint([2; 32]), Fingerprint([3; 32]));
        assert!(pairing.is_inviting(0) && pairing.key().is_none());
        let wrong = Secret([4; 16]);
        assert!(matches!(pairing.admit(wrong, one, false, 0), Err(Refused::Unknown)));
        assert!(matches!(pairing.admit(SECRET, one, false, HOUR_US), Err(Refused::Expired)));
        assert!(matches!(pairing.admit(SECRET, one, true, 0), Err(Refused::Taken)));
        assert!(matches!(pairing.admit(SECRET, Fingerprint([9; 32]), false, 0), Err(Refused::Own)));
        assert_eq!(pairing.key(), None);
        pairing.admit(SECRET, one, false, HOUR_US - 1).expect("in time");
        assert!(matches!(pairing.admit(SECRET, two, false, 0), Err(Refused::Used(by)) if by == one));
        pairing.admit(SECRET, one, true, HOUR_US).expect("the answer may have been lost");
        assert_eq!(pairing.key(), Some(one));
        assert!(!pairing.is_inviting(HOUR_US + EXPLAINED_US), "a stranger as any other");
        let again = Pairing::of(&pairing.disk, pairing.own, Trust::Directory).expect("readable");
        assert_eq!((again.key(), again.secret()), (Some(one), None), "durable");
    }

    #[test]
    fn the_secret_goes_once_it_was_taken_and_the_address_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(directory.path()).expect("a directory"));
        let accepted = Accepted { address: "a:1".to_owned(), secret: Some(SECRET) };
        let paired = Paired { key: Fingerprint([2; 32]), accepted: Some(accepted) };
        paired.store(&*disk).expect("a file");
        let pairing = Pairing::of(&disk, Fingerprint([9; 32]), Trust::Directory).expect("readable");
        assert_eq!(pairing.secret(), Some(SECRET));
        pairing.proven().expect("stored");
        let accepted = Some(Accepted { address: "a:1".to_owned(), secret: None });
        assert_eq!(Paired::load(&*disk).expect("readable"), Some(Paired { accepted, ..paired }));
        assert_eq!(pairing.secret(), None);
    }

    #[test]
    fn an_answer_is_read_once_all_of_it_is_there() {
        for (outcome, read) in [
            (Ok(()), Answer::Paired),
            (Err(Refused::Expired), Answer::Refused("the invitation has expired".to_owned())),
        ] {
            let bytes = answer(&outcome);
            assert!((0..bytes.len()).all(|at| read_answer(&bytes[..at]) == Answer::More));
            assert_eq!(read_answer(&bytes), read);
        }
    }
}
