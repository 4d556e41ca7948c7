//! Blobs on a simulated disk: whole or not there, whatever call the process or the machine goes down at.

use crate::sim_disk;

use std::io::ErrorKind;
use std::sync::Arc;

use pixeld::base::blob::BlobId;
use pixeld::log::blobs::check::Fault;
use pixeld::log::blobs::files::FileStore;
use pixeld::log::blobs::{Blobs, id_of};
use sim_disk::{Failure, Fall, SimDisk};

fn blobs(disk: &SimDisk) -> Arc<Blobs> {
    Arc::new(Blobs::new(Box::new(FileStore::new(disk.shared()))))
}

fn content(seed: u8) -> Vec<u8> {
    (0..3000_u32).map(|at| ((at * u32::from(seed)) >> 3) as u8).collect()
}

/// Writes contents 1, 2, 1 and removes 2; gives those that were finished before it went down.
fn work(disk: &SimDisk) -> (Vec<BlobId>, bool) {
    let blobs = blobs(disk);
    let (mut finished, mut is_removed) = (Vec::new(), false);
    for seed in [1, 2, 1] {
        let write = || {
            let mut writer = blobs.writer()?;
            content(seed).chunks(1000).try_for_each(|piece| writer.write(piece))?;
            writer.finish()
        };
        match write() {
            Ok(pin) => finished.push(pin.id()),
            Err(_) => return (finished, is_removed),
        }
    }
    is_removed = true;
    let _ = blobs.remove(vec![id_of(&content(2))], |_| false);
    (finished, is_removed)
}

#[test]
fn a_blob_is_kept_once_and_read_back() {
    let disk = SimDisk::new();
    let blobs = blobs(&disk);
    let first = blobs.keep(&content(1)).unwrap();
    let again = blobs.keep(&content(1)).unwrap();
    assert_eq!(first.id(), id_of(&content(1)));
    let text = first.id().to_string();
    assert_eq!(disk.content(&format!("blobs/{}/{}", &text[..2], &text[2..])), content(1));
    assert_eq!(blobs.read(&again.id()).unwrap(), content(1));
    let reader = blobs.open(&first.id()).unwrap();
    let mut part = [0; 10];
    reader.read_at(&mut part, 2990).unwrap();
    assert_eq!((part, reader.size_bytes()), (content(1)[2990..].try_into().unwrap(), 3000));
    assert_eq!(reader.read_at(&mut part, 2991).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let unknown = id_of(b"nobody wrote this");
    assert_eq!(blobs.open(&unknown).err().unwrap().kind(), ErrorKind::NotFound);
    assert!(!blobs.contains(&unknown).unwrap() && blobs.contains(&first.id()).unwrap());
}

/// What is there under a name, and is another content, is not there: until the right one is kept.
#[test]
fn another_content_under_the_name_is_found_and_mended() {
    let content = content(3);
    for (wrong, fault) in [
        ([&content[..2999], &[content[2999] ^ 1]].concat(), Fault::Damaged),
        (content[..1000].to_vec(), Fault::Damaged),
        (Vec::new(), Fault::Damaged),
        ([&content[..], b"x"].concat(), Fault::Damaged),
    ] {
        let disk = SimDisk::new();
        let blobs = blobs(&disk);
        let id = blobs.keep(&content).unwrap().id();
        let text = id.to_string();
        disk.replace(&format!("blobs/{}/{}", &text[..2], &text[2..]), &wrong);
        assert_eq!(blobs.check(&id, &mut |_| true).unwrap(), Some(fault));
        assert!(blobs.pin_present(&id).unwrap().is_none(), "{} bytes", wrong.len());
        assert_eq!(blobs.faults().of(&id), Some(fault));
        assert_eq!(blobs.open(&id).err().unwrap().kind(), ErrorKind::InvalidData);
        drop(blobs.keep(&content).unwrap());
        assert_eq!((blobs.faults().of(&id), blobs.read(&id).unwrap()), (None, content.clone()));
        assert!(blobs.pin_present(&id).unwrap().is_some());
        blobs.remove(vec![id], |_| false).unwrap();
        assert!(blobs.pin_present(&id).unwrap().is_none());
        assert_eq!(blobs.check(&id, &mut |_| true).unwrap(), Some(Fault::Missing));
    }
}

#[test]
fn a_pinned_or_named_blob_stays() {
    let disk = SimDisk::new();
    let blobs = blobs(&disk);
    let (first, second) = (blobs.keep(&content(1)).unwrap(), blobs.keep(&content(1)).unwrap());
    let id = first.id();
    drop(first);
    assert_eq!(blobs.remove(vec![id], |_| false).unwrap(), (0, vec![id]), "the second pin holds it");
    drop(second);
    assert_eq!(blobs.remove(vec![id], |named| *named == id).unwrap(), (0, vec![]));
    assert!(blobs.contains(&id).unwrap());
    assert_eq!(blobs.remove(vec![id], |_| false).unwrap(), (1, vec![]));
    assert!(!blobs.contains(&id).unwrap());
    assert_eq!(blobs.remove(vec![id], |_| false).unwrap(), (0, vec![]), "it is gone already");
}

#[test]
fn what_is_dropped_or_fails_leaves_nothing() {
    let disk = SimDisk::new();
    let blobs = blobs(&disk);
    let mut writer = blobs.writer().unwrap();
    writer.write(b"half a content").unwrap();
    assert_eq!((writer.read_back().unwrap(), writer.size_bytes()), (b"half a content".to_vec(), 14));
    drop(writer);
    blobs.clear_abandoned().unwrap();
    assert_eq!((blobs.remove_unfinished().unwrap(), blobs.list().unwrap()), (0, vec![]));
    // A sync that fails is not tried again: the content has to be sent once more.
    disk.fail_at(2, Failure::Error(ErrorKind::Other), 1);
    assert!(blobs.keep(b"content").is_err());
    assert!(!blobs.contains(&id_of(b"content")).unwrap());
    assert_eq!((blobs.remove_unfinished().unwrap(), blobs.list().unwrap()), (0, vec![]));
    assert!(blobs.keep(b"content").is_ok(), "a new file, a new sync");
}

/// Every call, killed or without power: what was finished is there, what is there is whole, and what nobody names is found and
/// removed.
#[test]
fn whole_or_not_there_at_every_call() {
    let calls = {
        let disk = SimDisk::new();
        work(&disk);
        disk.calls()
    };
    assert!(calls > 15, "{calls}");
    let both = [id_of(&content(1)), id_of(&content(2))];
    for call in 0..calls {
        for seed in 0..20 {
            let disk = SimDisk::new();
            disk.fail_at(call, Failure::Crash, seed);
            let (finished, is_removed) = work(&disk);
            for fall in [Fall::Kill, Fall::Power(seed)] {
                let after = disk.fall(fall);
                let found = blobs(&after);
                for id in finished.iter().filter(|id| !is_removed || **id != both[1]) {
                    assert!(found.contains(id).unwrap(), "call {call}, {fall:?}: lost after it was finished");
                }
                for id in &both {
                    assert!(
                        !found.contains(id).unwrap() || found.read(id).is_ok(),
                        "call {call}, {fall:?}: torn"
                    );
                }
                found.remove_unfinished().unwrap();
                found
                    .find_leftovers(|all| Ok(all.into_iter().filter(|id| *id != both[0]).collect()))
                    .unwrap();
                found.remove(found.take_leftovers(), |_| false).unwrap();
                assert!(!found.contains(&both[1]).unwrap(), "call {call}, {fall:?}: not swept");
                assert_eq!(found.remove_unfinished().unwrap(), 0, "call {call}, {fall:?}");
            }
        }
    }
}
