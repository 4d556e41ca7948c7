//! What a worker relies on in a connection's machine: what is copied and when it is freed, when a 100 is due, which
//! deadline applies, what a close leaves; and that no cut of the input changes what comes out of it.

use crate::feed;

use feed::{Event, WHOLE_BYTES_MAX, plan};
use pixeld::base::limits::Limits;
use pixeld::http::connection::{Machine, Plan, Step};
use pixeld::http::headcache::{HeadCache, Hit};
use pixeld::http::request::{Framing, HeaderSlots, parse_head};
use proptest::prelude::*;

const GET: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
const EXPECT: &[u8] = b"POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";

/// A machine with what its calls need besides input.
struct Connection {
    machine: Machine,
    slots: HeaderSlots,
    limits: Limits,
}

impl Connection {
    fn new() -> Self {
        Self { machine: Machine::new(), slots: HeaderSlots::new(), limits: Limits::default() }
    }

    fn next<'a>(&'a mut self, input: &'a [u8]) -> Step<'a> {
        self.machine.next(input, &mut self.slots, &self.limits, &mut plan)
    }
}

fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    whole.as_ptr_range().contains(&part.as_ptr()) || part.is_empty()
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Machine>() <= 128, "{} bytes", size_of::<Machine>());
}

#[test]
fn what_lies_in_one_read_is_not_copied() {
    let input = [GET, POST].concat();
    let mut connection = Connection::new();
    let Step::Request { consumed, head, body } = connection.next(&input) else { panic!("a request") };
    assert!(lies_in(head.bytes(), &input) && lies_in(head.path.as_bytes(), &input) && body.is_empty());
    assert_eq!((consumed, head.query), (GET.len(), Some("b")));
    let Step::Request { consumed, head, body } = connection.next(&input[GET.len()..]) else {
        panic!("a request")
    };
    assert!(lies_in(head.bytes(), &input) && lies_in(body, &input));
    assert_eq!((consumed, head.framing, body), (POST.len(), Framing::Length(3), &b"abc"[..]));
    assert_eq!(connection.machine.buffered_bytes(), 0);
    assert!(connection.machine.is_idle());
}

#[test]
fn what_was_kept_of_a_cut_request_is_freed() {
    let mut connection = Connection::new();
    assert!(matches!(connection.next(&POST[..9]), Step::NeedMore { consumed: 9 }));
    assert!(connection.machine.buffered_bytes() > 0);
    assert!(matches!(connection.next(&POST[9..]), Step::Request { .. }));
    assert!(connection.machine.is_idle());
    connection.machine.release();
    assert_eq!(connection.machine.buffered_bytes(), 0);

    let cut_in_body = POST.len() - 1;
    assert!(matches!(connection.next(&POST[..cut_in_body]), Step::NeedMore { .. }));
    assert!(matches!(connection.next(&POST[cut_in_body..]), Step::Request { consumed: 1, body: b"abc", .. }));
    assert!(connection.machine.buffered_bytes() > 0, "the body lies there until the next call");
    assert!(matches!(connection.next(b""), Step::NeedMore { consumed: 0 }));
    assert_eq!(connection.machine.buffered_bytes(), 0);
}

#[test]
fn a_stream_keeps_nothing() {
    let input = b"POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n";
    let mut connection = Connection::new();
    assert!(matches!(connection.next(&input[..20]), Step::NeedMore { .. }));
    assert!(matches!(connection.next(&input[20..]), Step::Begin { .. }));
    assert!(matches!(connection.next(&[b'x'; 60_000]), Step::Piece { consumed: 60_000, .. }));
    assert_eq!(connection.machine.buffered_bytes(), 0);
    assert!(connection.machine.in_body() && connection.machine.eof());
}

#[test]
fn a_100_is_due_only_while_the_body_is_awaited() {
    let mut connection = Connection::new();
    assert!(matches!(connection.next(EXPECT), Step::Continue { consumed } if consumed == EXPECT.len()));
    assert!(matches!(connection.next(b""), Step::NeedMore { consumed: 0 }), "once");
    assert!(matches!(connection.next(b"abc"), Step::Request { body: b"abc", .. }));

    let with_body = [EXPECT, b"a"].concat();
    assert!(matches!(connection.next(&with_body), Step::NeedMore { .. }), "the client did not wait");
    assert!(matches!(connection.next(b""), Step::NeedMore { .. }));
    assert!(matches!(connection.next(b"bc"), Step::Request { .. }));

    for (from, to) in [("/p", "/no"), ("Length: 3", "Length: 9999")] {
        let refused = String::from_utf8_lossy(EXPECT).replace(from, to);
        assert!(
            matches!(Connection::new().next(refused.as_bytes()), Step::Refused { .. }),
            "the final answer at once"
        );
    }
    let empty = String::from_utf8_lossy(EXPECT).replace("Length: 3", "Length: 0");
    assert!(matches!(connection.next(empty.as_bytes()), Step::Request { .. }));
}

#[test]
fn a_100_is_due_for_a_stream_and_for_chunks() {
    let streamed = String::from_utf8_lossy(EXPECT).replace("/p", "/stream");
    let mut connection = Connection::new();
    assert!(matches!(connection.next(streamed.as_bytes()), Step::Begin { .. }));
    assert!(connection.machine.owes_event());
    assert!(matches!(connection.next(b""), Step::Continue { consumed: 0 }));
    assert!(!connection.machine.owes_event());
    assert!(matches!(connection.next(b""), Step::NeedMore { .. }));
    assert!(matches!(connection.next(b"abc"), Step::Piece { .. }));
    assert!(connection.machine.owes_event());
    assert!(matches!(connection.next(b""), Step::End { consumed: 0 }));
    assert!(!connection.machine.owes_event());

    let chunked = String::from_utf8_lossy(EXPECT).replace("Content-Length: 3", "Transfer-Encoding: chunked");
    assert!(matches!(connection.next(chunked.as_bytes()), Step::Continue { .. }));
    assert!(matches!(connection.next(b"3\r\nabc\r\n0\r\n\r\n"), Step::Request { body: b"abc", .. }));
    let with_body = [chunked.as_bytes(), b"0\r\n\r\n"].concat();
    assert!(matches!(connection.next(&with_body), Step::Request { body: b"", .. }));
    assert!(!connection.machine.owes_event());
}

#[test]
fn deadlines_can_tell_what_is_awaited() {
    let mut connection = Connection::new();
    let mut states = Vec::new();
    for read in
        [&b""[..], b"\r", b"\nGET", b" /a?b HTTP/1.1\r\nHost: a\r\n\r\n", &POST[..POST.len() - 1], b"c"]
    {
        let _ = connection.next(read);
        let machine = &connection.machine;
        assert_eq!(machine.eof(), machine.in_head() || machine.in_body());
        states.push((machine.is_idle(), machine.in_head(), machine.in_body()));
    }
    let (idle, empty_line, head, body) =
        ((true, false, false), (false, false, false), (false, true, false), (false, false, true));
    assert_eq!(states, [idle, empty_line, head, idle, body, idle]);
}

#[test]
fn a_refusal_ends_everything() {
    let mut connection = Connection::new();
    assert!(matches!(connection.next(b"GET /\r\n\r\n"), Step::Refused { refusal } if refusal.status == 400));
    assert!(connection.machine.is_dead() && !connection.machine.is_idle() && !connection.machine.eof());
    assert!(matches!(connection.next(GET), Step::NeedMore { consumed } if consumed == GET.len()));
}

#[test]
fn a_body_that_is_of_no_use_is_read_if_it_is_short() {
    let unread = || vec![Event::Unread { line: "GET /unwanted".to_owned(), keep_alive: false }];
    let request = |framing: &str, rest: &str| {
        format!(
            "GET /unwanted HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{rest}GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
        )
    };
    let length = |bytes: usize| request(&format!("Content-Length: {bytes}"), &"x".repeat(bytes));
    let chunk = |bytes: usize| {
        request("Transfer-Encoding: chunked", &format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes)))
    };
    let limits = Limits::default();
    for (name, input) in [("length", length(WHOLE_BYTES_MAX + 1)), ("chunk", chunk(WHOLE_BYTES_MAX + 1))] {
        assert_eq!(feed::events([input.as_bytes()], &limits), unread(), "{name}");
        assert_eq!(feed::events(input.as_bytes().chunks(7), &limits), unread(), "{name}");
    }
    for input in [length(WHOLE_BYTES_MAX), chunk(WHOLE_BYTES_MAX), length(3), chunk(3)] {
        assert_eq!(feed::events([input.as_bytes()], &limits).len(), 2, "the next request comes behind it");
    }
    // Who waits for a 100 is answered at once, and sends nothing.
    let expect = "Expect: 100-continue\r\nContent-Length: 9999";
    assert_eq!(feed::events([request(expect, "").as_bytes()], &limits), unread());
    // It is no larger in memory than its head.
    let mut connection = Connection::new();
    let input = length(WHOLE_BYTES_MAX);
    let head_bytes = input.find("\r\n\r\n").expect("a head") + 4;
    let _ = connection.next(input.as_bytes().split_at(head_bytes + 2_000).0);
    assert!(
        (1..1_000).contains(&connection.machine.buffered_bytes()),
        "{}",
        connection.machine.buffered_bytes()
    );
    // What is wrong with it is still wrong.
    let broken = request("Transfer-Encoding: chunked", "x\r\n");
    assert_eq!(feed::events([broken.as_bytes()], &limits), [Event::Refused(400)]);
}

#[test]
fn a_refused_head_request_is_known_as_one() {
    for (input, is_head) in [
        ("HEAD / HTTP/1.1\r\n\r\n", true),
        ("\r\n\r\nHEAD / HTTP/1.1\r\n\r\n", true),
        ("HEAD / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", true),
        ("HEAD / HTTP/2.0\r\nHost: a\r\n\r\n", true),
        ("HEAD /no HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n", true),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", true),
        ("GET /HEAD HTTP/1.1\r\n\r\n", false),
        ("HEADS / HTTP/1.1\r\nHost: a\r\n\r\n", false),
        ("head / HTTP/1.1\r\nHost: a\r\n\r\n", false),
    ] {
        for size in [1, 3, 1000] {
            let mut connection = Connection::new();
            let mut refused = false;
            for read in input.as_bytes().chunks(size) {
                refused |= matches!(connection.next(read), Step::Refused { .. });
                if refused {
                    break;
                }
            }
            assert!(refused && connection.machine.is_head() == is_head, "{input:?} by {size}");
        }
    }
    let mut connection = Connection::new();
    let _ = connection.next(b"HEAD / HTTP/1.1\r\nHo");
    assert!(connection.machine.is_head(), "while it arrives");
    let _ = connection.next(b"st: a\r\n\r\n");
    assert!(matches!(connection.next(b""), Step::NeedMore { .. }) && !connection.machine.is_head());
}

#[test]
fn the_plan_sees_a_valid_head_once() {
    let mut seen = 0;
    let mut plan = |_: &pixeld::http::request::Head<'_>| {
        seen += 1;
        Plan::Whole { max_bytes: 3 }
    };
    let (mut machine, mut slots, limits) = (Machine::new(), HeaderSlots::new(), Limits::default());
    for byte in POST.chunks(1) {
        let _ = machine.next(byte, &mut slots, &limits, &mut plan);
    }
    let _ = machine.next(b"GET / HTTP/1.1\r\n\r\n", &mut slots, &limits, &mut plan);
    assert_eq!(seen, 1, "not for a head without Host");
}

#[test]
fn heads_of_the_machine_are_found_in_the_cache() {
    let mut connection = Connection::new();
    let mut cache = HeadCache::new();
    let Step::Request { head, .. } = connection.next(POST) else { panic!("a request") };
    let hint = cache.insert(head.bytes(), head.length_digits.clone(), 'x');
    let hit = Hit { head_len: POST.len() - 3, content_length: 3, value: 'x' };
    assert_eq!(cache.find(hint, POST), Some(hit));
    let longer = String::from_utf8_lossy(POST).replace("Length: 3", "Length: 1234");
    let hit = Hit { head_len: POST.len(), content_length: 1234, value: 'x' };
    assert_eq!(cache.find(hint, longer.as_bytes()), Some(hit));
}

/// A request as its bytes and the events it gives; most are valid.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(vec!["GET", "POST", "HEAD", "PUT", "BREW"]);
    let path = prop::sample::select(vec!["/", "/p?q=1", "/stream", "http://a/x", "*", "/\x01"]);
    let version = prop::sample::select(vec!["1.1", "1.1", "1.2", "1.0", "2.0"]);
    let fields = prop::collection::vec(
        prop::sample::select(vec![
            "Host: a\r\n",
            "Connection: keep-alive\r\n",
            "Accept: */*\r\n",
            "Connection: close\r\n",
            "X: \ty \r\n",
            "Expect: 100-continue\r\n",
            " folded\r\n",
            "X: bare\n",
            "X: bare\rc\r\n",
        ]),
        0..4,
    );
    let weights = (method, path, version, fields, body(), 0..3usize, 0..8u8);
    weights.prop_map(|(method, path, version, fields, (framing, body), empty_lines, oddity)| {
        // One request in eight keeps its odd parts; pipelines of the others go on.
        let odd = oddity == 0;
        let version = if odd || version != "2.0" { version } else { "1.1" };
        let is_odd = |field: &&str| {
            !odd && [" folded\r\n", "X: bare\n", "X: bare\rc\r\n", "Host: a\r\n"].contains(field)
        };
        let fields: String = fields.into_iter().filter(|field| !is_odd(field)).collect();
        let (method, path) = match (odd, method, path) {
            (false, "BREW", _) | (false, _, "*" | "/\x01") => ("POST", "/p"),
            (_, method, path) => (method, path),
        };
        let head = format!("{method} {path} HTTP/{version}\r\nHost: a\r\n{fields}{framing}\r\n");
        ["\r\n".repeat(empty_lines).into_bytes(), head.into_bytes(), body].concat()
    })
}

/// The field that frames a body, and the body as it is sent.
fn body() -> impl Strategy<Value = (String, Vec<u8>)> {
    let bytes = prop::collection::vec(any::<u8>(), 0..WHOLE_BYTES_MAX / 40);
    let chunks = prop::collection::vec(
        (
            bytes.clone(),
            prop::sample::select(vec!["", "", ";x", " ; y=\"z\"", ";a=\"\\\";\" ;b", ";a=\"", ";"]),
        ),
        0..4,
    );
    let trailers = prop::sample::select(vec!["", "", "X: y\r\n", "bad\r\n"]);
    prop_oneof![
        Just((String::new(), Vec::new())),
        bytes.prop_map(|bytes| (format!("Content-Length: {}\r\n", bytes.len()), bytes)),
        (chunks, trailers).prop_map(|(chunks, trailers)| {
            let mut sent = Vec::new();
            for (bytes, extension) in chunks.iter().filter(|(bytes, _)| !bytes.is_empty()) {
                sent.extend_from_slice(format!("{:x}{extension}\r\n", bytes.len()).as_bytes());
                sent.extend_from_slice(bytes);
                sent.extend_from_slice(b"\r\n");
            }
            sent.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
            ("Transfer-Encoding: chunked\r\n".to_owned(), sent)
        }),
    ]
}

/// `input` in reads that end at the given places.
fn reads<'i>(input: &'i [u8], cuts: &[prop::sample::Index]) -> Vec<&'i [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    ends.push(input.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| &input[std::mem::replace(&mut start, end)..end]).collect()
}

proptest! {
    #[test]
    fn any_split_of_a_pipeline_gives_the_same_events(
        requests in prop::collection::vec(request(), 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        lost in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut input = requests.concat();
        if let Some(end) = lost {
            input.truncate(end.index(input.len()));
        }
        let limits = Limits::default();
        let whole = feed::whole(&input);
        prop_assert_eq!(&feed::events(reads(&input, &cuts), &limits), &whole);
        prop_assert_eq!(&feed::events(input.chunks(1), &limits), &whole);
    }

    #[test]
    fn a_hit_says_what_reading_would_say(
        length in "[0-9]{1,10}|[ +0-9a]{0,3}",
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut cache = HeadCache::new();
        let head = &POST[..POST.len() - 3];
        let digits = head.len() - 5..head.len() - 4;
        let hint = cache.insert(head, Some(digits.clone()), ());
        let mut input = [&head[..digits.start], length.as_bytes(), &head[digits.end..], b"GET"].concat();
        if let Some((index, byte)) = change {
            *index.get_mut(&mut input) = byte;
        }
        if let Some(hit) = cache.find(hint, &input) {
            let mut slots = HeaderSlots::new();
            let read = parse_head(&input[..hit.head_len], &mut slots, &Limits::default()).expect("a valid head");
            prop_assert_eq!(read.framing, Framing::Length(hit.content_length));
        } else {
            let is_usual = length.parse::<u32>().is_ok_and(|number| number.to_string() == length && length.len() <= 8);
            prop_assert!(change.is_some() || !is_usual, "missed {:?}", length);
        }
    }

    #[test]
    fn any_bytes_give_the_same_events_and_no_panic(
        mut input in prop::collection::vec(any::<u8>(), 0..64),
        prefix in prop::sample::select(vec![
            "", "GET ", "GET / HTTP/1.1\r\n", "GET / HTTP/1.0\r\nX: y\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1",
        ]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        input.splice(0..0, prefix.bytes());
        let limits = Limits::default();
        prop_assert_eq!(feed::events(reads(&input, &cuts), &limits), feed::whole(&input));
    }
}

#[test]
fn pipelines_are_read_to_their_end() {
    let input = [GET, POST, b"\r\n", GET, POST].concat();
    let events = feed::assert_splits_agree("a pipeline", &input, &Limits::default());
    let requests =
        events.iter().filter(|event| matches!(event, Event::Request { keep_alive: true, .. })).count();
    assert_eq!((requests, events.len()), (4, 4));
}
