//! Scripted: what the seeds hardly ever meet. One host, and a peer that is a bare session and says what the script wants.

mod blobs;
mod every_call;
mod joining;
mod pair;
mod room;
mod runs;
mod sessions;
mod starts;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use pixeld::app::applied::Applied;
use pixeld::apps::board::record::{Post, delete_record};
use pixeld::apps::pictures::kind::Kind as Picture;
use pixeld::apps::pixel::raw::Pixel;
use pixeld::apps::registry;
use pixeld::base::batch::{BatchHeader, first_chain};
use pixeld::base::blob::BlobId;
use pixeld::base::durability::Durability;
use pixeld::base::ids::{Inc, NodeId, Origin, Position, Seq};
use pixeld::base::kinds::Kinds;
use pixeld::base::limits::PEER_PASSED_BYTES;
use pixeld::base::tag::{self, RECORD_HEAD_BYTES};
use pixeld::log::blobs::files::FileStore;
use pixeld::log::blobs::id_of;
use pixeld::log::blobs::store::{BlobReader, BlobStore, Unfinished};
use pixeld::log::files::newcomer;
use pixeld::log::format::record;
use pixeld::log::snapshot::Snapshot;
use pixeld::log::streams::{Stream, Streams};
use pixeld::peer::fault::Close;
use pixeld::peer::frame::{self, Inflow, Kind};
use pixeld::peer::message;
use pixeld::peer::session::{Effect, Holding, Session, Settings};

use super::chance::Chance;
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
    disk: SimDisk,
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
    Settings {
        cluster: CLUSTER,
        node,
        inc,
        nonce: 1,
        clock_us,
        lineage: 0,
        made: 0,
        is_empty: false,
        is_joining: false,
        kinds: registry::new_applied().kinds(),
    }
}

impl Scene {
    fn new(disk: &SimDisk, durability: Durability) -> Self {
        Self::with(disk, Up::start(disk, HOST, Inc(70), durability).expect("a start"))
    }

    fn with(disk: &SimDisk, up: Up) -> Self {
        let stream = Stream { origin: PEER, seq: 0, chain: first_chain(CLUSTER, PEER) };
        let peer = Session::new(settings(0), &[], 0);
        let mut scene = Self {
            disk: disk.clone(),
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
    fn meet(&mut self, held: &[Holding]) -> Vec<Effect> {
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
            self.up.keep_files(WALL_US).expect("no fault is planned here");
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

    fn held(&self, durable: Seq, first: Seq) -> Holding {
        let Stream { origin, seq, chain } = self.stream;
        Holding { origin, received: seq, durable, first, chain }
    }

    /// How far the peer's stream is applied.
    fn applied(&self) -> Seq {
        self.up.shared.applied.read().vector.seq_of(PEER)
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
