//! Golden bytes of everything that is on the disk. A change here is a new version of the format.

use crate::journal;
use crate::sim_disk;

use journal::{CLUSTER, Host, NODE, SEGMENT_BYTES, options};
use pixeld::apps::pixel::raw::Pixel;
use pixeld::base::folds::{Fold, StreamEnd};
use pixeld::base::ids::{Inc, NodeId, Origin, Position};
use pixeld::log::batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader, first_chain};
use pixeld::log::files::identity::{Identity, Member, MemberName};
use pixeld::log::files::unreadable::Unreadable;
use pixeld::log::format::frame::{FRAME_HEAD_BYTES, Look, Place, Slot, SlotKey, frame_bytes, look};
use pixeld::log::format::record;
use pixeld::log::format::segment::{self, HeaderLook, SegmentError, SegmentHeader};
use pixeld::log::snapshot::{Snapshot, SnapshotFile};
use pixeld::log::streams::{Stream, StreamFault, Streams};
use sim_disk::SimDisk;

const ORIGIN: Origin = Origin { node: NODE, inc: Inc(0x1112_1314_1516_1718) };

fn hex(bytes: &[u8]) -> String {
    let words: Vec<_> =
        bytes.chunks(8).map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    words.chunks(4).map(|line: &[String]| line.join(" ")).collect::<Vec<_>>().join("\n")
}

fn body() -> Vec<u8> {
    let mut body = Pixel { tag: 0x13, value: 255, x: 10, y: -1 }.encode().to_vec();
    record::push(&mut body, 0x1F, b"floors");
    body
}

fn header() -> BatchHeader {
    BatchHeader::seal(ORIGIN, 7, 2, 1_700_000_000_000_001, first_chain(CLUSTER, ORIGIN), &body())
}

fn streams() -> Streams {
    let mut streams = Streams::default();
    let body = body();
    let header = BatchHeader::seal(ORIGIN, 1, 2, 5, first_chain(CLUSTER, ORIGIN), &body);
    streams.follow(CLUSTER, &header, &[]).unwrap();
    streams
}

fn segment_header() -> SegmentHeader {
    SegmentHeader {
        number: 3,
        cluster: CLUSTER,
        node: NODE,
        segment_bytes: SEGMENT_BYTES,
        previous_end: Position(3 * SEGMENT_BYTES - 40),
        synced: Position(3 * SEGMENT_BYTES - 80),
        time_us: 1_700_000_000_000_001,
        streams: streams(),
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        cluster: CLUSTER,
        node: NODE,
        position: Position(3 * SEGMENT_BYTES - 40),
        time_us: 1_700_000_000_000_001,
        streams: streams(),
        sections: vec![(1, b"state".to_vec()), (4, Vec::new())],
    }
}

fn identity() -> Identity {
    let mut identity =
        Identity { inc: ORIGIN.inc, start: 5, lineage: 6, ..Identity::new(CLUSTER, NODE, SEGMENT_BYTES, 0) };
    let name = MemberName::new("eins").unwrap();
    identity.members.add(Member { node: NODE, since_us: 7, seat: 8, name });
    identity
}

#[test]
fn golden_bytes() {
    let slot = Slot { segment: 3, position: Position(0x18A60), synced: Position(0x18A38) };
    let mut segment = Vec::new();
    segment_header().encode(&mut segment);
    assert!(segment.len() == 4096 && segment[112..].iter().all(|&byte| byte == 0));
    let found = [
        ("batch header", header().encode().to_vec()),
        ("slot", slot.encode(SlotKey::new(CLUSTER, NODE)).to_vec()),
        ("segment header", segment[..112].to_vec()),
        ("snapshot", snapshot().encode()),
        ("identity", identity().encode().to_vec()),
    ];
    let found: Vec<_> = found.iter().map(|(name, bytes)| format!("{name}\n{}\n", hex(bytes))).collect();
    assert_eq!(found.join("\n"), include_str!("../data/journal.txt"));
}

#[test]
fn what_was_encoded_is_decoded() {
    assert_eq!(BatchHeader::decode(&header().encode()), Ok(header()));
    assert_eq!(header().last_seq(), 8);
    let mut bytes = Vec::new();
    segment_header().encode(&mut bytes);
    assert_eq!(SegmentHeader::decode(&bytes), Ok(HeaderLook::Header(segment_header())));
    assert_eq!(SegmentHeader::decode(&bytes[..4095]), Ok(HeaderLook::More(4096)));
    assert_eq!(SegmentHeader::decode(&[0; 4096]), Err(SegmentError::Spare));
    assert_eq!(Snapshot::decode(&snapshot().encode()), Some(snapshot()));
    assert_eq!(snapshot().section(1), Some(&b"state"[..]));
    assert_eq!(Identity::decode(&identity().encode()), Ok(identity()));
}

/// The streams with one more, which a later start has folded.
fn folded_streams() -> Streams {
    let mut streams = streams();
    let inc = Inc::of_start(2, 9);
    streams.set(Stream { origin: Origin { node: NODE, inc }, seq: 5, chain: 6 });
    let (by, starts) =
        (Origin { node: NODE, inc: Inc::of_start(3, 9) }, vec![StreamEnd { inc, seq: 5, chain: 6 }]);
    streams.fold(&Fold { by, hosts: vec![NodeId(8)], starts }).unwrap();
    streams
}

#[test]
fn what_is_folded_makes_a_second_version_of_a_header_a_snapshot_and_a_batch() {
    let (streams, mut bytes) = (folded_streams(), Vec::new());
    let header = SegmentHeader { streams: streams.clone(), ..segment_header() };
    header.encode(&mut bytes);
    assert_eq!((bytes.len(), bytes[72], bytes[76]), (4096, 2, 1));
    assert_eq!(SegmentHeader::decode(&bytes), Ok(HeaderLook::Header(header)));
    let (mut folds, mut named) = (Vec::new(), Vec::new());
    streams.folds().encode(&mut folds);
    streams.encode(&mut named);
    assert_eq!(bytes[80..][..named.len() + folds.len()], [&named[..], &folds].concat());

    let snapshot = Snapshot { streams, ..snapshot() };
    let bytes = snapshot.encode();
    assert_eq!((bytes[4], bytes.len()), (2, snapshot.encoded_bytes()));
    assert_eq!(bytes[56..][..named.len() + folds.len()], [&named[..], &folds].concat());
    assert_eq!(Snapshot::decode(&bytes), Some(snapshot));

    let chain = first_chain(CLUSTER, ORIGIN);
    let batch = BatchHeader::seal_touching_folds(ORIGIN, 7, 2, 1_700_000_000_000_001, chain, &body());
    let bytes = batch.encode();
    assert_eq!((bytes[44], batch.touches_folds), (2, true));
    assert_eq!(BatchHeader::decode(&bytes), Ok(batch));
    assert_ne!(batch.chain, self::header().chain, "the chain covers the version");
}

#[test]
fn a_bit_or_a_byte_less_is_refused() {
    let mut segment = Vec::new();
    segment_header().encode(&mut segment);
    let batch = header().encode();
    let (snapshot, identity) = (snapshot().encode(), identity().encode());
    let flipped = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    for bit in 0..8 * BATCH_HEADER_BYTES {
        let flipped = flipped(&batch, bit);
        assert!(BatchHeader::decode(flipped[..].try_into().unwrap()).is_err(), "batch header, bit {bit}");
    }
    for bit in 0..8 * segment.len() {
        let outcome = SegmentHeader::decode(&flipped(&segment, bit));
        assert!(!matches!(outcome, Ok(HeaderLook::Header(_))), "segment header, bit {bit}");
    }
    for bit in 0..8 * snapshot.len() {
        assert_eq!(Snapshot::decode(&flipped(&snapshot, bit)), None, "snapshot, bit {bit}");
    }
    for bit in 0..8 * identity.len() {
        assert_eq!(
            Identity::decode(&flipped(&identity, bit)),
            Err(Unreadable::Damaged),
            "identity, bit {bit}"
        );
    }
    for cut in 0..snapshot.len() {
        assert_eq!(Snapshot::decode(&snapshot[..cut]), None, "snapshot cut at {cut}");
    }
    for cut in 0..identity.len() {
        assert_eq!(Identity::decode(&identity[..cut]), Err(Unreadable::Damaged), "identity cut at {cut}");
    }
}

#[test]
fn a_later_version_is_named() {
    let mut bytes = header().encode();
    bytes[44] = 3;
    let crc = crc32c::crc32c(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(BatchHeader::decode(&bytes), Err(BatchError::Version(3)));
    bytes[44] = 1;
    bytes[46] = 1;
    let crc = crc32c::crc32c(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(BatchHeader::decode(&bytes), Err(BatchError::Bounds), "no flag is known");
}

#[test]
fn a_frame_is_valid_only_where_it_was_made() {
    let key = SlotKey::new(CLUSTER, NODE);
    let position = Position(3 * SEGMENT_BYTES + 4096);
    let slot = Slot { segment: 3, position, synced: position };
    let frame = [&slot.encode(key)[..], &header().encode(), &body()].concat();
    let place = Place { segment: 3, position, key };
    let length = frame_bytes(body().len());
    assert_eq!((length, length % 8), (112, 0));
    let expected = Look::Frame { slot, header: header(), body: &body(), length };
    assert_eq!(look(&frame, place), expected);
    for cut in 0..frame.len() {
        assert!(matches!(look(&frame[..cut], place), Look::More(more) if more > cut), "cut at {cut}");
    }
    assert_eq!(look(&[0; FRAME_HEAD_BYTES], place), Look::Nothing);
    let elsewhere = [
        Place { segment: 4, ..place },
        Place { position: Position(position.0 + 8), ..place },
        Place { key: SlotKey::new(CLUSTER, ORIGIN.node), ..place },
    ];
    assert!(matches!(look(&frame, elsewhere[0]), Look::Fault(_)));
    assert!(matches!(look(&frame, elsewhere[1]), Look::Fault(_)));
    assert!(matches!(look(&frame, elsewhere[2]), Look::Frame { .. }), "the same host");
    let other_host = Place { key: SlotKey::new(CLUSTER, pixeld::base::ids::NodeId(1)), ..place };
    assert!(matches!(look(&frame, other_host), Look::Fault(_)));
}

#[test]
fn a_stream_takes_only_its_next_batch() {
    let mut streams = streams();
    let before = streams.of(CLUSTER, ORIGIN);
    assert_eq!(before.seq, 2);
    let gap = BatchHeader::seal(ORIGIN, 4, 2, 9, before.chain, &body());
    assert!(matches!(
        streams.follow(CLUSTER, &gap, &[]),
        Err(StreamFault::Sequence { due: 3, found: 4, .. })
    ));
    let fork = BatchHeader::seal(ORIGIN, 3, 2, 9, before.chain ^ 1, &body());
    assert!(matches!(streams.follow(CLUSTER, &fork, &[]), Err(StreamFault::Chain { seq: 3, .. })));
    let next = BatchHeader::seal(ORIGIN, 3, 2, 9, before.chain, &body());
    streams.follow(CLUSTER, &next, &[]).unwrap();
    assert_eq!((streams.vector().seq_of(ORIGIN), streams.len()), (4, 1));
    let mut bytes = Vec::new();
    streams.encode(&mut bytes);
    assert_eq!(Streams::decode(&bytes), Some(streams));
    assert_eq!(Streams::decode(&bytes[1..]), None);
}

#[test]
fn names_stand_for_one_thing_each() {
    assert_eq!(segment::name(12), "0000000012.seg");
    assert_eq!(segment::number_of("0000000012.seg"), Some(12));
    for name in ["0000000000.seg", "12.seg", "+000000012.seg", "0000000012.seg.tmp", "9999999999.seg", "lock"]
    {
        assert_eq!(segment::number_of(name), None, "{name}");
    }
    let first = SnapshotFile::first(Position(7));
    assert_eq!(first.name(), "00000000000000000007.snap");
    assert_eq!(SnapshotFile::of("00000000000000000007.snap"), Some(first));
    let second = SnapshotFile::of("00000000000000000007b.snap").unwrap();
    assert!(second.position == first.position && second > first);
    assert_eq!(second.name(), "00000000000000000007b.snap");
    for name in ["00000000000000000007.snap.lost", "00000000000000000007A.snap", "0000000000000000007b.snap"]
    {
        assert_eq!(SnapshotFile::of(name), None, "{name}");
    }
}

/// What a start costs for ever is a stream, so one that logs nothing costs nothing.
#[test]
fn starts_that_log_nothing_leave_no_origin() {
    let disk = SimDisk::new();
    let mut host = Host::open_with(&disk, &options(1)).unwrap();
    host.append(300, true);
    for start in 2..60 {
        assert_eq!(Host::open_with(&disk, &options(start)).unwrap().opened.appender.streams().len(), 1);
    }
    let mut host = Host::open_with(&disk, &options(60)).unwrap();
    while host.opened.appender.segment() == 1 {
        host.append(5_000, true);
    }
    let content = disk.content(&segment::name(2));
    let Ok(HeaderLook::Header(header)) = SegmentHeader::decode(&content[..4096]) else { panic!("a header") };
    assert_eq!(header.streams.len(), 2, "the first start's and the last one's");
    let identity = Identity::decode(&disk.content("identity")).unwrap();
    assert_eq!((identity.start, identity.inc.number()), (60, 60));
}

#[test]
fn more_process_starts_than_a_block_can_name() {
    let disk = SimDisk::new();
    let mut written = Vec::new();
    for inc in 0..300 {
        let mut host = Host::open_with(&disk, &options(inc + 1)).unwrap();
        assert_eq!(host.replayed, written);
        host.append(300, true);
        written = host.written;
    }
    let host = Host::open(&disk).unwrap();
    assert_eq!(host.opened.appender.streams().len(), 300);
    let segment = host.opened.appender.segment();
    let content = disk.content(&segment::name(segment));
    assert!(matches!(SegmentHeader::decode(&content[..4096]), Ok(HeaderLook::More(more)) if more >= 8192));
    assert_eq!(host.scanned(), written);
}
