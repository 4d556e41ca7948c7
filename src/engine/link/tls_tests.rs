//! Two sides of TLS that talk without a network.

use std::io;
use std::sync::Arc;

use super::pairing::Pairing;
use super::tls::{Keys, Tls, is_refusal, other_key};
use crate::base::fingerprint::Fingerprint;
use crate::engine::shared::key::HostKey;
use crate::engine::shared::settings::Trust;
use crate::os::disk::Disk;
use crate::os::files::RealDisk;

/// The sides of `own`, which knows the key `peer`.
fn keys(own: &HostKey, peer: Fingerprint) -> Keys {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(directory.path()).unwrap());
    let pairing = Pairing::of(&disk, own.fingerprint(), Trust::Key(peer)).unwrap();
    Keys::new(own, &Arc::new(pairing)).unwrap()
}

fn key() -> HostKey {
    let directory = tempfile::tempdir().unwrap();
    HostKey::load_or_make(&RealDisk::open(directory.path()).unwrap()).unwrap()
}

/// Carries bytes both ways until nothing moves; gives what each side read, or how it failed.
fn talk(dialer: &mut Tls, acceptor: &mut Tls) -> (io::Result<Vec<u8>>, io::Result<Vec<u8>>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut left_failed, mut right_failed) = (None, None);
    for _ in 0..8 {
        let mut wire = Vec::new();
        dialer.write(&mut wire).unwrap();
        step(acceptor, &wire, &mut right, &mut right_failed);
        let mut wire = Vec::new();
        acceptor.write(&mut wire).unwrap();
        step(dialer, &wire, &mut left, &mut left_failed);
    }
    (left_failed.map_or(Ok(left), Err), right_failed.map_or(Ok(right), Err))
}

fn step(side: &mut Tls, wire: &[u8], plain: &mut Vec<u8>, failed: &mut Option<io::Error>) {
    let mut rest = wire;
    while !rest.is_empty() && failed.is_none() {
        *failed = side.read(&mut rest, plain).err();
    }
}

#[test]
fn two_that_know_each_other_talk() {
    let (a, b) = (key(), key());
    let (from_a, from_b) = (keys(&a, b.fingerprint()), keys(&b, a.fingerprint()));
    let (mut dialer, mut acceptor) = (from_a.dial(false).unwrap(), from_b.accept(false).unwrap());
    assert_eq!(dialer.encrypt(b"early").unwrap(), 0, "nothing leaves before the keys are verified");
    let (left, right) = talk(&mut dialer, &mut acceptor);
    assert_eq!((left.unwrap(), right.unwrap()), (vec![], vec![]));
    assert!(!dialer.is_handshaking() && !acceptor.is_handshaking());
    assert_eq!((dialer.encrypt(b"hello").unwrap(), acceptor.encrypt(b"good day").unwrap()), (5, 8));
    let (left, right) = talk(&mut dialer, &mut acceptor);
    assert_eq!((left.unwrap(), right.unwrap()), (b"good day".to_vec(), b"hello".to_vec()));
}

#[test]
fn a_stranger_is_refused_whichever_side_dials() {
    let (a, b, stranger) = (key(), key(), key());
    let ours = keys(&a, b.fingerprint());
    let theirs = keys(&stranger, a.fingerprint());
    let (left, right) = talk(&mut ours.dial(false).unwrap(), &mut theirs.accept(false).unwrap());
    assert_eq!(other_key(&left.unwrap_err()), Some(stranger.fingerprint()));
    assert!(is_refusal(&right.unwrap_err()), "the other side is told");
    let (left, right) = talk(&mut theirs.dial(false).unwrap(), &mut ours.accept(false).unwrap());
    assert_eq!(other_key(&right.unwrap_err()), Some(stranger.fingerprint()));
    assert!(is_refusal(&left.unwrap_err()));
}

/// Shows the right public key, but cannot sign with its private one.
#[test]
fn a_borrowed_public_key_is_not_enough() {
    let (a, b, stranger) = (key(), key(), key());
    let ours = keys(&a, b.fingerprint());
    let forged = HostKey::forged(stranger.pkcs8(), b.spki());
    let theirs = keys(&forged, a.fingerprint());
    let (left, _) = talk(&mut ours.dial(false).unwrap(), &mut theirs.accept(false).unwrap());
    assert!(left.is_err());
    let (_, right) = talk(&mut theirs.dial(false).unwrap(), &mut ours.accept(false).unwrap());
    assert!(right.is_err());
}

#[test]
fn whoever_is_invited_shows_a_key_that_nobody_knows_and_others_are_refused_as_ever() {
    let (a, b, stranger) = (key(), key(), key());
    let (inviting, invited) = (keys(&a, b.fingerprint()), keys(&stranger, a.fingerprint()));
    let (mut dialer, mut acceptor) = (invited.dial(true).unwrap(), inviting.accept(true).unwrap());
    let (left, right) = talk(&mut dialer, &mut acceptor);
    assert!(left.is_ok() && right.is_ok() && !dialer.is_handshaking());
    assert_eq!(acceptor.introduced(), Some(stranger.fingerprint()));
    assert_eq!(dialer.encrypt(b"secret").unwrap(), 6);
    assert_eq!(talk(&mut dialer, &mut acceptor).1.unwrap(), b"secret");
    let (mut dialer, mut acceptor) = (invited.dial(false).unwrap(), inviting.accept(true).unwrap());
    let (left, right) = talk(&mut dialer, &mut acceptor);
    assert_eq!(other_key(&right.unwrap_err()), Some(stranger.fingerprint()));
    assert!(is_refusal(&left.unwrap_err()) && acceptor.introduced().is_none());
    let (mut dialer, mut acceptor) = (invited.dial(true).unwrap(), inviting.accept(false).unwrap());
    let (left, right) = talk(&mut dialer, &mut acceptor);
    assert!(is_refusal(&left.unwrap_err()) && right.is_err(), "nobody is invited");
    let (mut dialer, mut acceptor) =
        (keys(&b, a.fingerprint()).dial(false).unwrap(), inviting.accept(true).unwrap());
    let (left, right) = talk(&mut dialer, &mut acceptor);
    assert!(left.is_ok() && right.is_ok() && acceptor.introduced().is_none(), "the peer as ever");
}
