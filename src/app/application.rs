//! What an application is: routes, a handler, a state.

use std::ops::Range;
use std::sync::Arc;

use crate::base::ids::{ClusterId, NodeId};
use crate::base::limits::Limits;
use crate::base::tag::SHORT_RECORD_BYTES;
use crate::http::method::Method;
use crate::http::request::Head;
use crate::http::response::{Response, StreamHead};
use crate::log::blobs::Blobs;
use crate::log::read::reader::Reader;
use crate::os::disk::DiskFile;

use super::access::{self, Access, Scope};
use super::answer;
use super::applied::Applied;
use super::background::Background;
use super::feed::Feed;
use super::form_page::FormPage;
use super::state::State;
use super::upload::Upload;
use super::view::LogView;
use super::wait::{News, Ticket, Wake};
use crate::app::applied_lock::{AppliedLock, Reading};

/// One application. All of it is pure: requests, time and state come in, actions go out.
pub trait App: Send + Sync {
    /// Returns the word for it in `--apps`.
    fn name(&self) -> &'static str;

    /// Returns the high nibble of its records' tags.
    fn id(&self) -> u8;

    /// Returns what it serves; listed once. The index page, the OpenAPI document and `Allow` come from here.
    fn routes(&self) -> &'static [Route];

    /// Returns schemas that its operations refer to in the OpenAPI document, a JSON object; empty for none.
    fn schemas(&self) -> &'static str {
        ""
    }

    /// Answers a request on a worker; never blocks, and takes the state's lock for a few copies at most.
    fn handle(&self, endpoint: u8, request: &Request<'_>, view: &View<'_>) -> Action;

    /// Returns whether pages of every site may change something here, as they may see every answer.
    fn is_for_every_site(&self) -> bool {
        false
    }

    /// Takes up a request whose route streams its body.
    ///
    /// # Errors
    /// Returns the answer to a request that is refused by its head; the body is not read then.
    fn upload(&self, _endpoint: u8, _head: &Head<'_>, _view: &View<'_>) -> Result<Box<dyn Upload>, Response> {
        Err(self.not_found())
    }

    /// Returns the state before the first record; nothing for an application that keeps nothing.
    fn new_state(&self) -> Option<Box<dyn State>>;

    /// Returns what it shows at the head of the index page, before figures and cards; nothing for most. The page has room for one:
    /// the first application's that has such.
    fn front(&self) -> Option<Front> {
        None
    }

    /// Returns its card on the index page, in HTML: a heading (h3), a sentence, a form to try it, and a link to its page. A form that
    /// changes something is a POST. Empty for none.
    fn card(&self) -> &'static str {
        ""
    }

    /// Returns what it does by itself, beside answering requests.
    fn backgrounds(&self) -> Vec<Arc<dyn Background>> {
        Vec::new()
    }

    /// Returns the views of the journal that it reads from.
    fn views(&self) -> Vec<Arc<dyn LogView>> {
        Vec::new()
    }

    /// Returns name and help of the series that counts its short records, if it has such.
    fn short_records(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Returns the answer to a path that nobody serves, in this application's style.
    fn not_found(&self) -> Response {
        answer::detail(404, "Not Found")
    }

    /// Returns the answer to a method that a path of this application does not have; `Allow` is added to it.
    fn method_not_allowed(&self) -> Response {
        answer::detail(405, "Method Not Allowed")
    }

    /// Returns the answer to OPTIONS for one of its paths, which has these methods.
    fn options(&self, allow: &str) -> Response {
        Response::new(204, "", "").with("Allow", allow)
    }

    /// Returns the answer to a request that is refused by its head, 4xx, in this application's style.
    fn refusal(&self, status: u16, sentence: &str) -> Response {
        answer::detail(status, sentence)
    }

    /// Returns the answer to a body that is larger than the `most` bytes that its route takes, in this application's style. The
    /// connection ends behind it.
    fn too_large(&self, _endpoint: u8, most: usize) -> Response {
        answer::detail(413, &format!("The body is larger than {most} bytes; nothing was stored"))
    }
}

/// A large part of the index page, with what it needs. The page's policy allows files of this host only.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    /// The part: one element of the class `front`, without script and style inside of it.
    pub html: &'static str,
    /// Path of its style sheet.
    pub style: &'static str,
    /// Path of its script, a module.
    pub script: &'static str,
    /// Paths of the modules that the script imports, which are loaded ahead.
    pub modules: &'static [&'static str],
}

/// A whole request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Request line and header fields.
    pub head: &'a Head<'a>,
    /// The body; empty where the route has none.
    pub body: &'a [u8],
    /// What the route's pattern captured.
    pub captures: Captures<'a>,
}

/// Most captures of one path pattern.
pub const CAPTURES_MAX: usize = 2;

/// The segments of a path that stand where its pattern has names, still percent-encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captures<'a> {
    /// In the order of the pattern; unused ones are empty.
    pub segments: [&'a str; CAPTURES_MAX],
}

/// What to do about a request.
pub enum Action {
    /// Answer now.
    Respond(Response),
    /// Log these records; answer once they are kept at the durability asked for, and applied.
    Append {
        /// Whole records, one after the other.
        records: Vec<u8>,
        /// The answer to give then.
        response: Response,
    },
    /// Log this one record; the answer is made from what applying it gave ([`State::apply`]), once it is kept at the
    /// durability asked for.
    Command {
        /// The record.
        record: Vec<u8>,
        /// Makes the answer.
        then: Box<dyn Resume>,
    },
    /// Answer once everything that is applied now is kept at the durability asked for: an earlier request has done what this one asks
    /// for, and may not have reached that level yet.
    Confirm {
        /// Changes nothing. It is logged where the level waits for another host: whoever has it there has everything before it, also
        /// what an earlier process of this host has logged, or what came from there and was not durable yet.
        record: Vec<u8>,
        /// The answer to give then.
        response: Response,
    },
    /// Let a job thread answer, piece by piece.
    Job(Box<dyn Job>),
    /// Hold the request until a time, or until somebody has news for it.
    Wait(Wait),
    /// Answer with the frames of a feed, until the client or the server ends.
    Watch(Watch),
}

/// An answer that goes on with what a feed tells.
pub struct Watch {
    /// Its head; the length is not known.
    pub head: StreamHead,
    /// The feed.
    pub feed: Arc<Feed>,
    /// What is sent before its frames.
    pub first: Vec<u8>,
    /// The place in the feed at which it begins.
    pub place: u64,
}

/// How a request goes on that was held.
pub trait Resume: Send {
    /// Returns what to do now. Runs on the request's worker and never blocks; it may hold the request again.
    fn resume(self: Box<Self>, view: &View<'_>, news: News) -> Action;
}

/// A request that waits.
pub struct Wait {
    /// Until when at most, microseconds of [`View::clock_us`], reached with the grain of the worker's deadlines (50 ms, never
    /// early); without a time it waits to be woken.
    pub until_us: Option<u64>,
    /// How it goes on.
    pub then: Box<dyn Resume>,
}

/// What a request may look at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The applied state, shared with the committer.
    pub applied: &'a Arc<AppliedLock>,
    /// The journal, to be read by jobs.
    pub reader: &'a Arc<Reader>,
    /// This host and its peer.
    pub cluster: ClusterId,
    /// This host's data directory.
    pub node: NodeId,
    /// Sixteen random bytes for an identity.
    pub random: fn() -> [u8; 16],
    /// The blobs, to be written and read by uploads and jobs.
    pub blobs: &'a Arc<Blobs>,
    /// What this request is woken by, should it wait.
    pub ticket: Ticket,
    /// Wakes requests that wait, from any thread.
    pub waker: &'a Arc<dyn Wake>,
    /// The bounds in force.
    pub limits: &'a Limits,
    /// Number of this process.
    pub pid: u32,
    /// Wall clock, microseconds since 1970: to be told to people. It may be wrong, and jump.
    pub now_us: u64,
    /// Monotonic clock, microseconds since the process's start: what has to wait waits by it.
    pub clock_us: u64,
    /// The peer.
    pub peer: &'a dyn PeerReport,
    /// The client may see the host's details, beyond that it is there.
    pub shows_host: bool,
}

/// Knows how the peer is.
pub trait PeerReport {
    /// Returns a member of an object of JSON that says it, `"peer":{...}`, or `"log":{...}` where a log is in the peer's place; nothing on
    /// a host that is alone.
    fn peer_json(&self) -> Option<String>;

    /// Returns a list of JSON that names the members of the cluster, and what waits for those that are away; nothing while none is
    /// listed.
    fn members_json(&self) -> Option<String> {
        None
    }

    /// Returns an object of JSON that says how far this host's joining is; nothing once it has joined.
    fn joining_json(&self) -> Option<String>;

    /// Returns an object of JSON that says how fast what is kept grows and when the disk will be full; nothing while that is not
    /// known.
    fn prospect_json(&self) -> Option<String> {
        None
    }

    /// Returns the other host, without whose word no earlier start is folded; nothing where none is known.
    fn folds_wait_for(&self) -> Option<NodeId>;

    /// Returns why this host takes no writes, for an operator; nothing while it does.
    fn writes_refused(&self) -> Option<String>;
}

impl View<'_> {
    /// Locks the applied state for reading: hold it for a few copies only, the committer waits for it.
    pub fn applied(&self) -> Reading<'_> {
        // A panic ends the process, so nobody sees a state that was left half changed.
        self.applied.read()
    }
}

/// One method of one path.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method; nothing for every method there is. GET serves HEAD too; OPTIONS is answered for every path.
    pub method: Option<Method>,
    /// `/things/count`, or with captures: `/media/{name}`. `/{*}` is any path.
    pub path: &'static str,
    /// Number by which the application's `handle` knows the route.
    pub endpoint: u8,
    /// What is done with a request's body.
    pub body: Body,
    /// A line for the index page and for OpenAPI.
    pub summary: &'static str,
    /// Members of the OpenAPI operation object beyond `summary` (parameters, requestBody, responses), in JSON; empty
    /// for none.
    pub operation: &'static str,
    /// It takes forms of browsers too, whose users read the answer: a refusal is this page then.
    pub form: Option<&'static FormPage>,
    /// How to take the usual request without calling `handle`.
    pub express: Option<Express>,
    /// Its requests log records: the document says what that may come to, and the index page does not link to it.
    pub writes: bool,
    /// A GET is answered only after a while, as one that waits for news is: the index page does not link to it either.
    pub waits: bool,
    /// It removes what the journal holds, so it is taken while the disk is too full for other writes.
    pub frees_space: bool,
    /// It tells of the host and not of what is kept: it is answered while the host joins, too.
    pub always: bool,
    /// Who may call it, where tokens are asked for.
    pub access: Access,
    /// Tells by its head that a request to a route that writes only reads.
    pub reads: fn(&Head<'_>) -> bool,
}

impl Route {
    /// Returns a route without body and express lane.
    #[must_use]
    pub const fn new(method: Method, path: &'static str, endpoint: u8, summary: &'static str) -> Self {
        Self {
            method: Some(method),
            path,
            endpoint,
            body: Body::None,
            summary,
            operation: "",
            form: None,
            express: None,
            writes: !matches!(method, Method::Get),
            waits: false,
            frees_space: false,
            always: false,
            access: Access::ByMethod,
            reads: |_| false,
        }
    }

    /// Returns the scope that a request with this method needs, unless it only reads; nothing for a route that is open to everybody.
    #[must_use]
    pub fn scope(&self, method: Method) -> Option<Scope> {
        access::scope_of(self.access, self.writes, method)
    }

    /// Returns the scope that this request needs; nothing for a route that is open to everybody.
    #[must_use]
    pub fn scope_of(&self, head: &Head<'_>) -> Option<Scope> {
        access::scope_of(self.access, self.writes && !(self.reads)(head), head.method)
    }

    /// Returns the same route, open to everybody: a page, a file of the program, or a question whether the server is there.
    #[must_use]
    pub const fn open(self) -> Self {
        Self { access: Access::Open, ..self }
    }

    /// Returns the same route, answered while the host joins, too.
    #[must_use]
    pub const fn always(self) -> Self {
        Self { always: true, ..self }
    }
}

/// What is done with the body of a request. The functions give the most bytes it may have; more is answered 413.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// There is no use for one: it is read and forgotten, up to `limits.unused_body_bytes`. The request is answered all the
    /// same if it is longer, and the connection ends behind that.
    None,
    /// It is kept until it is whole.
    Whole(fn(&Limits) -> usize),
    /// It goes to an [`Upload`] as it comes in.
    Stream(fn(&Limits) -> usize),
}

impl Body {
    /// Returns the most bytes it may have; of one that is of no use, the most that are read.
    #[must_use]
    pub fn most(&self, limits: &Limits) -> usize {
        match self {
            Self::None => limits.unused_body_bytes,
            Self::Whole(most) | Self::Stream(most) => most(limits),
        }
    }
}

/// A route's express lane: a request whose head `admits` likes and whose whole body `scan` reads is logged as one
/// short record, and answered with 200, `application/json` and `body` once it is kept. Every other one goes to
/// `handle`. `admits` looks at the head only, so that its answer may be remembered with the head.
#[derive(Clone, Copy, Debug)]
pub struct Express {
    /// Whether the lane may be used under this head.
    pub admits: fn(&Head<'_>) -> bool,
    /// The record of a body of the usual form.
    pub scan: fn(&[u8]) -> Option<[u8; SHORT_RECORD_BYTES]>,
    /// The answer's content.
    pub body: &'static str,
}

/// How a job answers.
pub enum Start {
    /// At once.
    Whole(Response),
    /// In pieces; ask for them with [`Job::next`].
    Stream(StreamHead),
    /// Not yet: it has looked up what the worker needs to go on with the request.
    Go(Box<dyn Resume>),
}

/// What a piece was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStep {
    /// There are more. An empty piece only means that the job's time was up: let others have a turn, then go on.
    More,
    /// It was the last one.
    Done,
    /// The answer cannot be completed: the connection must be cut, so that the client does not take it for whole.
    Failed,
}

/// Work that must not run on a worker. Between calls it holds no thread: the next piece is asked for when the socket
/// has taken the last one.
pub trait Job: Send {
    /// Returns what went wrong, in words for an operator, after [`JobStep::Failed`]; nothing where there is nothing to do about it.
    fn trouble(&mut self) -> Option<String> {
        None
    }

    /// Begins the answer. Called once, first. May read from the disk.
    fn start(&mut self) -> Start;

    /// Appends the next piece, about [`crate::base::limits::PIECE_BYTES`], to `out`.
    fn next(&mut self, out: &mut Vec<u8>) -> JobStep;

    /// Returns what is left of the answer, if that is a part of a file and worth to be sent from there. Asked after
    /// [`Job::start`]. A part that can't be sent so is asked for with [`Job::next`] after all, from where it begins then.
    fn file(&mut self) -> Option<FilePart<'_>> {
        None
    }
}

/// A part of a file.
pub struct FilePart<'a> {
    /// The file.
    pub file: &'a dyn DiskFile,
    /// What of it is still to be sent, bytes from its start. Who sends some of it cuts that off the front.
    pub range: &'a mut Range<u64>,
}

/// The applications that a host serves.
pub type Apps = Vec<Arc<dyn App>>;

/// Returns the empty states of these applications.
///
/// # Panics
/// Panics if two of them have one id.
#[must_use]
pub fn empty_states(apps: &[Arc<dyn App>]) -> Applied {
    let mut applied = Applied::default();
    for app in apps {
        if let Some(state) = app.new_state() {
            applied.insert(app.id(), state);
        }
    }
    applied
}
