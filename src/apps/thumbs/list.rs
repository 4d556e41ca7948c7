//! Pictures as a list with a cursor, the oldest first.

use std::fmt::Write;

use crate::app::answer::json;
use crate::app::application::View;
use crate::apps::thumbs::limits::{THUMBS_LIST_MAX, THUMBS_LOOKED_AT_MAX};
use crate::base::ids::{Inc, NodeId, Origin};
use crate::http::query::parameter;
use crate::http::response::Response;

use super::answers::{self, STATES};
use super::state::{Key, ThumbsState};

/// Pictures in a list that is asked for without a limit.
const LISTED: usize = 100;

/// What is asked for.
struct Asked {
    limit: usize,
    after: Option<Key>,
    state: Option<&'static str>,
}

fn asked(query: &str) -> Result<Asked, Response> {
    let wrong =
        |name: &str, allowed: &str| answers::error(400, &format!("Parameter `{name}` must be {allowed}"));
    let limit = match parameter(query, "limit") {
        None => LISTED,
        Some(text) => {
            let number = text.parse().ok().filter(|limit| (1..=THUMBS_LIST_MAX).contains(limit));
            number.ok_or_else(|| wrong("limit", &format!("a number from 1 to {THUMBS_LIST_MAX}")))?
        }
    };
    let after = match parameter(query, "after") {
        None => None,
        Some(text) => Some(read(&text).ok_or_else(|| wrong("after", "the `next` of a list"))?),
    };
    let state = match parameter(query, "state") {
        None => None,
        Some(text) => {
            let known = STATES.into_iter().find(|state| text.eq_ignore_ascii_case(state));
            Some(known.ok_or_else(|| wrong("state", "Processing, Error or Completed"))?)
        }
    };
    Ok(Asked { limit, after, state })
}

/// Answers `GET /images`.
pub fn answer(query: &str, view: &View<'_>) -> Response {
    let Asked { limit, after, state } = match asked(query) {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let applied = view.applied();
    let Some(known) = applied.state::<ThumbsState>() else { return answers::error(404, "Not found") };
    let (mut text, mut count, mut last) = (String::from("{\"images\": ["), 0, None);
    let mut rest = known.list(after).peekable();
    for (looked_at, (key, item)) in rest.by_ref().take(THUMBS_LOOKED_AT_MAX).enumerate() {
        debug_assert!(looked_at < THUMBS_LOOKED_AT_MAX);
        last = Some(*key);
        let outcome = item.progress.outcome.as_ref();
        if state.is_none_or(|state| state == answers::state_of(outcome)) {
            text.push_str(if count == 0 { "" } else { ", " });
            text.push_str(&answers::five(item.picture.uuid, item.picture.media, outcome));
            count += 1;
        }
        if count == limit {
            break;
        }
    }
    text.push_str("], \"next\": ");
    match last.filter(|_| rest.peek().is_some()) {
        Some(key) => {
            let _ = write!(text, "\"{}\"}}", shown(&key));
        }
        None => text.push_str("null}"),
    }
    json(200, text)
}

/// Returns a cursor: where the list goes on, on either host.
fn shown(Key { time_us, place: (Origin { node, inc }, seq) }: &Key) -> String {
    format!("{time_us:x}-{:x}-{:x}-{seq:x}", node.0, inc.0)
}

fn read(text: &str) -> Option<Key> {
    let mut parts = text.split('-').map(|part| {
        let is_hex = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { u64::from_str_radix(part, 16).ok() } else { None }
    });
    let mut next = || parts.next().flatten();
    let (time_us, node, inc, seq) = (next()?, next()?, next()?, next()?);
    let key = Key { time_us, place: (Origin { node: NodeId(node), inc: Inc(inc) }, seq) };
    parts.next().is_none().then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_shown() {
        let origin = Origin { node: NodeId(u64::MAX), inc: Inc(0) };
        let key = Key { time_us: 1_795_234_432_000_000, place: (origin, 7) };
        assert_eq!(read(&shown(&key)), Some(key));
        for wrong in ["", "1-2-3", "1-2-3-4-5", "1-2-3-", "1-2-+3-4", "1-2-3-fffffffffffffffff", "x-1-1-1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
