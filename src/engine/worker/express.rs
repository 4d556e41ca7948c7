//! The express lane: requests whose head equals one seen before, and whose body the route's scanner takes.

use super::connection::Connection;
use super::context::Context;
use super::held::Asked;
use super::route::Known;
use crate::app::application::Route;
use crate::base::durability::Durability;
use crate::base::tag::SHORT_RECORD_BYTES;
use crate::engine::shared::space::Intake;
use crate::http::headcache::HeadCache;
use crate::http::request::{Head, Version};

/// The heads of usual writes, and whether they may take their short cut.
pub(super) struct Express {
    heads: HeadCache<Known>,
    /// As far as that depends on this worker.
    is_open: bool,
}

/// Usual writes at the start of some input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// Bytes of them.
    pub(super) bytes: usize,
    /// How many.
    pub(super) count: u32,
    /// The row of their route in the count of requests.
    pub(super) route: u16,
}

impl Express {
    /// Remembers heads of bodies of at most `body_bytes`.
    pub(super) fn new(body_bytes: usize) -> Self {
        let mut heads = HeadCache::new();
        heads.bound_lengths(body_bytes as u64);
        Self { heads, is_open: true }
    }

    /// Takes the usual writes at the start of `input`: a remembered head, a body that the route's scanner takes, and room
    /// for its record, which `push` says.
    #[inline]
    pub(super) fn take(
        &self,
        connection: &Connection,
        input: &[u8],
        context: &Context,
        mut push: impl FnMut(&[u8; SHORT_RECORD_BYTES]) -> bool,
    ) -> Run {
        let mut run = Run::default();
        if !connection.machine.is_idle() || !self.is_open || context.shared.space.intake() != Intake::Open {
            return run;
        }
        // Saturating: a reload may have lowered the limit below what is held already.
        let room = (context.limits.pipeline_requests as u32).saturating_sub(connection.held);
        while run.count < room {
            let Some(hit) = self.heads.find(connection.head_hint, &input[run.bytes..]) else { break };
            let body = run.bytes + hit.head_len;
            let Some(end) = body.checked_add(hit.content_length as usize) else { break };
            // Only one kind of usual answer at a time may be owed.
            if run.count > 0 && hit.value.route != run.route || end > input.len() {
                break;
            }
            let Some(record) = (hit.value.scan)(&input[body..end]) else { break };
            if !push(&record) {
                break;
            }
            run = Run { bytes: end, count: run.count + 1, route: hit.value.route };
        }
        run
    }

    /// Remembers the head of a usual write, so that the next one like it is not parsed.
    pub(super) fn remember(
        &mut self,
        connection: &mut Connection,
        asked: &Asked,
        route: &Route,
        head: &Head<'_>,
        level: Durability,
    ) {
        let Some(express) = &route.express else { return };
        let usual = asked.durability == level
            && !asked.names_no_level
            && asked.framing.keep_alive
            && head.version == Version::Http11
            && !head.expect_continue
            && (express.admits)(head);
        if usual {
            let known = Known { scan: express.scan, route: asked.route as u16 };
            connection.head_hint = self.heads.insert(head.bytes(), head.length_digits.clone(), known);
        }
    }

    /// Opens or closes the short cut: to be called when what it depends on has changed.
    pub(super) fn reconsider(&mut self, is_peer_behind: bool, context: &Context) {
        let waits_for_peer = context.shared.durability.waits_for_others() && is_peer_behind;
        self.is_open = !context.is_draining() && !waits_for_peer;
    }

    /// Remembers heads of bodies of at most `body_bytes` from now on.
    pub(super) fn bound(&mut self, body_bytes: usize) {
        self.heads.bound_lengths(body_bytes as u64);
    }

    /// Forgets all heads: their answers would keep connections open.
    pub(super) fn forget(&mut self) {
        self.heads.clear();
    }
}
