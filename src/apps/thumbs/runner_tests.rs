use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::app::applied::Batch;
use crate::app::applied_lock::AppliedLock;
use crate::app::hosts::Hosts;
use crate::app::state::Entry;
use crate::apps::thumbs::item::Outcome;
use crate::apps::thumbs::media::{Frame, Media, Style};
use crate::base::blob::BlobId;
use crate::base::ids::{Inc, Origin, Position};
use crate::log::blobs::Blobs;
use crate::log::blobs::store::{BlobReader, BlobStore, Unfinished};
use crate::log::read::reader::Reader;

const OWN: Origin = Origin { node: NodeId(1), inc: Inc(1) };
const PEER: Origin = Origin { node: NodeId(2), inc: Inc(1) };
const GONE: Origin = Origin { node: NodeId(3), inc: Inc(1) };

/// What the decoder does with each picture in turn; nothing more: it makes a thumbnail.
struct Scripted(VecDeque<Failure>);

impl Thumbnailer for Scripted {
    fn thumbnail(&mut self, picture: &dyn BlobReader, _: &Order) -> Result<Vec<u8>, Failure> {
        self.0.pop_front().map_or_else(|| Ok(format!("small {}", picture.size_bytes()).into_bytes()), Err)
    }
}

/// A host without threads: what is logged is applied at once.
struct Host {
    applied: AppliedLock,
    blobs: Arc<Blobs>,
    hosts: Hosts,
    decoder: Scripted,
}

/// Blobs in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<BlobId, Vec<u8>>>>);

struct Content(Memory, Vec<u8>);

impl BlobStore for Memory {
    fn begin(&self) -> io::Result<Box<dyn Unfinished>> {
        Ok(Box::new(Content(self.clone(), Vec::new())))
    }
    fn open(&self, id: &BlobId) -> io::Result<Box<dyn BlobReader>> {
        let content = self.0.lock().unwrap().get(id).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Content(self.clone(), content)))
    }
    fn remove(&self, id: &BlobId) -> io::Result<bool> {
        Ok(self.0.lock().unwrap().remove(id).is_some())
    }
    fn list(&self) -> io::Result<Vec<BlobId>> {
        Ok(self.0.lock().unwrap().keys().copied().collect())
    }
    fn remove_unfinished(&self) -> io::Result<u64> {
        Ok(0)
    }
}

impl Unfinished for Content {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.1.extend_from_slice(piece);
        Ok(())
    }
    fn read_back(&self) -> io::Result<Vec<u8>> {
        Ok(self.1.clone())
    }
    fn finish(self: Box<Self>, id: &BlobId) -> io::Result<()> {
        self.0.0.lock().unwrap().insert(*id, self.1);
        Ok(())
    }
    fn discard(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl BlobReader for Content {
    fn size_bytes(&self) -> u64 {
        self.1.len() as u64
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (&*self.1).read_at(buffer, offset)
    }
}

impl Host {
    fn new() -> Self {
        let mut applied = Applied::default();
        applied.insert(4, Box::<ThumbsState>::default());
        Self {
            applied: AppliedLock::new(applied),
            blobs: Arc::new(Blobs::new(Box::new(Memory::default()))),
            hosts: Hosts::alone(OWN.node),
            decoder: Scripted(VecDeque::new()),
        }
    }

    fn apply(&self, origin: Origin, record: &[u8]) -> Place {
        let mut applied = self.applied.write();
        let seq = applied.vector.seq_of(origin) + 1;
        let first = Entry { origin, seq, time_us: applied.time_us + 1 };
        let end = Position(applied.position.0 + 1);
        applied.apply_batch(&Batch { first, count: 1, body: record, end });
        (origin, seq)
    }

    fn submit(&self, origin: Origin, content: &[u8]) -> Place {
        let pin = self.blobs.keep(content).unwrap();
        let (raw, raw_bytes) = (pin.id(), content.len() as u64);
        let picture = Picture {
            uuid: [1; 16],
            media: Media::Png,
            frame: Frame::USUAL,
            style: Style::usual(Media::Png),
            raw,
            raw_bytes,
        };
        self.apply(origin, &Change::Submit(picture).record())
    }

    fn item(&self, place: Place) -> Item {
        self.applied.read().state::<ThumbsState>().unwrap().at(place).unwrap().clone()
    }

    fn reason(&self, place: Place) -> String {
        match self.item(place).progress.outcome {
            Some(Outcome::Failed(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn made(&self, place: Place) -> Vec<u8> {
        let thumbnail = self.item(place).progress.outcome.unwrap().thumbnail().unwrap();
        self.blobs.read(&thumbnail.blob).unwrap()
    }

    /// Works until there is nothing to do, or nothing can be done; gives the pictures that were tried.
    fn run(&mut self, runner: &Runner) -> Vec<Place> {
        let mut places = Vec::new();
        while let Some(task) = runner.claim(self) {
            let mut decoder = Scripted(std::mem::take(&mut self.decoder.0));
            let step = runner.work(self, &mut decoder, &task);
            self.decoder = decoder;
            runner.claimed().remove(&task.place);
            places.push(task.place);
            if step == Step::Stuck {
                break;
            }
        }
        places
    }
}

impl Desk for Host {
    fn applied(&self) -> &AppliedLock {
        &self.applied
    }
    fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }
    fn reader(&self) -> &Arc<Reader> {
        unreachable!("a runner reads no journal")
    }
    fn hosts(&self, _: &Applied) -> Hosts {
        self.hosts.clone()
    }
    fn now_us(&self) -> u64 {
        0
    }
    fn wall_us(&self) -> u64 {
        0
    }
    fn log(&self, records: Vec<u8>) -> Result<(), Unlogged> {
        self.apply(OWN, &records);
        Ok(())
    }
    fn keep(&self, content: &[u8]) -> io::Result<Pin> {
        self.blobs.keep(content)
    }
    fn pause(&self) {}
    fn is_over(&self) -> bool {
        false
    }
    fn warn(&self, _: &str) {}
}

fn died() -> Failure {
    Failure::Died { how: "a test".to_owned() }
}

fn runner() -> Runner {
    Runner::new(ThumbsSettings::default(), Tools::default())
}

#[test]
fn oldest_first_and_one_content_is_decoded_once() {
    let (mut host, runner) = (Host::new(), runner());
    let places: Vec<Place> =
        [&b"a"[..], b"bb", b"a"].iter().map(|content| host.submit(OWN, content)).collect();
    assert_eq!(host.run(&runner), places);
    assert_eq!(
        places.iter().map(|place| host.made(*place)).collect::<Vec<_>>(),
        [b"small 1", b"small 2", b"small 1"]
    );
    let figures = runner.figures(&host.applied.read());
    let value = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap().value;
    assert_eq!(value("pixeld_thumbs_attempts_total"), 2.0);
    assert_eq!((value("pixeld_thumbs_done_total"), value("pixeld_thumbs_known_total")), (2.0, 1.0));
    assert_eq!((value("pixeld_thumbs_queued"), value("pixeld_thumbs_running")), (0.0, 0.0));
}

#[test]
fn one_content_is_in_the_hands_of_one_thread_only() {
    let (host, runner) = (Host::new(), runner());
    let places: Vec<Place> =
        [&b"a"[..], b"a", b"bb", b"a"].iter().map(|content| host.submit(OWN, content)).collect();
    let claim = || runner.claim(&host).map(|task| task.place);
    assert_eq!([claim(), claim(), claim()], [Some(places[0]), Some(places[2]), None]);
    runner.claimed().remove(&places[0]);
    host.apply(OWN, &Change::Delete(places[0]).record());
    assert_eq!([claim(), claim()], [Some(places[1]), None], "that of another content does not hold it up");
}

#[test]
fn a_picture_that_ends_its_decoder_is_tried_twice_and_the_next_one_goes_on() {
    let (mut host, runner) = (Host::new(), runner());
    host.decoder.0.extend([died(), died()]);
    let (bad, good) = (host.submit(OWN, b"bad"), host.submit(OWN, b"good"));
    assert_eq!(host.run(&runner), [bad, bad, bad, good]);
    assert_eq!((host.reason(bad), host.made(good)), (ENDED_DECODER.to_owned(), b"small 4".to_vec()));

    // Once only: it may not have been the picture.
    host.decoder.0.push_back(died());
    let unlucky = host.submit(OWN, b"unlucky");
    assert_eq!(host.run(&runner), [unlucky, unlucky]);
    assert_eq!(host.made(unlucky), b"small 7");
}

#[test]
fn attempts_of_an_earlier_start_count_and_those_of_the_other_host_do_not() {
    let (mut host, runner) = (Host::new(), runner());
    let (crashed, elsewhere) = (host.submit(OWN, b"one"), host.submit(OWN, b"other"));
    let before = Origin { inc: Inc(0), ..OWN };
    for (origin, place) in [(before, crashed), (before, crashed), (PEER, elsewhere), (PEER, elsewhere)] {
        host.apply(origin, &Change::Attempt(place).record());
    }
    host.run(&runner);
    assert_eq!((host.reason(crashed), host.made(elsewhere)), (ENDED_DECODER.to_owned(), b"small 5".to_vec()));
}

#[test]
fn faults_of_the_picture_are_final_and_those_of_the_host_are_not() {
    let (mut host, runner) = (Host::new(), runner());
    for (failure, reason) in [
        (Fault::Corrupted.into(), "Corrupted raw image, please try again"),
        (Fault::TooLarge { most: 7 }.into(), "The picture has more pixels than the 7 that are decoded"),
        (Failure::Killed { after: Duration::from_secs(1) }, "The picture took too long to decode"),
    ] {
        host.decoder.0.push_back(failure);
        let place = host.submit(OWN, reason.as_bytes());
        assert_eq!(host.run(&runner), [place]);
        assert_eq!(host.reason(place), reason);
    }
    // No attempts, so they are never too many.
    host.decoder.0.extend((0..9).map(|_| Failure::NoDecoder(io::ErrorKind::NotFound.into())));
    let place = host.submit(OWN, b"x");
    assert_eq!(host.run(&runner), [place]);
    assert_eq!(host.made(place), b"small 1");
    host.decoder.0.extend((0..3).map(|_| Failure::Unreadable(io::ErrorKind::Other.into())));
    let (bad, good) = (host.submit(OWN, b"yy"), host.submit(OWN, b"zzz"));
    assert_eq!(host.run(&runner), [bad, good], "it does not hold up the others");
    assert_eq!((host.reason(bad), host.made(good)), (UNREADABLE.to_owned(), b"small 3".to_vec()));
}

#[test]
fn a_picture_that_is_not_there_comes_to_an_end_too() {
    let (mut host, runner) = (Host::new(), runner());
    let place = host.submit(OWN, b"x");
    let raw = host.item(place).picture.raw;
    host.blobs.remove(vec![raw], |_| false).unwrap();
    assert_eq!(host.run(&runner), [place]);
    assert_eq!(host.reason(place), LOST);
}

#[test]
fn what_the_peer_left_is_made_once_it_has_been_away_for_long_enough() {
    let (mut host, runner) = (Host::new(), runner());
    let takeover_us = runner.settings.takeover.as_micros() as u64;
    let (theirs, own) = (host.submit(PEER, b"theirs"), host.submit(OWN, b"own"));
    let alone = Hosts::alone(OWN.node);
    host.hosts = alone.clone().with(PEER.node, None);
    assert_eq!(host.run(&runner), [own]);
    host.hosts = alone.clone().with(PEER.node, Some(takeover_us - 1));
    assert_eq!(host.run(&runner), []);
    host.hosts = alone.clone().with_unmet(takeover_us);
    assert_eq!(host.run(&runner), [theirs]);
    assert_eq!(host.made(theirs), b"small 6");

    // Those of a directory that was lost are made by the host with the lower number.
    let orphan = host.submit(GONE, b"orphan");
    host.hosts = alone.clone().with(NodeId(0), None);
    assert_eq!(host.run(&runner), []);
    host.hosts = alone.clone().with(PEER.node, None);
    assert_eq!(host.run(&runner), [orphan]);
    let left = host.submit(PEER, b"left");
    host.hosts = alone;
    assert_eq!(host.run(&runner), [left]);
}
