//! Scripted: what the seeds hardly ever meet. One host, and a peer that is a bare session and says what the script wants.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use pixeld::apps::board::record::{Post, delete_record};
use pixeld::apps::pictures::kind::Kind as Picture;
use pixeld::apps::registry;
use pixeld::base::batch::{BatchHeader, first_chain};
use pixeld::base::blob::BlobId;
use pixeld::base::durability::Durability;
use pixeld::base::ids::{Inc, NodeId, Origin, Position, Seq};
use pixeld::base::limits::PEER_PASSED_BYTES;
use pixeld::log::blobs::files::FileStore;
use pixeld::log::blobs::id_of;
use pixeld::log::blobs::store::{BlobReader, BlobStore, Unfinished};
use pixeld::log::newcomer;
use pixeld::log::record::Pixel;
use pixeld::log::snapshot::Snapshot;
use pixeld::log::streams::{Stream, Streams};
use pixeld::peer::fault::Close;
use pixeld::peer::frame::{self, Inflow, Kind};
use pixeld::peer::message;
use pixeld::peer::session::{Effect, Held, Session, Settings};

use super::host::{CLUSTER, Up};
use super::pictures;
use super::sim_disk::{Fall, SimDisk};

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;
const WALL_US: u64 = 1_700_000_000_000_000;
const HOST: NodeId = NodeId(7);
const PEER: Origin = Origin { node: NodeId(9), inc: Inc(90) };

/// A host, and the session that plays its peer.
struct Scene {
    up: Up,
    peer: Session,
    /// Where the peer's stream stands.
    stream: Stream,
    now_us: u64,
    /// What the peer says besides.
    aside: Vec<u8>,
    /// Frames that the host has said, by their kinds.
    said: Vec<Kind>,
    /// The disk thread and the committer do nothing.
    is_frozen: bool,
    /// The peer gives a snapshot when it has met the host: of a state of nothing, in which its stream stands these records
    /// behind the place where batches go on.
    snapshot: Option<Vec<Vec<u8>>>,
    /// The last of several such records, which the peer has not sent.
    withheld: Option<Vec<u8>>,
}

fn settings(clock_us: u64) -> Settings {
    let Origin { node, inc } = PEER;
    Settings { cluster: CLUSTER, node, inc, nonce: 1, clock_us, made: 0, is_empty: false }
}

impl Scene {
    fn new(disk: &SimDisk, durability: Durability) -> Self {
        Self::with(Up::start(disk, HOST, Inc(70), durability).expect("a start"))
    }

    fn with(up: Up) -> Self {
        let stream = Stream { origin: PEER, seq: 0, chain: first_chain(CLUSTER, PEER) };
        let peer = Session::new(settings(0), &[], 0);
        let mut scene = Self {
            up,
            peer,
            stream,
            now_us: 0,
            aside: Vec::new(),
            said: Vec::new(),
            is_frozen: false,
            snapshot: None,
            withheld: None,
        };
        scene.keep();
        scene
    }

    /// A directory that waits for its first host, which gives it a snapshot and then these records. The commit step does
    /// nothing.
    fn newcomer(durability: Durability, ahead: Vec<Vec<u8>>) -> Self {
        let disk = SimDisk::new();
        newcomer::mark(&disk).expect("a mark");
        let mut scene = Self::new(&disk, durability);
        (scene.stream.seq, scene.snapshot, scene.is_frozen) = (5, Some(ahead), true);
        scene.meet(&[scene.held(5, 6)]);
        scene
    }

    /// A new connection, before which the peer has `held`.
    fn meet(&mut self, held: &[Held]) -> Vec<Effect> {
        self.peer = Session::new(settings(WALL_US), held, self.now_us);
        self.up.connect(2, WALL_US, self.now_us);
        self.carry()
    }

    /// Carries both ways whatever is said, for 60 ms; gives what the peer heard.
    fn carry(&mut self) -> Vec<Effect> {
        let mut heard = Vec::new();
        for _ in 0..20 {
            self.now_us += 3 * MS;
            let mut told = std::mem::take(&mut self.aside);
            told.extend_from_slice(self.peer.output());
            self.peer.sent(self.peer.output().len());
            let Some(replica) = &mut self.up.replica else { return heard };
            replica.receive(&told, self.now_us);
            replica.turn(self.now_us);
            replica.look_after_join(self.now_us);
            self.up.commit_arrived(WALL_US);
            self.commit();
            let Some(replica) = &mut self.up.replica else { return heard };
            replica.turn(self.now_us);
            let answer = replica.output().to_vec();
            replica.sent(answer.len());
            let mut inflow = Inflow::default();
            inflow.extend(&answer);
            while let Ok(Some(frame)) = inflow.frame(usize::MAX) {
                self.said.push(frame.kind);
            }
            self.peer.receive(&answer, self.now_us);
            while let Some(effect) = self.peer.next_effect(self.now_us) {
                // Before it answers anything else.
                if matches!(effect, Effect::Established(_)) {
                    self.begin_snapshot();
                }
                heard.push(effect);
            }
        }
        heard
    }

    fn commit(&mut self) {
        if self.is_frozen {
            return;
        }
        while self.up.has_step() {
            if self.up.prepare(WALL_US) {
                self.up.finish().expect("a sound disk");
            }
        }
        while self.up.is_behind() {
            self.up.write_behind(true).expect("a sound disk");
        }
    }

    /// Two looks of the keeper.
    fn keep(&mut self) {
        for _ in 0..2 {
            self.up.keep_files(WALL_US);
            self.commit();
        }
    }

    /// The peer sends a batch of one record.
    fn send(&mut self, record: &[u8]) {
        let Stream { origin, seq, chain } = self.stream;
        let header = BatchHeader::seal(origin, seq + 1, 1, WALL_US + seq, chain, record);
        self.peer.send_batch(&header, record);
        self.stream = Stream { origin, seq: seq + 1, chain: header.chain };
    }

    fn send_blob(&mut self, (id, content): &(BlobId, Vec<u8>)) {
        self.peer.send_blob(id, content.len() as u64, 0, content);
    }

    fn held(&self, durable: Seq, first: Seq) -> Held {
        let Stream { origin, seq, chain } = self.stream;
        Held { origin, received: seq, durable, first, chain }
    }

    /// How far the peer's stream is applied.
    fn applied(&self) -> Seq {
        self.up.shared.applied.read().expect("no panic").vector.seq_of(PEER)
    }

    fn has(&self, id: &BlobId) -> bool {
        self.up.shared.blobs.contains(id).expect("a sound disk")
    }

    /// The host posts a picture.
    fn post(&mut self, content: &[u8], number: u8) -> Seq {
        let seq = self.up.post_picture(content, [number; 16], WALL_US).expect("a sound disk");
        self.commit();
        seq.expect("room in the lane")
    }

    fn log(&mut self, records: &[u8]) {
        assert!(self.up.log(records, WALL_US));
        self.commit();
    }

    /// Why the host has ended the session.
    fn close(&self) -> Option<&Close> {
        self.up.replica.as_ref().and_then(|replica| replica.closed())
    }

    fn begin_snapshot(&mut self) {
        let Some(ahead) = self.snapshot.clone() else { return };
        let mut starts = Streams::default();
        starts.set(self.stream);
        let mut streams = starts.clone();
        let mut time_us = 1;
        for record in &ahead {
            let last = streams.of(CLUSTER, PEER);
            let header = BatchHeader::seal(PEER, last.seq + 1, 1, WALL_US + last.seq, last.chain, record);
            streams.set(Stream { origin: PEER, seq: last.seq + 1, chain: header.chain });
            time_us = header.time_us;
        }
        let sections = registry::new_applied().sections();
        let position = Position(1_000_000);
        let snapshot = Snapshot { cluster: CLUSTER, node: PEER.node, position, time_us, streams, sections };
        let bytes = snapshot.encode();
        self.peer.begin_snapshot(&starts);
        self.peer.send_snapshot(bytes.len() as u64, 0, &bytes);
        let now = if ahead.len() > 1 { ahead.len() - 1 } else { ahead.len() };
        ahead[..now].iter().for_each(|record| self.send(record));
        self.withheld = ahead.get(now).cloned();
    }
}

fn post_of((id, content): &(BlobId, Vec<u8>), number: u64) -> Vec<u8> {
    let (name, message) = ("a.png".to_owned(), "a picture".to_owned());
    let size_bytes = content.len() as u64;
    let uuid = [number as u8; 16];
    Post { id: number, uuid, blob: *id, kind: Picture::Png, size_bytes, name, message }.record()
}

fn pixel(x: i32) -> Vec<u8> {
    Pixel { tag: 0x11, value: 9, x, y: 1 }.encode().to_vec()
}

/// GONE excuses the next batch that waits for the content, and no other; and none once the content came.
#[test]
fn a_word_that_a_picture_is_gone_counts_once() {
    let picture = &pictures::all()[1];
    for comes_after_all in [false, true] {
        let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
        scene.meet(&[]);
        scene.peer.send_blob_gone(&picture.0);
        if comes_after_all {
            scene.send_blob(picture);
        }
        scene.send(&post_of(picture, 1));
        scene.carry();
        assert_eq!((scene.applied(), scene.has(&picture.0)), (1, comes_after_all));
        scene.send(&delete_record(PEER, 1));
        scene.carry();
        scene.keep();
        assert_eq!((scene.applied(), scene.has(&picture.0)), (2, false), "nothing names it");
        // The peer thinks that this host has it.
        scene.send(&post_of(picture, 3));
        let heard = scene.carry();
        assert!(heard.contains(&Effect::BlobWanted(picture.0)), "{comes_after_all}: {heard:?}");
        assert_eq!(scene.applied(), 2, "the batch waits for it");
        scene.send_blob(picture);
        scene.carry();
        assert_eq!((scene.applied(), scene.has(&picture.0)), (3, true));
    }
}

/// Whoever was told that a content is gone gets it again with the next record that names it, although it was sent lately.
#[test]
fn a_picture_that_was_called_gone_is_sent_anew() {
    let (id, content) = &pictures::all()[1];
    let is_blob = |effect: &Effect| matches!(effect, Effect::Blob { id: sent, .. } if sent == id);
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    let seq = scene.post(content, 1);
    assert!(scene.carry().iter().any(is_blob));
    scene.log(&delete_record(scene.up.origin(), seq));
    scene.keep();
    assert!(!scene.has(id));
    scene.carry();
    scene.peer.want(id);
    assert!(scene.carry().contains(&Effect::BlobGone(*id)));
    scene.post(content, 2);
    let heard = scene.carry();
    assert!(heard.iter().any(is_blob), "{heard:?}");
}

/// A RESYNC is answered at once, not with the next STATE.
#[test]
fn what_the_peer_asks_for_is_sent_again() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    scene.log(&pixel(1));
    scene.carry();
    let batches = |scene: &Scene| scene.said.iter().filter(|kind| **kind == Kind::Batch).count();
    assert_eq!(batches(&scene), 1);
    let resync = message::encode_resync(scene.up.origin(), 1);
    frame::push(&mut scene.aside, Kind::Resync, 0, &[&resync]);
    scene.carry();
    assert_eq!(batches(&scene), 2);
}

/// Both sides' queues are empty when a session begins: they hold a window each, and two windows are more than they may.
#[test]
fn a_session_leaves_nothing_in_the_queues() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    scene.is_frozen = true;
    scene.send(&pixel(1));
    scene.carry();
    assert!(scene.up.peering().inbox.waiting_bytes() > 0);
    let before = scene.stream;
    scene.stream = Stream { seq: 0, chain: first_chain(CLUSTER, PEER), ..before };
    scene.meet(&[Held { durable: 1, ..scene.held(0, 1) }].map(|held| Held {
        received: 1,
        chain: before.chain,
        ..held
    }));
    assert_eq!(scene.up.peering().inbox.waiting_bytes(), 0);

    scene.is_frozen = false;
    if let Some(replica) = &mut scene.up.replica {
        replica.lost("a cut", scene.now_us);
    }
    scene.log(&pixel(2));
    assert_eq!(scene.up.peering().outbox.waiting_bytes(), 0, "nobody takes it");
}

/// The next connection brings another snapshot, maybe of another host.
#[test]
fn an_offer_goes_with_its_connection() {
    let mut scene = Scene::newcomer(Durability::Disk, Vec::new());
    assert!(scene.up.peering().joining.is_offered());
    if let Some(replica) = &mut scene.up.replica {
        replica.lost("a cut", scene.now_us);
    }
    assert!(!scene.up.peering().joining.is_offered() && !scene.up.is_amid_joining());

    scene.is_frozen = false;
    scene.meet(&[scene.held(5, 6)]);
    scene.keep();
    assert!(!scene.up.is_joining() && scene.applied() == 5);
}

/// The mark that wipes a broken joining goes when a power cut can't take anything back any more.
#[test]
fn a_host_has_joined_when_its_journal_is_on_the_disk() {
    let mut scene = Scene::newcomer(Durability::Memory, vec![pixel(1)]);
    assert_eq!(scene.applied(), 6);
    scene.keep();
    assert!(scene.up.is_amid_joining(), "nothing is synced");
    scene.is_frozen = false;
    scene.commit();
    scene.keep();
    assert!(!scene.up.is_amid_joining() && !scene.up.is_joining());
}

/// Requests are refused while a host joins; the records of its own threads are not, and a crash would take them along with
/// everything else.
#[test]
fn a_host_that_joins_commits_nothing_of_its_own() {
    let mut scene = Scene::newcomer(Durability::Disk, vec![pixel(1), pixel(2)]);
    // Of the two records that the snapshot covers only one has come.
    let late = scene.withheld.take().expect("the last record");
    scene.is_frozen = false;
    scene.commit();
    scene.carry();
    assert!(scene.up.is_amid_joining());
    scene.log(&pixel(3));
    scene.carry();
    assert_eq!(scene.up.committed, 0, "it waits in its lane");
    scene.send(&late);
    scene.carry();
    scene.keep();
    assert_eq!((scene.up.is_amid_joining(), scene.up.durable), (false, 1));
}

/// A large snapshot takes its time to become the state.
#[test]
fn who_does_not_read_for_a_while_does_not_call_its_peer_silent() {
    let mut scene = Scene::newcomer(Durability::Disk, Vec::new());
    for _ in 0..40 {
        scene.now_us += SECOND / 2;
        if let Some(replica) = &mut scene.up.replica {
            assert!(!replica.wants_input());
            replica.turn(scene.now_us);
        }
    }
    assert_eq!(scene.close(), None);
    scene.is_frozen = false;
    scene.commit();
    scene.peer.excuse_silence(scene.now_us);
    scene.carry();
    scene.keep();
    assert!(scene.close().is_none() && !scene.up.is_joining());
}

/// Each content waits for the disk, and the peer for a heartbeat.
#[test]
fn a_turn_takes_a_few_pictures_only() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    let all: Vec<_> = (0..100_u8).map(|byte| (id_of(&[byte; 30]), vec![byte; 30])).collect();
    all.iter().for_each(|picture| scene.send_blob(picture));
    let count = |scene: &Scene| scene.up.shared.blobs.list().expect("a sound disk").len();
    let Some(replica) = &mut scene.up.replica else { panic!("a session") };
    replica.receive(scene.peer.output(), scene.now_us);
    replica.turn(scene.now_us);
    assert!(!replica.wants_input() && replica.deadline() == Some(0), "there is more to do at once");
    assert!((1..=8).contains(&count(&scene)), "{}", count(&scene));
    scene.peer.sent(scene.peer.output().len());
    scene.carry();
    assert_eq!(count(&scene), 100);
}

/// A peer that lacks something old has most of what follows on it.
#[test]
fn a_turn_passes_over_a_part_of_a_long_journal_only() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    scene.send(&pixel(1));
    scene.carry();
    let many: Vec<u8> = (0..500).flat_map(pixel).collect();
    let end = |scene: &Scene| scene.up.shared.applied.read().expect("no panic").position.0;
    while end(&scene) < PEER_PASSED_BYTES + 4_000_000 {
        scene.log(&many);
        scene.keep();
    }
    let own = scene.up.origin();
    let stream = scene.up.peering().progress.begin().0.of(CLUSTER, own);
    let held = Held { origin: own, received: stream.seq, durable: stream.seq, first: 1, chain: stream.chain };
    scene.peer = Session::new(Settings { node: NodeId(11), ..settings(0) }, &[held], scene.now_us);
    scene.up.connect(3, WALL_US, scene.now_us);
    let Some(replica) = &mut scene.up.replica else { panic!("a session") };
    scene.peer.receive(replica.output(), scene.now_us);
    replica.sent(replica.output().len());
    while scene.peer.next_effect(scene.now_us).is_some() {}
    replica.receive(scene.peer.output(), scene.now_us);
    scene.peer.sent(scene.peer.output().len());
    replica.turn(scene.now_us);
    assert_eq!(replica.deadline(), Some(0), "it has not come to the journal's end");
    scene.said.clear();
    scene.carry();
    assert_eq!(scene.said.iter().filter(|kind| **kind == Kind::Batch).count(), 1);
    assert!(scene.up.peering().outbox.is_open(), "now it has");
}

/// Not as a breach, which would not say where the trouble is.
#[test]
fn a_damaged_picture_is_named_and_not_sent() {
    let (id, content) = &pictures::all()[2];
    let disk = SimDisk::new();
    let mut scene = Scene::new(&disk, Durability::Disk);
    scene.post(content, 1);
    let text = id.to_string();
    disk.replace(&format!("blobs/{}/{}", &text[..2], &text[2..]), &vec![0; content.len()]);
    let heard = scene.meet(&[]);
    let Some(Effect::Closed(Close::Refused { code: 10, text: told })) = heard.last() else {
        panic!("{heard:?}")
    };
    assert!(told.contains(&text) && told.contains("damaged on this host"), "{told}");
}

/// Fills segments, and has them removed as if the peer had everything.
fn forget_the_beginning(scene: &mut Scene) {
    let many: Vec<u8> = (0..500).flat_map(pixel).collect();
    while scene.up.shared.reader.segments().len() < 3 {
        scene.log(&many);
        scene.keep();
    }
    scene.log(&pixeld::apps::pixel::state::clear_record());
    let all = scene.up.shared.applied.read().expect("no panic").vector.clone();
    scene.up.peering().standing.established(NodeId(8), all.clone(), all, 1);
    scene.up.fold();
    scene.keep();
    assert!(scene.up.oldest_segment() > 1);
}

/// A peer that can't be given what it lacks is made afresh, so what only it has is taken before it is told so.
#[test]
fn a_peer_that_is_left_behind_first_gives_what_it_has() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    forget_the_beginning(&mut scene);
    let start = scene.stream;
    let records = [pixel(1), pixel(2), pixel(3)];
    records.iter().for_each(|record| {
        let header = BatchHeader::seal(PEER, scene.stream.seq + 1, 1, WALL_US, scene.stream.chain, record);
        scene.stream = Stream { origin: PEER, seq: header.last_seq(), chain: header.chain };
    });
    let held = scene.held(3, 1);
    let heard = scene.meet(&[held]);
    assert!(!heard.iter().any(|effect| matches!(effect, Effect::Closed(_))), "{heard:?}");
    scene.stream = start;
    for record in &records {
        let Stream { seq, chain, .. } = scene.stream;
        let header = BatchHeader::seal(PEER, seq + 1, 1, WALL_US, chain, record);
        scene.peer.send_batch(&header, record);
        scene.stream = Stream { origin: PEER, seq: seq + 1, chain: header.chain };
    }
    let heard = scene.carry();
    let Some(Effect::Closed(Close::Refused { code: 7, text })) = heard.last() else { panic!("{heard:?}") };
    assert!(text.contains("pixeld init --join") && text.contains("was taken from it before"), "{text}");
    assert_eq!(scene.applied(), 3);
    assert!(!scene.said.contains(&Kind::Batch), "nothing is sent to it");
}

/// Where neither can be helped neither waits for the other one.
#[test]
fn two_that_left_each_other_behind_are_told_so() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    forget_the_beginning(&mut scene);
    scene.stream.seq = 3;
    let heard = scene.meet(&[scene.held(3, 4)]);
    let Some(Effect::Closed(Close::Refused { code: 7, text })) = heard.last() else { panic!("{heard:?}") };
    assert!(text.contains("keep its old data directory"), "{text}");
}

/// Stops the keeper between its look at what was released and its removing that.
struct Stopping {
    files: FileStore,
    begun: Sender<()>,
    go_on: Arc<std::sync::Mutex<Receiver<()>>>,
}

struct Left {
    inner: Box<dyn Unfinished>,
    begun: Sender<()>,
    go_on: Arc<std::sync::Mutex<Receiver<()>>>,
}

impl BlobStore for Stopping {
    fn begin(&self) -> std::io::Result<Box<dyn Unfinished>> {
        let (inner, begun, go_on) = (self.files.begin()?, self.begun.clone(), self.go_on.clone());
        Ok(Box::new(Left { inner, begun, go_on }))
    }

    fn open(&self, id: &BlobId) -> std::io::Result<Box<dyn BlobReader>> {
        self.files.open(id)
    }

    fn remove(&self, id: &BlobId) -> std::io::Result<bool> {
        self.files.remove(id)
    }

    fn list(&self) -> std::io::Result<Vec<BlobId>> {
        self.files.list()
    }

    fn remove_unfinished(&self) -> std::io::Result<u64> {
        self.files.remove_unfinished()
    }
}

impl Unfinished for Left {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<()> {
        self.inner.write(piece)
    }

    fn read_back(&self) -> std::io::Result<Vec<u8>> {
        self.inner.read_back()
    }

    fn finish(self: Box<Self>, id: &BlobId) -> std::io::Result<()> {
        self.inner.finish(id)
    }

    fn discard(self: Box<Self>) -> std::io::Result<()> {
        self.begun.send(()).expect("the test waits");
        self.go_on.lock().expect("no panic").recv().expect("the test goes on");
        self.inner.discard()
    }
}

/// While the keeper is about to remove a picture that nothing names, it is posted again, which is on the disk, and taken off
/// again, which is not: a power cut brings the post back.
#[test]
fn a_picture_that_was_released_meanwhile_stays() {
    let (id, content) = &pictures::all()[1];
    let disk = SimDisk::new();
    let ((begun, has_begun), (goes_on, go_on)) = (channel(), channel());
    let go_on = Arc::new(std::sync::Mutex::new(go_on));
    let store = Box::new(Stopping { files: FileStore::new(disk.shared()), begun, go_on });
    let up = Up::start_with(&disk, HOST, Inc(70), Durability::Memory, store).expect("a start");
    let mut scene = Scene::with(up);
    let first = scene.post(content, 1);
    scene.log(&delete_record(scene.up.origin(), first));
    drop(scene.up.shared.blobs.writer().expect("a writer"));
    let shared = Arc::clone(&scene.up.shared);
    let mut keeper = scene.up.take_keeper();
    std::thread::scope(|scope| {
        scope.spawn(move || keeper.turn());
        has_begun.recv().expect("the keeper looks");
        let second = scene.post(content, 2);
        scene.is_frozen = true;
        scene.log(&delete_record(scene.up.origin(), second));
        goes_on.send(()).expect("the keeper waits");
    });
    assert!(shared.applied.read().expect("no panic").has_released());
    assert!(scene.has(id), "the next look is about this release");

    let disk = disk.fall(Fall::Power(1));
    let up = Up::start(&disk, HOST, Inc(71), Durability::Memory).expect("a start");
    let names_it = up.shared.applied.read().expect("no panic").names_blob(id);
    assert!(names_it && up.shared.blobs.contains(id).expect("a sound disk"));
}
