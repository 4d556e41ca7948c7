//! A journal that is damaged in any way gives an exact prefix or the place of the damage; with the loss accepted, it gives a
//! prefix and opens again.

use std::sync::OnceLock;

use crate::journal::{Batch, Host, SEGMENT_BYTES, options};
use crate::sim_disk::{Fall, SimDisk};
use pixeld::log::format::segment;
use pixeld::log::recover::{OpenOptions, RecoverError};

/// Two segments, the batches in them, and what the files hold.
struct Sound {
    disk: SimDisk,
    written: Vec<Batch>,
    files: [Vec<u8>; 2],
}

fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let disk = SimDisk::new();
        let mut host = Host::open(&disk).expect("an empty disk");
        for number in 0.. {
            if host.opened.appender.position().0 >= 3 * SEGMENT_BYTES - 4_000 {
                break;
            }
            host.append(200 + 391 * (number % 6), true);
        }
        let disk = disk.fall(Fall::Kill);
        let files = [1, 2].map(|number| disk.content(&segment::name(number)));
        Sound { disk, written: host.written, files }
    })
}

/// Damages both files as the input says: five bytes for each of at most six edits.
fn damaged(input: &[u8]) -> [Vec<u8>; 2] {
    let mut files = sound().files.clone();
    for edit in input.chunks_exact(5).take(6) {
        let [kind, value, which, low, high] = *edit else { break };
        let file = &mut files[usize::from(which % 2)];
        let at = usize::from(u16::from_le_bytes([low, high])) % (file.len() + 1);
        let end = (at + 1 + usize::from(value) * 16).min(file.len());
        match kind % 6 {
            0 => file[at..end.min(at + 1)].iter_mut().for_each(|byte| *byte ^= value),
            1 => file[at..end].fill(value & 1),
            2 => file.truncate(at),
            3 => file[at..].fill(0),
            // A write that went elsewhere.
            4 => {
                let from = at / 512 * 512..end;
                let to = usize::from(value) * 16 % (file.len() - from.len() + 1);
                file.copy_within(from, to);
            }
            // One from a place of the other file.
            _ => {
                let other = sound().files[usize::from(1 - which % 2)].clone();
                let end = end.min(other.len());
                if at < end {
                    file[at..end].copy_from_slice(&other[at..end]);
                }
            }
        }
    }
    files
}

pub fn check(input: &[u8]) {
    let Sound { disk, written, .. } = sound();
    let damaged_disk = disk.copy();
    for (number, file) in (1..).zip(damaged(input)) {
        damaged_disk.replace(&segment::name(number), &file);
    }
    match Host::open(&damaged_disk.copy()) {
        Ok(host) => assert_prefix(&host.replayed, written),
        Err(error @ (RecoverError::Damaged(_) | RecoverError::NoBase(_))) => {
            let text = error.to_string();
            assert!(text.contains(".seg at offset "), "{text}");
            accept(&damaged_disk, written);
        }
        Err(error) => panic!("{error}"),
    }
}

fn accept(disk: &SimDisk, written: &[Batch]) {
    let accepting = OpenOptions { accept_loss: true, ..options(77) };
    match Host::open_with(disk, &accepting) {
        Ok(host) => assert_prefix(&host.replayed, written),
        // Without its first segment there is nothing to start from.
        Err(RecoverError::NoBase(_)) => return,
        Err(error) => panic!("{error}"),
    }
    let again = Host::open(disk).unwrap_or_else(|error| panic!("after the loss was accepted: {error}"));
    assert_prefix(&again.replayed, written);
}

fn assert_prefix(found: &[Batch], written: &[Batch]) {
    assert!(
        found.len() <= written.len() && found == &written[..found.len()],
        "no prefix of what was written"
    );
}
