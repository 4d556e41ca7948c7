//! A journal that is cut at every byte or has any bit flipped gives an exact prefix or a named damage.

use crate::journal;
use crate::sim_disk;

use std::io::ErrorKind;

use journal::{Batch, CLUSTER, Host, NODE, SEGMENT_BYTES, options};
use pixeld::base::ids::Position;
use pixeld::log::format::frame::{FRAME_HEAD_BYTES, Look, Place, SlotKey, look};
use pixeld::log::format::segment;
use pixeld::log::inspect::{self, InspectError};
use pixeld::log::read::scan::ReadError;
use pixeld::log::recover::RecoverError;
use sim_disk::{Failure, Fall, SimDisk};

/// Two segments of batches, 64 KiB: all but the last few of them known to be durable.
fn journal() -> (SimDisk, Vec<Batch>) {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    let mut number = 0;
    while host.opened.appender.position().0 < 3 * SEGMENT_BYTES - 4000 {
        host.append(200 + 391 * (number % 6), true);
        number += 1;
    }
    (disk.fall(Fall::Kill), host.written)
}

/// Opens the damaged disk: an exact prefix, or a refusal that names a place. Gives the prefix's length.
fn open_damaged(disk: &SimDisk, written: &[Batch], context: &str) -> Option<usize> {
    match Host::open(disk) {
        Ok(host) => {
            let found = host.replayed;
            assert!(found.len() <= written.len(), "{context}: invented batches");
            assert!(found == written[..found.len()], "{context}: not a prefix");
            Some(found.len())
        }
        Err(RecoverError::Damaged(damage)) => {
            let text = damage.to_string();
            assert!(text.contains(".seg at offset "), "{context}: {text}");
            None
        }
        Err(error) => panic!("{context}: {error}"),
    }
}

#[test]
fn cut_at_every_byte() {
    let (disk, written) = journal();
    let mut outcomes = [0, 0];
    for (segment, zeroed) in [(1, false), (2, false), (1, true), (2, true)] {
        let name = segment::name(segment);
        let content = disk.content(&name);
        for length in 0..content.len() {
            let cut = disk.copy();
            let mut rest = content[..length].to_vec();
            if zeroed {
                rest.resize(content.len(), 0);
            }
            cut.replace(&name, &rest);
            let context = format!("{name} cut at {length}, zeroed: {zeroed}");
            let found = open_damaged(&cut, &written, &context);
            outcomes[usize::from(found.is_some())] += 1;
            if segment == 1 && length < content.len() - 4096 {
                assert_eq!(found, None, "{context}: the second segment says that all of it was durable");
            }
        }
    }
    assert!(outcomes[0] > 1000 && outcomes[1] > 1000, "both happen: {outcomes:?}");
}

/// A file may end amid the padding of a frame.
#[test]
fn a_segment_that_was_cut_short_opens_once_the_loss_is_accepted() {
    let (disk, written) = journal();
    let name = segment::name(2);
    let content = disk.content(&name);
    for batch in
        written.iter().filter(|batch| batch.end.0 > 2 * SEGMENT_BYTES && batch.end.0 < 3 * SEGMENT_BYTES)
    {
        for missing in 0..=9 {
            let length = usize::try_from(batch.end.0 % SEGMENT_BYTES).unwrap() - missing;
            let cut = disk.copy();
            cut.replace(&name, &content[..length]);
            let accepting = pixeld::log::recover::OpenOptions { accept_loss: true, ..options(79) };
            let context = format!("{missing} bytes before {}", batch.end);
            let host = Host::open_with(&cut, &accepting).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert!(written.starts_with(&host.replayed), "{context}");
            let again = Host::open(&cut).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert!(again.replayed == host.replayed, "{context}");
        }
    }
}

#[test]
fn every_bit_flipped() {
    let (disk, written) = journal();
    let last = written.last().unwrap();
    for number in [1, 2] {
        let name = segment::name(number);
        let content = disk.content(&name);
        for at in 0..content.len() {
            let mut flipped = content.clone();
            flipped[at] ^= 1 << (at % 8);
            let copy = disk.copy();
            copy.replace(&name, &flipped);
            let context = format!("{name}, byte {at}");
            let found = open_damaged(&copy, &written, &context);
            let position = u64::from(number) * SEGMENT_BYTES + at as u64;
            let is_written = written.iter().any(|batch| batch.start.0 <= position && position < batch.end.0);
            if is_written && position < last.start.0 {
                // Padding may be flipped without harm; nothing else may.
                assert!(
                    found.is_none_or(|found| found == written.len()),
                    "{context}: acknowledged data gone"
                );
            }
        }
    }
}

/// The test above flips one bit of each byte and runs all of recovery; this one flips all eight and looks at the frame.
#[test]
fn every_bit_of_every_frame_is_covered_by_a_checksum() {
    let (disk, written) = journal();
    for batch in &written {
        let segment = u32::try_from(batch.start.0 / SEGMENT_BYTES).unwrap();
        let place = Place { segment, position: batch.start, key: SlotKey::new(CLUSTER, NODE) };
        let offset = usize::try_from(batch.start.0 % SEGMENT_BYTES).unwrap();
        let length = FRAME_HEAD_BYTES + batch.body.len();
        let mut frame = disk.content(&segment::name(segment))[offset..][..length].to_vec();
        assert!(matches!(look(&frame, place), Look::Frame { body, .. } if body == batch.body));
        for bit in 0..length * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(look(&frame, place), Look::Frame { .. }), "bit {bit} of {}", batch.start);
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn damage_is_named_and_can_be_accepted() {
    let (disk, written) = journal();
    let victim = &written[5];
    let name = segment::name(1);
    let offset = victim.start.0 - SEGMENT_BYTES;
    let mut content = disk.content(&name);
    content[usize::try_from(offset).unwrap() + 90] ^= 1;
    disk.replace(&name, &content);

    let refusal = Host::open(&disk).err().unwrap().to_string();
    assert!(refusal.contains(&format!("{name} at offset {offset}")), "{refusal}");
    assert!(refusal.contains("body"), "{refusal}");
    let last = written.last().unwrap();
    let records =
        format!("records {} to {}", victim.first_seq, last.first_seq + last.body.len() as u64 / 10 - 1);
    assert!(refusal.contains(&records), "{refusal} does not say {records}");
    let found = inspect::verify(&disk).unwrap_err();
    assert!(matches!(found, InspectError::Damaged(_)) && found.to_string().contains(&format!("{offset}")));

    let accepting = pixeld::log::recover::OpenOptions { accept_loss: true, ..options(77) };
    let mut host = Host::open_with(&disk, &accepting).unwrap();
    assert_eq!(host.replayed, written[..5]);
    let cut = host.opened.report.cut.take().unwrap();
    assert!(cut.loss.is_some() && cut.copies.len() == 2, "{cut:?}");
    let kept = disk.content(&cut.copies[0]);
    assert_eq!(kept[..1000], content[usize::try_from(offset).unwrap()..][..1000]);
    host.append(500, true);
    let again = Host::open(&disk.fall(Fall::Power(1))).unwrap();
    assert_eq!(again.replayed, host.written, "no second acceptance is needed");
}

#[test]
fn an_unreadable_place_is_damage_wherever_it_is() {
    let (disk, written) = journal();
    let end = written.last().unwrap().end.0 - 2 * SEGMENT_BYTES;
    for offset in [0, 5000, end + 8, SEGMENT_BYTES - 1] {
        let bad = disk.copy();
        bad.spoil(&segment::name(2), offset..offset + 1);
        let refusal = Host::open(&bad).err().unwrap();
        assert!(matches!(refusal, RecoverError::Damaged(_)), "{refusal}");
        let accepting = pixeld::log::recover::OpenOptions { accept_loss: true, ..options(78 + offset) };
        let host = Host::open_with(&bad, &accepting).unwrap();
        assert!(written.starts_with(&host.replayed) && host.replayed.len() > 10);
        Host::open(&bad).unwrap();
    }
}

#[test]
fn a_missing_segment_is_damage() {
    let (disk, written) = journal();
    let mut host = Host::open(&disk).unwrap();
    while host.opened.appender.segment() < 4 {
        host.append(3000, true);
    }
    for number in [1, 2, 3] {
        let without = disk.copy();
        pixeld::os::disk::Disk::remove(&without, &segment::name(number)).unwrap();
        let refusal = Host::open(&without).err().unwrap();
        let named = refusal.to_string().contains(&format!("{} at offset 0", segment::name(number)));
        assert!(named && refusal.to_string().contains("missing"), "{refusal}");
        assert_eq!(matches!(refusal, RecoverError::NoBase(_)), number == 1);
        if number > 1 {
            let accepting = pixeld::log::recover::OpenOptions { accept_loss: true, ..options(90) };
            let host = Host::open_with(&without, &accepting).unwrap();
            assert!(written.starts_with(&host.replayed) || host.replayed.starts_with(&written));
            Host::open(&without).unwrap();
        }
    }
}

/// A journal whose start is bounded by two snapshots, and whose first segments are gone.
fn journal_with_snapshots() -> (SimDisk, Host) {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    for number in 0..60 {
        host.append(2000, true);
        if number == 20 || number == 40 {
            host.snapshot().unwrap();
        }
    }
    host.opened.reader.remove_before(2).unwrap();
    (disk, host)
}

#[test]
fn a_damaged_snapshot_is_reported_and_the_one_before_is_taken() {
    let (disk, host) = journal_with_snapshots();
    let files = pixeld::log::snapshot::files(&*host.disk).unwrap();
    assert_eq!(files.len(), 2);
    let name = files[0].name();
    let mut content = disk.content(&name);
    content[70] ^= 4;
    disk.replace(&name, &content);
    assert!(matches!(inspect::verify(&disk), Err(InspectError::Snapshot { .. })));
    let again = Host::open(&disk).unwrap();
    assert_eq!(again.replayed, host.written);
    let bad = &again.opened.report.bad_snapshots;
    assert!(bad.len() == 1 && bad[0].name == name && bad[0].why.contains("checksum"), "{bad:?}");
    assert_eq!(again.opened.report.snapshot, Some(files[1]));
    assert_eq!(disk.content(&name), content, "it keeps its name");
    // Until there are two again that read well.
    let older = pixeld::log::snapshot::load(&disk, files[1]).unwrap();
    let kept = pixeld::log::snapshot::store(&disk, &older).unwrap();
    assert_eq!(kept, pixeld::log::snapshot::files(&disk).unwrap());
    assert!(kept.len() == 2 && kept.iter().all(|file| file.position == files[1].position));
    inspect::verify(&disk).unwrap();
}

#[test]
fn damage_before_the_snapshot_costs_the_list_not_the_state() {
    let (disk, host) = journal_with_snapshots();
    let name = segment::name(2);
    let mut content = disk.content(&name);
    content[50] ^= 4;
    disk.replace(&name, &content);
    let refusal = Host::open(&disk).err().unwrap();
    assert!(refusal.to_string().contains(&format!("{name} at offset 0")), "{refusal}");
    let accepting = pixeld::log::recover::OpenOptions { accept_loss: true, ..options(91) };
    let again = Host::open_with(&disk, &accepting).unwrap();
    assert_eq!(again.replayed, host.written, "the state is whole");
    assert_eq!(again.opened.report.given_up.len(), 1);
    assert!(host.written.ends_with(&again.scanned()), "the list begins later");
    let later = Host::open(&disk).unwrap();
    assert_eq!(later.replayed, host.written);
}

#[test]
fn a_snapshot_beyond_the_journal_proves_damage() {
    let (disk, host) = journal_with_snapshots();
    let newest = pixeld::log::snapshot::files(&*host.disk).unwrap()[0].position;
    let last = u32::try_from(newest.0 / SEGMENT_BYTES).unwrap();
    for number in last..last + 8 {
        let _ = pixeld::os::disk::Disk::remove(&disk, &segment::name(number));
    }
    assert!(matches!(Host::open(&disk), Err(RecoverError::Damaged(_))));
    let accepting = pixeld::log::recover::OpenOptions { accept_loss: true, ..options(92) };
    let again = Host::open_with(&disk, &accepting).unwrap();
    assert!(host.written.starts_with(&again.replayed));
    assert!(again.replayed.last().unwrap().end >= newest, "a sound snapshot is a whole way to start");
    assert!(Host::open(&disk).unwrap().replayed == again.replayed);
}

#[test]
fn a_scan_that_meets_damage_says_where() {
    let (disk, written) = journal();
    let host = Host::open(&disk).unwrap();
    let name = segment::name(1);
    let victim = &written[7];
    let mut content = disk.content(&name);
    content[usize::try_from(victim.start.0 - SEGMENT_BYTES).unwrap() + 100] ^= 1;
    disk.replace(&name, &content);
    let mut scan = host.opened.reader.scan(Position(0), host.opened.appender.position());
    for _ in 0..7 {
        assert!(scan.next_batch().unwrap().is_some());
    }
    let error = scan.next_batch().unwrap_err();
    assert!(matches!(error, ReadError::Damaged { segment: 1, .. }), "{error}");
    let mut scan = host.opened.reader.scan(Position(victim.start.0 + 8), host.opened.appender.position());
    assert!(matches!(scan.next_batch(), Err(ReadError::Damaged { .. })), "no batch starts there");
}

#[test]
fn no_space_is_reported_and_passes() {
    let disk = SimDisk::new();
    disk.set_capacity(SEGMENT_BYTES - 1);
    assert!(matches!(Host::open(&disk), Err(RecoverError::NoSpace)));
    disk.set_capacity(SEGMENT_BYTES + 4096);
    let mut host = Host::open(&disk).unwrap();
    let error = host.try_append(100, true).unwrap_err();
    assert!(error.contains("no space"), "{error}");
    disk.set_capacity(3 * SEGMENT_BYTES);
    host.append(100, true);
    assert_eq!(host.scanned(), host.written);
}

#[test]
fn a_journal_without_identity_is_refused_and_a_damaged_one_too() {
    let (disk, _) = journal();
    let mut content = disk.content("identity");
    content[20] ^= 1;
    disk.replace("identity", &content);
    let error = Host::open(&disk).err().unwrap();
    assert!(matches!(&error, RecoverError::Io { source, .. } if source.kind() == ErrorKind::InvalidData));
    pixeld::os::disk::Disk::remove(&disk, "identity").unwrap();
    assert!(matches!(Host::open(&disk), Err(RecoverError::NoIdentity)));
}

#[test]
fn an_accepted_cut_may_be_killed_at_any_call() {
    let (disk, written) = journal();
    let name = segment::name(1);
    let mut content = disk.content(&name);
    content[usize::try_from(written[5].start.0 - SEGMENT_BYTES).unwrap() + 90] ^= 1;
    disk.replace(&name, &content);
    let accepting = |inc| pixeld::log::recover::OpenOptions { accept_loss: true, ..options(inc) };
    let probe = disk.copy();
    Host::open_with(&probe, &accepting(1)).unwrap();
    for call in 0..probe.calls() {
        for fall in [Fall::Kill, Fall::Power(call), Fall::Power(call + 50)] {
            let copy = disk.copy();
            copy.fail_at(call, Failure::Crash, call);
            assert!(Host::open_with(&copy, &accepting(2)).is_err());
            let copy = copy.fall(fall);
            let host = Host::open_with(&copy, &accepting(3)).unwrap();
            assert_eq!(host.replayed, written[..5], "cut off at call {call}, {fall:?}");
            assert_eq!(Host::open(&copy).unwrap().replayed, written[..5]);
            let kept = pixeld::os::disk::Disk::list(&copy).unwrap();
            assert!(kept.iter().any(|name| name.ends_with(".lost")), "what was given up is kept: {kept:?}");
        }
    }
}

#[test]
fn a_torn_tail_is_copied_and_copies_are_bounded() {
    let disk = SimDisk::new();
    let mut written = Vec::new();
    for round in 0..40 {
        let mut host = Host::open(&disk).unwrap();
        assert_eq!(host.replayed, written);
        host.append(100, true);
        written = host.written.clone();
        let name = segment::name(host.opened.appender.segment());
        let mut content = disk.content(&name);
        let end = usize::try_from(host.opened.appender.position().0 % SEGMENT_BYTES).unwrap();
        content[end..end + 30].fill(round);
        disk.replace(&name, &content);
        let torn = inspect::verify(&disk).unwrap().torn;
        assert_eq!(torn.is_some(), round > 0, "zeros are no tail");
    }
    let host = Host::open(&disk).unwrap();
    assert_eq!(host.opened.report.cut.as_ref().unwrap().copies.len(), 1);
    let copies = pixeld::os::disk::Disk::list(&disk).unwrap();
    let copies = copies.iter().filter(|name| name.ends_with(".torn")).count();
    assert_eq!(copies, pixeld::base::limits::TORN_COPIES_MAX);
    let copy = &host.opened.report.cut.as_ref().unwrap().copies[0];
    assert_eq!(disk.content(copy)[..30], [39; 30]);
}
