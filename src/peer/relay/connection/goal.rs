//! The goal of a host that joins, which must not hold what is lost.

use super::super::members::Members;
use super::Connection;
use crate::base::streams::Stream;

impl Connection {
    /// Ends the connection if the host waits for records that nobody has any more. The next one says what is left, and the host gives up
    /// the rest: the log may forget an end that it has told, and a host at `memory` may lose it too.
    pub(super) fn look_after_goal(&mut self, members: &Members, now_us: u64) {
        let is_lost = |stream: &&Stream| {
            let handed = self.heads.handed(stream.origin);
            handed < stream.seq
                && self.heads.has_later_start(stream.origin)
                && members.have_no_more(stream.origin, handed, now_us)
        };
        if let Some(&Stream { origin, seq, .. }) = self.goal.iter().find(is_lost) {
            let why = format!(
                "nobody has records of {origin} up to {seq} any more, as was said when this host joined"
            );
            self.session.fail(why);
        }
    }
}
