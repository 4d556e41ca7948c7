//! `GET /pixels` over a real journal on a simulated disk: what was kept is what is listed, whole or page by page.

use crate::journal;
use crate::sim_disk;

use std::sync::Arc;

use journal::{NODE, SEGMENT_BYTES, options};
use pixeld::app::application::{Action, Job, JobStep, PeerReport, Request, Start, View};
use pixeld::app::applied::Batch;
use pixeld::app::applied_lock::AppliedLock;
use pixeld::app::router::{Match, Router};
use pixeld::app::state::Entry;
use pixeld::app::wait::{Ticket, Wake};
use pixeld::apps::pixel::record::{Channel, Pixel};
use pixeld::apps::pixel::service::PixelApp;
use pixeld::apps::pixel::state::clear_record;
use pixeld::apps::registry;
use pixeld::base::ids::NodeId;
use pixeld::base::limits::{Limits, PIECE_BYTES};
use pixeld::base::setting::Values;
use pixeld::http::request::{HeaderSlots, parse_head};
use pixeld::log::blobs::Blobs;
use pixeld::log::blobs::files::FileStore;
use pixeld::log::recover::{self, Opened, Replay};
use pixeld::log::write::spare::make_spare;
use pixeld::log::write::staged::Staged;
use pixeld::os::disk::Disk;
use proptest::prelude::*;
use serde_json::{Value, json};
use sim_disk::SimDisk;

/// The list never waits.
struct Nobody;

impl Wake for Nobody {
    fn wake(&self, ticket: Ticket) {
        panic!("{ticket:?} was woken");
    }
}

/// A host without threads and sockets.
struct Site {
    disk: Arc<dyn Disk>,
    blobs: Arc<Blobs>,
    opened: Opened,
    applied: Arc<AppliedLock>,
    router: Router,
    node: NodeId,
    limits: Limits,
    is_spare_ready: bool,
}

/// No peer.
struct Alone;

impl PeerReport for Alone {
    fn peer_json(&self) -> Option<String> {
        None
    }

    fn joining_json(&self) -> Option<String> {
        None
    }

    fn folds_wait_for(&self) -> Option<NodeId> {
        None
    }

    fn writes_refused(&self) -> Option<String> {
        None
    }
}

/// An answer, taken to its end.
struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    is_cut: bool,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("an answer in JSON")
    }
}

impl Site {
    fn new() -> Self {
        Self::on(&SimDisk::new())
    }

    fn on(disk: &SimDisk) -> Self {
        let disk = disk.shared();
        let applied = registry::new_applied();
        let refuse = &mut |_: Replay<'_>| Err("the disk is new".to_owned());
        let opened = recover::open(&disk, &options(journal::fresh()), refuse).expect("a new directory");
        Self {
            is_spare_ready: opened.spare_ready,
            blobs: Arc::new(Blobs::new(Box::new(FileStore::new(disk.clone())))),
            disk,
            opened,
            applied: Arc::new(AppliedLock::new(applied)),
            router: Router::new(vec![Arc::new(PixelApp::new(&Values::default()))]),
            node: NODE,
            limits: Limits::default(),
        }
    }

    /// Does what the committer does with one batch.
    fn commit(&mut self, records: &[u8], count: u32) {
        if !self.is_spare_ready {
            make_spare(&*self.disk, self.opened.appender.spare_number(), SEGMENT_BYTES).expect("room");
            self.is_spare_ready = true;
        }
        let Opened { appender, writer, reader, .. } = &mut self.opened;
        let mut applied = self.applied.write();
        let first = Entry { origin: appender.origin(), seq: appender.next_seq(), time_us: 1 };
        let (mut body, mut staged) = (Vec::new(), Staged::default());
        applied.stamp_batch(&first, records, &mut body);
        let sealed = appender.stage(&body, count, 1, writer.synced(), &mut staged);
        self.is_spare_ready &= sealed.entered.is_none();
        writer.write(&staged, true).expect("a disk that works");
        reader.extend(&staged);
        reader.written(writer.position());
        applied.apply_batch(&Batch { first, count, body: &body, end: sealed.end });
    }

    fn commit_pixels(&mut self, pixels: &[Pixel]) {
        let records: Vec<u8> = pixels.iter().flat_map(Pixel::encode).collect();
        self.commit(&records, u32::try_from(pixels.len()).unwrap());
    }

    fn act(&self, target: &str, accept: &str) -> Action {
        let text = format!("GET {target} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
        let mut slots = HeaderSlots::new();
        let head = parse_head(text.as_bytes(), &mut slots, &self.limits).expect("a valid head");
        let Match::Found { app, route, captures, .. } =
            self.router.find(self.router.usual_root(), head.method, head.path)
        else {
            panic!("{target} is served")
        };
        let view = View {
            applied: &self.applied,
            reader: &self.opened.reader,
            node: self.node,
            cluster: self.opened.identity.cluster,
            random: || [0; 16],
            blobs: &self.blobs,
            ticket: Ticket { worker: 0, place: 0, generation: 0, wait: 1 },
            waker: &(Arc::new(Nobody) as Arc<dyn Wake>),
            limits: &self.limits,
            pid: 4711,
            now_us: 0,
            clock_us: 0,
            peer: &Alone,
            shows_host: true,
        };
        self.router.app(app).handle(route.endpoint, &Request { head: &head, body: b"", captures }, &view)
    }

    fn job(&self, target: &str) -> Box<dyn Job> {
        match self.act(target, "*/*") {
            Action::Job(job) => job,
            _ => panic!("{target} is a job"),
        }
    }

    fn get(&self, target: &str, accept: &str) -> Answer {
        match self.act(target, accept) {
            Action::Respond(response) => whole(response),
            Action::Job(job) => finish(job),
            _ => panic!("{target} writes nothing"),
        }
    }

    fn json(&self, target: &str) -> Value {
        let answer = self.get(target, "*/*");
        assert_eq!((answer.status, answer.content_type, answer.is_cut), (200, "application/json", false));
        answer.json()
    }
}

fn whole(response: pixeld::http::response::Response) -> Answer {
    let pixeld::http::response::Response { status, content_type, body, .. } = response;
    Answer { status, content_type, body: body.to_vec(), is_cut: false }
}

fn finish(mut job: Box<dyn Job>) -> Answer {
    let head = match job.start() {
        Start::Whole(response) => return whole(response),
        Start::Stream(head) => head,
        Start::Go(_) => unreachable!("a list logs nothing"),
    };
    let mut body = Vec::new();
    let is_cut = loop {
        let mut piece = Vec::new();
        let step = job.next(&mut piece);
        assert!(piece.len() < PIECE_BYTES + 200, "a piece of {} bytes", piece.len());
        body.append(&mut piece);
        match step {
            JobStep::More => {}
            JobStep::Done => break false,
            JobStep::Failed => break true,
        }
    };
    Answer { status: head.status, content_type: head.content_type, body, is_cut }
}

fn object(pixel: &Pixel) -> Value {
    let letter = (pixel.channel.letter() as char).to_string();
    json!({"x": pixel.x, "y": pixel.y, "channel": letter, "value": pixel.value})
}

fn pixels(count: i32) -> Vec<Pixel> {
    let channel = |n| [Channel::R, Channel::G, Channel::B][n as usize % 3];
    (0..count).map(|n| Pixel { x: n, y: -n, channel: channel(n), value: n as u8 }).collect()
}

#[derive(Clone, Debug)]
enum Change {
    Pixels(Vec<Pixel>),
    Clear,
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let pixel = (-4..4_i32, -4..4_i32, 0..3_usize, any::<u8>()).prop_map(|(x, y, channel, value)| Pixel {
        x,
        y,
        channel: [Channel::R, Channel::G, Channel::B][channel],
        value,
    });
    let change = prop_oneof![
        5 => prop::collection::vec(pixel, 1..30).prop_map(Change::Pixels),
        1 => Just(Change::Clear),
    ];
    prop::collection::vec(prop::collection::vec(change, 1..4), 0..20)
}

/// Commits the changes, a batch for each; gives what is to be listed.
fn commit_all(site: &mut Site, batches: &[Vec<Change>]) -> Vec<Pixel> {
    let mut listed = Vec::new();
    for batch in batches {
        let (mut records, mut count) = (Vec::new(), 0);
        for change in batch {
            match change {
                Change::Pixels(pixels) => {
                    pixels.iter().for_each(|pixel| records.extend_from_slice(&pixel.encode()));
                    count += pixels.len();
                    listed.extend_from_slice(pixels);
                }
                Change::Clear => {
                    records.extend_from_slice(&clear_record());
                    count += 1;
                    listed.clear();
                }
            }
        }
        site.commit(&records, u32::try_from(count).unwrap());
    }
    listed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_kept_is_listed(batches in changes(), limit in 1..9_usize) {
        let mut site = Site::new();
        let listed = commit_all(&mut site, &batches);
        let total = listed.len();
        let data: Vec<_> = listed.iter().map(object).collect();
        prop_assert_eq!(site.json("/pixels"), json!({"total": total, "data": data}));
        prop_assert_eq!(site.json("/pixels/count"), json!({"total": total}));
        let health = json!({"status": "healthy", "pid": 4711, "store_size": total});
        prop_assert_eq!(site.json("/health"), health);

        let lines = site.get("/pixels", "application/x-ndjson");
        let lines: Vec<Value> = std::str::from_utf8(&lines.body).unwrap().lines()
            .map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(&lines, &data);

        let passes = |pixel: &&Pixel| pixel.channel == Channel::G && (-2..=1).contains(&pixel.x) && pixel.y <= 2;
        let filtered: Vec<_> = listed.iter().filter(passes).map(object).collect();
        let filter = "channel=G&x_min=-2&x_max=1&y_max=2";
        let expected = json!({"total": filtered.len(), "data": filtered, "next": null});
        prop_assert_eq!(site.json(&format!("/pixels?{filter}")), expected);

        for (query, expected) in [("", &data), (filter, &filtered)] {
            let (mut found, mut after) = (Vec::new(), String::new());
            for _ in 0..=total {
                let page = site.json(&format!("/pixels?{query}&limit={limit}{after}"));
                prop_assert_eq!(&page["total"], &json!(expected.len()));
                let data = page["data"].as_array().unwrap();
                found.extend_from_slice(data);
                let Some(next) = page["next"].as_str() else { break };
                prop_assert_eq!(data.len(), limit);
                after = format!("&after={next}");
            }
            prop_assert_eq!(&found, expected);
        }
    }
}

#[test]
fn a_list_of_many_pieces_shows_the_moment_it_was_asked_for() {
    let mut site = Site::new();
    let kept = pixels(20_000);
    for batch in kept.chunks(1_500) {
        site.commit_pixels(batch);
    }
    let mut list = site.job("/pixels");
    let filtered = site.job("/pixels?x_min=19990");
    assert!(matches!(list.start(), Start::Stream(_)));
    let mut body = Vec::new();
    assert_eq!(list.next(&mut body), JobStep::More);
    assert!(body.len() >= PIECE_BYTES, "a full piece");
    site.commit_pixels(&pixels(100));
    site.commit(&clear_record(), 1);
    while list.next(&mut body) == JobStep::More {}
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let data: Vec<_> = kept.iter().map(object).collect();
    assert_eq!(answer, json!({"total": 20_000, "data": data}));
    let filtered = finish(filtered).json();
    assert_eq!((&filtered["total"], filtered["data"].as_array().unwrap().len()), (&json!(10), 10));
    assert_eq!(site.json("/pixels"), json!({"total": 0, "data": []}));
}

#[test]
fn the_form_is_chosen_by_accept_and_json_if_in_doubt() {
    let mut site = Site::new();
    site.commit_pixels(&pixels(2));
    for (accept, content_type) in [
        ("*/*", "application/json"),
        ("image/png", "application/json"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/*", "text/csv"),
    ] {
        assert_eq!(site.get("/pixels", accept).content_type, content_type, "{accept}");
    }
    assert_eq!(site.get("/pixels?limit=1", "text/csv").body, b"x,y,channel,value\n0,0,R,0\n");
}

#[test]
fn a_cursor_is_followed_by_what_came_later_and_by_nothing_else() {
    let mut site = Site::new();
    site.commit_pixels(&pixels(3));
    let next = |page: &Value| page["next"].as_str().expect("a cursor").to_owned();
    let all = next(&site.json("/pixels?limit=3"));
    assert_eq!(site.json(&format!("/pixels?after={all}")), json!({"total": 3, "data": [], "next": null}));
    site.commit_pixels(&pixels(1));
    let page = site.json(&format!("/pixels?after={all}"));
    assert_eq!((page["total"].clone(), page["data"].as_array().unwrap().len()), (json!(4), 1));

    assert_eq!(site.get("/pixels?after=nonsense", "*/*").status, 422);
    let mut other = Site::new();
    other.commit_pixels(&pixels(1));
    assert_eq!(other.get(&format!("/pixels?after={all}"), "*/*").status, 200, "the same node");
    other.node = NodeId(1);
    assert_eq!(other.get(&format!("/pixels?after={all}"), "*/*").status, 410);
    assert_eq!(Site::new().get(&format!("/pixels?after={all}"), "*/*").status, 410, "beyond the end");
}

#[test]
fn a_cursor_into_a_removed_segment_goes_on_with_what_is_left() {
    let mut site = Site::new();
    site.commit_pixels(&pixels(5));
    let cursor = site.json("/pixels?limit=2")["next"].as_str().expect("a cursor").to_owned();
    for _ in 0..6 {
        site.commit_pixels(&pixels(2_500));
    }
    site.commit(&clear_record(), 1);
    site.commit_pixels(&pixels(3));
    let removed =
        site.opened.reader.remove_before(site.opened.appender.segment()).expect("a disk that works");
    assert!(removed > 3);
    let page = site.json(&format!("/pixels?after={cursor}"));
    assert_eq!((page["total"].clone(), page["data"].as_array().unwrap().len()), (json!(3), 3));
}

#[test]
fn a_damaged_journal_cuts_the_answer_short() {
    let disk = SimDisk::new();
    let mut site = Site::on(&disk);
    for _ in 0..6 {
        site.commit_pixels(&pixels(2_500));
    }
    let name = pixeld::log::format::segment::name(site.opened.appender.segment() - 2);
    let mut content = disk.content(&name);
    content[20_000] ^= 1;
    disk.replace(&name, &content);
    let answer = site.get("/pixels", "*/*");
    assert!(answer.status == 200 && answer.is_cut);
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err(), "nobody takes it for whole");
    assert!(site.get("/pixels?channel=R", "*/*").is_cut);
}
