//! Pictures: what is gone, comes again, is damaged or released at the wrong moment.

use std::io::ErrorKind;

use pixeld::app::naming;
use pixeld::log::blobs::check::Fault;

use super::*;

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

/// One picture that is damaged, of one piece or of several, keeps nothing else from the peer: it is named here, and the peer is
/// told that it gets none.
#[test]
fn a_damaged_picture_is_named_and_passed_over() {
    for content in [pictures::all()[2].1.clone(), vec![7; 600_000]] {
        let (id, disk) = (id_of(&content), SimDisk::new());
        let mut scene = Scene::new(&disk, Durability::Disk);
        scene.post(&content, 1);
        scene.post(&pictures::all()[1].1, 2);
        let text = id.to_string();
        let mut damaged = content.clone();
        *damaged.last_mut().expect("some bytes") ^= 1;
        disk.replace(&format!("blobs/{}/{}", &text[..2], &text[2..]), &damaged);
        let heard = scene.meet(&[]);
        assert!(heard.contains(&Effect::BlobGone(id)), "{heard:?}");
        let is_closed = |effect: &Effect| matches!(effect, Effect::Closed(_));
        let is_piece = |effect: &Effect| matches!(effect, Effect::Blob { id: sent, .. } if *sent == id);
        assert!(!heard.iter().any(|effect| is_closed(effect) || is_piece(effect)), "not even half of it");
        let batches = heard.iter().filter(|effect| matches!(effect, Effect::Take { .. })).count();
        assert_eq!(batches, 2, "and everything else goes: {heard:?}");
        assert_eq!(scene.up.shared.blobs.faults().of(&id), Some(Fault::Damaged));
        assert_eq!(
            scene.up.shared.blobs.open(&id).err().map(|error| error.kind()),
            Some(ErrorKind::InvalidData)
        );
    }
}

/// What is missing or damaged here is asked of the peer, once; its content mends it, its word that it has none does not end
/// anything.
#[test]
fn a_damaged_picture_is_fetched_from_the_peer() {
    let picture = &pictures::all()[1];
    let disk = SimDisk::new();
    let mut scene = Scene::new(&disk, Durability::Disk);
    scene.post(&picture.1, 1);
    scene.meet(&[]);
    for fault in [Fault::Missing, Fault::Damaged] {
        let faults = |scene: &Scene| scene.up.shared.blobs.faults().of(&picture.0);
        scene.up.shared.blobs.faults().note(picture.0, fault);
        let asked = |heard: &[Effect]| heard.iter().filter(|e| **e == Effect::BlobWanted(picture.0)).count();
        assert_eq!(asked(&scene.carry()), 1);
        scene.peer.send_blob_gone(&picture.0);
        assert_eq!((asked(&scene.carry()), faults(&scene)), (0, Some(fault)), "the peer is not asked twice");
        scene.up.shared.blobs.faults().ask_again();
        assert_eq!(asked(&scene.carry()), 1, "but later");
        scene.send_blob(picture);
        scene.carry();
        assert_eq!(faults(&scene), None);
        assert_eq!(scene.up.shared.blobs.read(&picture.0).expect("it is mended"), picture.1);
    }
    // What no record names is nobody's trouble.
    scene.up.shared.blobs.faults().note(BlobId([9; 32]), Fault::Missing);
    assert!(!scene.carry().iter().any(|effect| matches!(effect, Effect::BlobWanted(_))));
    assert_eq!(scene.up.shared.blobs.faults().counts().missing, 0);
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
    let mut scene = Scene::with(&disk, up);
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
    assert!(shared.applied.read().has_released());
    assert!(scene.has(id), "the next look is about this release");

    let disk = disk.fall(Fall::Power(1));
    let up = Up::start(&disk, HOST, Inc(71), Durability::Memory).expect("a start");
    let names_it = naming::is_named(&up.shared.applied, id).expect("a run that reads well");
    assert!(names_it && up.shared.blobs.contains(id).expect("a sound disk"));
}
