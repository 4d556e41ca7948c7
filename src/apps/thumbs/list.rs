//! Pictures as a list with a cursor, the oldest first.

use std::fmt::Write;
use std::io;

use crate::app::answer::json;
use crate::app::application::{Action, View};
use crate::app::lookup::{Found, Lookup};
use crate::apps::thumbs::limits::{THUMBS_LIST_MAX, THUMBS_LOOKED_AT_MAX};
use crate::base::ids::{Inc, NodeId, Origin};
use crate::http::query::parameter;
use crate::http::response::Response;

use super::answers::{self, STATES};
use super::item::Item;
use super::old::{OldPictures, unread};
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

/// A picture that is looked at: itself, if its state is asked for.
type Seen = (Key, Option<Item>);

impl Asked {
    fn is_meant(&self, item: &Item) -> bool {
        self.state.is_none_or(|state| state == answers::state_of(item.progress.outcome.as_ref()))
    }

    /// Returns pictures in memory that one page looks at, and one more.
    fn young(&self, known: &ThumbsState) -> Vec<Seen> {
        let (mut seen, mut meant) = (Vec::new(), 0);
        for (key, item) in known.list(self.after).take(THUMBS_LOOKED_AT_MAX + 1) {
            let is_meant = self.is_meant(item);
            seen.push((*key, is_meant.then(|| item.clone())));
            meant += usize::from(is_meant);
            if meant > self.limit {
                break;
            }
        }
        seen
    }

    /// Makes the page of the pictures behind its place, one after the other.
    fn page(&self, seen: impl Iterator<Item = io::Result<Seen>>) -> io::Result<Response> {
        let (mut text, mut count, mut looked_at, mut last) = (String::from("{\"images\": ["), 0, 0, None);
        let mut next = None;
        for picture in seen {
            let (key, item) = picture?;
            if count == self.limit || looked_at == THUMBS_LOOKED_AT_MAX {
                next = last;
                break;
            }
            looked_at += 1;
            last = Some(key);
            if let Some(Item { picture, progress }) = item {
                text.push_str(if count == 0 { "" } else { ", " });
                text.push_str(&answers::five(picture.uuid, picture.media, progress.outcome.as_ref()));
                count += 1;
            }
        }
        text.push_str("], \"next\": ");
        match next {
            Some(key) => {
                let _ = write!(text, "\"{}\"}}", shown(&key));
            }
            None => text.push_str("null}"),
        }
        Ok(json(200, text))
    }

    /// Makes a page of pictures in memory and on the disk.
    fn merged(&self, young: Vec<Seen>, old: &OldPictures) -> io::Result<Response> {
        let mut row = old.behind(self.after, THUMBS_LOOKED_AT_MAX + 1)?;
        let mut young = young.into_iter().peekable();
        self.page(std::iter::from_fn(|| match (row.peek(), young.peek()) {
            (Some(old), Some((key, _))) if *key < old => young.next().map(Ok),
            (Some(_), _) => {
                let seen = |(key, item): (Key, Item)| (key, Some(item).filter(|item| self.is_meant(item)));
                row.step().map(|next| next.map(seen)).transpose()
            }
            (None, _) => young.next().map(Ok),
        }))
    }
}

/// Answers `GET /images`: at once if all of the page is in memory, else by a job.
pub fn answer(query: &str, view: &View<'_>) -> Action {
    let asked = match asked(query) {
        Ok(asked) => asked,
        Err(response) => return Action::Respond(response),
    };
    let applied = view.applied();
    let Some(known) = applied.state::<ThumbsState>() else {
        return Action::Respond(answers::error(404, "Not found"));
    };
    let (young, old) = (asked.young(known), OldPictures::of(known, &applied.heals));
    drop(applied);
    if !old.reach_behind(asked.after) {
        let page = asked.page(young.into_iter().map(Ok));
        return Action::Respond(page.unwrap_or_else(|error| unread(&error)));
    }
    Action::Job(Lookup::new(move || Ok(Found::Answer(asked.merged(young, &old)?)), unread))
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
