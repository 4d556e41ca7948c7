//! Answers on their way out: into a connection's output, and from there into its socket.

use std::io;

use super::buffers::Buffers;
use super::connection::{Connection, Task};
use super::context::Context;
use super::held::{AnswerFraming, Asked};
use super::usual::UsualAnswer;
use super::watching::Due;
use crate::app::application::JobStep;
use crate::app::router::Router;
use crate::base::durability::Durability;
use crate::base::limits::{FRAMES_PER_TURN, STATIC_PIECE_BYTES};
use crate::http::caching::Caching;
use crate::http::response::{self, HeadContext, Pieces, Response, Rest, StreamHead};
use crate::http::sites;

/// What a worker writes answers with.
pub(super) struct Output {
    /// The routes with an express lane: place and answer. Their number here is that of the usual answer.
    routes: Vec<(usize, &'static str)>,
    usual: Vec<UsualAnswer>,
    buffers: Buffers,
    /// What answers by HTTPS tell browsers, but for the usual ones.
    hsts: Option<String>,
}

impl Output {
    pub(super) fn new(router: &Router, context: &Context) -> Self {
        let routes = router.routes().enumerate();
        let routes = routes.filter_map(|(place, route)| Some((place, route.express?.body))).collect();
        let https = context.shared.https.as_ref();
        let hsts = https.and_then(|https| https.hsts).map(|age| format!("max-age={}", age.as_secs()));
        let mut output = Self { routes, usual: Vec::new(), buffers: Buffers::default(), hsts };
        output.renew(context);
        output
    }

    /// Makes the usual answers anew, after the limits have changed.
    pub(super) fn renew(&mut self, context: &Context) {
        let usual = |(_, body): &(usize, &'static str)| {
            UsualAnswer::new(body, context.shared.durability, &context.limits)
        };
        self.usual = self.routes.iter().map(usual).collect();
    }

    /// Puts an answer behind the connection's output; that to a write says which level it has reached.
    pub(super) fn put(
        &mut self,
        connection: &mut Connection,
        response: &Response,
        framing: AnswerFraming,
        route: usize,
        durability: Option<Durability>,
        context: &Context,
    ) {
        self.materialize(connection, context);
        context.metrics().requests.count(route, response.status, 1);
        let AnswerFraming { version, keep_alive, head_only } = framing;
        self.buffers.lend(&mut connection.output);
        let shown = is_changed(connection, response.caching, context).then(|| {
            let mut shown = response.clone();
            show(connection, context, &mut shown.caching, &mut shown.headers);
            shown
        });
        let so_far = shown.as_ref().unwrap_or(response);
        let for_all = shows_error_to_all(connection, so_far);
        let for_all = for_all.then(|| so_far.clone().with(sites::ALLOWED_ORIGIN, "*"));
        let shown = for_all.or(shown);
        let response = shown.as_ref().unwrap_or(response);
        let hsts = self.hsts_on(connection);
        let head = HeadContext { version, keep_alive, head_only, date: context.now.date(), durability, hsts };
        if let Some(rest) = response::write(response, &head, &mut connection.output) {
            debug_assert!(matches!(connection.task, Task::None), "one answer at a time is under way");
            connection.task = Task::Sending(rest);
        }
        connection.closing |= !keep_alive;
        connection.owe();
    }

    /// Puts the head of an answer that comes in pieces; gives how they are written.
    pub(super) fn put_head(
        &mut self,
        connection: &mut Connection,
        head: &StreamHead,
        asked: Asked,
        context: &Context,
    ) -> Pieces {
        context.metrics().requests.count(asked.route, head.status, 1);
        let AnswerFraming { version, keep_alive, head_only } = asked.framing;
        let date = context.now.date();
        let shown = is_changed(connection, head.caching, context).then(|| {
            let mut shown = head.clone();
            show(connection, context, &mut shown.caching, &mut shown.headers);
            shown
        });
        let head = shown.as_ref().unwrap_or(head);
        let hsts = self.hsts_on(connection);
        let about = HeadContext { version, keep_alive, head_only, date, durability: asked.reached, hsts };
        let pieces = response::write_stream_head(head, &about, &mut connection.output);
        connection.closing |= !keep_alive || pieces == Pieces::UntilClose;
        if pieces == Pieces::UntilClose {
            // Set now and taken back at the answer's end: so any other end is a reset, that of this process too.
            connection.until_close = true;
            connection.wire.reset_on_close();
        }
        pieces
    }

    fn hsts_on(&self, connection: &Connection) -> Option<&str> {
        self.hsts.as_deref().filter(|_| connection.wire.is_secure())
    }

    /// Puts a piece of such an answer.
    pub(super) fn put_piece(
        &mut self,
        connection: &mut Connection,
        mut piece: Vec<u8>,
        step: JobStep,
        framing: AnswerFraming,
        pieces: Pieces,
    ) {
        let output = &mut connection.output;
        match pieces {
            _ if framing.head_only => {}
            Pieces::Chunks => {
                let start = response::open_chunk(output);
                output.extend_from_slice(&piece);
                response::close_chunk(output, start);
                if step == JobStep::Done {
                    output.extend_from_slice(response::LAST_CHUNK);
                }
            }
            // Sent from where the job put it.
            _ if output.is_empty() => std::mem::swap(output, &mut piece),
            _ => output.extend_from_slice(&piece),
        }
        self.buffers.give_back_piece(&mut piece);
    }

    /// Gives memory for a piece, with nothing in it.
    pub(super) fn memory_for_piece(&mut self) -> Vec<u8> {
        self.buffers.for_piece()
    }

    /// Owes the connection `count` usual answers of the row `route`.
    #[inline]
    pub(super) fn owe_usual(
        &mut self,
        connection: &mut Connection,
        count: u32,
        route: usize,
        context: &Context,
    ) {
        let express = self.routes.iter().position(|(of, _)| *of == route).unwrap_or(0) as u8;
        let other = connection.owed > 0 && connection.owed_express != express;
        if other || connection.owed + count > context.limits.pipeline_requests as u32 {
            self.materialize(connection, context);
        }
        connection.owed += count;
        connection.owed_express = express;
        context.metrics().requests.count(route, 200, u64::from(count));
        connection.owe();
    }

    /// Turns usual answers that are still only counted into bytes, so that something can follow them.
    fn materialize(&mut self, connection: &mut Connection, context: &Context) {
        while connection.owed > 0 {
            let usual = &mut self.usual[usize::from(connection.owed_express)];
            // A reload may have lowered the limit below what was held then.
            let count = connection.owed.min(usual.copies());
            let bytes = usual.times(count, context.now.second(), context.now.date());
            self.buffers.lend(&mut connection.output);
            connection.output.extend_from_slice(bytes);
            connection.owed -= count;
        }
    }

    /// Sends what the connection is owed, as far as its socket takes it.
    ///
    /// # Errors
    /// Fails when the connection is gone.
    #[inline]
    pub(super) fn send(&mut self, connection: &mut Connection, context: &Context) -> io::Result<()> {
        if connection.blocked {
            self.materialize(connection, context);
            return Ok(());
        }
        let copies = self.usual.get(usize::from(connection.owed_express)).map_or(0, UsualAnswer::copies);
        if (1..=copies).contains(&connection.owed) && connection.output.is_empty() {
            self.send_usual(connection, context)?;
        } else {
            self.materialize(connection, context);
        }
        match connection.task {
            Task::Sending(_) => self.send_content(connection, context),
            Task::Watching(_) => self.send_frames(connection, context),
            _ => self.send_output(connection, context),
        }
    }

    /// Sends the usual answers from where they lie; what the socket does not take is copied.
    fn send_usual(&mut self, connection: &mut Connection, context: &Context) -> io::Result<()> {
        let usual = &mut self.usual[usize::from(connection.owed_express)];
        let bytes = usual.times(connection.owed, context.now.second(), context.now.date());
        connection.owed = 0;
        let sent = connection.wire.send(bytes)?;
        if sent < bytes.len() {
            self.buffers.lend(&mut connection.output);
            connection.output.extend_from_slice(&bytes[sent..]);
            connection.blocked = true;
        }
        count_sent(sent, context);
        Ok(())
    }

    fn send_output(&mut self, connection: &mut Connection, context: &Context) -> io::Result<()> {
        if connection.output.is_empty() || connection.blocked {
            return Ok(());
        }
        let is_last = connection.ends_behind_output();
        let rest = &connection.output[connection.sent..];
        let sent = if is_last { connection.wire.send_last(rest)? } else { connection.wire.send(rest)? };
        connection.blocked = sent < rest.len();
        connection.sent += sent;
        self.note_sent(connection, sent, context);
        Ok(())
    }

    /// Sends the output and content behind it with one call; one piece for each turn, so that the other connections get theirs.
    fn send_content(&mut self, connection: &mut Connection, context: &Context) -> io::Result<()> {
        let Task::Sending(rest) = &mut connection.task else { return Ok(()) };
        if connection.blocked {
            return Ok(());
        }
        let before = &connection.output[connection.sent..];
        let piece = &rest.bytes()[..rest.bytes().len().min(STATIC_PIECE_BYTES)];
        let sent = connection.wire.send_both(before, piece)?;
        connection.blocked = sent < before.len() + piece.len();
        let of_output = sent.min(before.len());
        connection.sent += of_output;
        let is_done = !rest.advance(sent - of_output);
        self.note_sent(connection, sent, context);
        if is_done {
            connection.task = Task::None;
        } else if !connection.blocked {
            connection.owe();
        }
        Ok(())
    }

    /// Sends frames of the feed that the connection watches, as far as the socket takes them: a few for each turn, so that the
    /// other connections get theirs.
    fn send_frames(&mut self, connection: &mut Connection, context: &Context) -> io::Result<()> {
        for _ in 0..FRAMES_PER_TURN {
            let Task::Watching(watching) = &mut connection.task else { break };
            let due = watching.look(&mut connection.output);
            let before = &connection.output[connection.sent..];
            let rest = watching.rest.as_ref().map_or(&[][..], Rest::bytes);
            let piece = &rest[..rest.len().min(STATIC_PIECE_BYTES)];
            if !(before.is_empty() && piece.is_empty()) {
                let sent = connection.wire.send_both(before, piece)?;
                connection.blocked = sent < before.len() + piece.len();
                let of_output = sent.min(before.len());
                connection.sent += of_output;
                watching.rest.take_if(|rest| !rest.advance(sent - of_output));
                self.note_sent(connection, sent, context);
            }
            if due == Due::End {
                connection.task = Task::None;
            }
            if due != Due::Frame || connection.blocked {
                return Ok(());
            }
        }
        connection.owe();
        Ok(())
    }

    /// Notes that the socket took so many bytes. Gives the memory of an output that is all sent back.
    fn note_sent(&mut self, connection: &mut Connection, sent: usize, context: &Context) {
        if sent > 0 {
            connection.since_ms = context.now.ms();
        }
        count_sent(sent, context);
        if connection.sent > 0 && connection.sent == connection.output.len() {
            connection.sent = 0;
            self.buffers.give_back(&mut connection.output);
        }
    }
}

/// Returns whether what was decided about a request changes the head of its answer.
fn is_changed(connection: &Connection, caching: Caching, context: &Context) -> bool {
    let verdict = &connection.verdict;
    verdict.origin.is_some()
        || verdict.is_guarded && caching != caching.guarded()
        || caching.is_kept() && !context.rules.origins.is_empty()
}

/// Returns whether an error was made by the server in the name of an application whose own answers every page may see.
fn shows_error_to_all(connection: &Connection, response: &Response) -> bool {
    response.status >= 400
        && connection.verdict.is_for_every_site
        && response.headers.iter().all(|(name, _)| *name != sites::ALLOWED_ORIGIN)
}

/// Changes the head of an answer so that only those are shown it who may be.
fn show(
    connection: &Connection,
    context: &Context,
    caching: &mut Caching,
    headers: &mut Vec<(&'static str, String)>,
) {
    if connection.verdict.is_guarded {
        *caching = caching.guarded();
    }
    if let Some(origin) = connection.verdict.origin.and_then(|at| context.rules.origins.get(usize::from(at)))
    {
        sites::show_to(origin, headers);
    } else if caching.is_kept() && !context.rules.origins.is_empty() {
        sites::vary_by_origin(headers);
    }
}

#[inline]
fn count_sent(sent: usize, context: &Context) {
    context.metrics().sends.add(1);
    context.metrics().written_bytes.add(sent as u64);
}
