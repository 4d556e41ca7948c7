//! The two slow calls: each name's answer is made once and kept for a while, and everybody who asks meanwhile waits for
//! the same one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::app::application::{Action, Resume, View, Wait};
use crate::app::lookup::{Found, Lookup};
use crate::app::wait::News;
use crate::apps::toys::limits::{
    TOYS_CACHE_BYTES_MAX, TOYS_CACHE_ENTRIES_MAX, TOYS_HEAVY_KEPT_MS, TOYS_LAST_KEPT_MS,
};
use crate::http::response::Response;

use super::cache::{Bounds, Cache, Entry};
use super::html::{self, escape};
use super::item::Product;
use super::old::{OldToys, unread};
use super::place::Place;
use super::state::ToysState;

/// What is kept of the slow calls, for all workers of this host.
#[derive(Debug)]
pub struct Slow {
    heavy: Mutex<Cache>,
    last: Mutex<Option<Last>>,
}

/// An answer about the last toy.
#[derive(Debug)]
struct Last {
    /// How many toys there were, and the number of the last one: with others the answer is out of date.
    about: (usize, Option<u64>),
    entry: Entry,
}

impl Default for Slow {
    fn default() -> Self {
        let bounds = Bounds { entries: TOYS_CACHE_ENTRIES_MAX, bytes: TOYS_CACHE_BYTES_MAX };
        Self { heavy: Mutex::new(Cache::new(bounds)), last: Mutex::new(None) }
    }
}

impl Slow {
    /// Answers `GET /api/misc/heavy`, which takes `takes_ms`.
    #[must_use]
    pub fn heavy(&self, name: &str, takes_ms: u64, view: &View<'_>) -> Action {
        let now_us = view.now_us;
        let mut cache = lock(&self.heavy);
        let found = cache.find(name, now_us);
        let is_known = found.is_some();
        let entry = found.unwrap_or_else(|| {
            let entry = Entry::begin(now_us, takes_ms, TOYS_HEAVY_KEPT_MS, |ready| {
                format!("{ready}: Woody -{}- Woody", escape(name))
            });
            cache.insert(name, entry.clone(), now_us);
            entry
        });
        drop(cache);
        answer_or_wait(entry, is_known, view)
    }

    /// Answers `GET /api/products/last`, which takes `takes_ms`. What it tells is true when it is asked.
    #[must_use]
    pub fn last(self: &Arc<Self>, takes_ms: u64, view: &View<'_>) -> Action {
        let applied = view.applied();
        if let Some(shop) = applied.state::<ToysState>() {
            let old = OldToys::of(shop, &applied.heals);
            if old.reach_behind(shop.last().map(|(place, _)| *place)) {
                let slow = self.clone();
                let find = move || Ok(Found::Go(Box::new(Latest { slow, takes_ms, old: old.latest()? })));
                return Action::Job(Lookup::new(find, unread));
            }
        }
        drop(applied);
        self.tell_last(takes_ms, None, view)
    }

    /// Tells of the last toy: the last one in memory, or that of the disk if it came later.
    fn tell_last(&self, takes_ms: u64, old: Option<&(Place, Product)>, view: &View<'_>) -> Action {
        let (applied, now_us) = (view.applied(), view.now_us);
        let shop = applied.state::<ToysState>();
        let count = shop.map_or(0, ToysState::count);
        let young = shop.and_then(ToysState::last);
        let old = old.filter(|(at, _)| young.is_none_or(|(place, _)| at > place)).map(|(_, product)| product);
        let last = old.or(young.map(|(_, product)| product));
        let about = (count, last.map(|last| last.id));
        let mut kept = lock(&self.last);
        let found = kept.as_ref().filter(|last| last.about == about && last.entry.is_current(now_us));
        let is_known = found.is_some();
        let entry = found.map(|last| last.entry.clone()).unwrap_or_else(|| {
            let text = match last {
                Some(product) => format!("{count} products (last={})", escape(&product.name)),
                None => "No product found".to_owned(),
            };
            let told = |ready: String| format!("db: {ready} - {text}");
            let entry = Entry::begin(now_us, takes_ms, TOYS_LAST_KEPT_MS, told);
            *kept = Some(Last { about, entry: entry.clone() });
            entry
        });
        drop((kept, applied));
        answer_or_wait(entry, is_known, view)
    }
}

/// A question for the last toy that goes on when the last one on the disk is known.
struct Latest {
    slow: Arc<Slow>,
    takes_ms: u64,
    old: Option<(Place, Product)>,
}

impl Resume for Latest {
    fn resume(self: Box<Self>, view: &View<'_>, _: News) -> Action {
        self.slow.tell_last(self.takes_ms, self.old.as_ref(), view)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic ends the process, so nobody sees what was left half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers with an entry that is ready, or waits until it is. A request that finds it ready has a hit; one that waited for it, or
/// began it, has a miss.
fn answer_or_wait(entry: Entry, is_known: bool, view: &View<'_>) -> Action {
    let wait_us = entry.wait_us(view.now_us);
    if wait_us == 0 {
        return Action::Respond(answer(&entry, is_known, view.now_us));
    }
    Action::Wait(Wait { until_us: Some(view.clock_us + wait_us), then: Box::new(Waiting { entry }) })
}

fn answer(entry: &Entry, is_hit: bool, now_us: u64) -> Response {
    html::answer(200, entry.body.as_bytes())
        .with("X-Cache", if is_hit { "hit" } else { "miss" })
        .with("Age", entry.age_s(now_us).to_string())
}

/// A caller who waits.
struct Waiting {
    entry: Entry,
}

/// When the server ends before the time is up, the answer comes early.
impl Resume for Waiting {
    fn resume(self: Box<Self>, view: &View<'_>, _news: News) -> Action {
        Action::Respond(answer(&self.entry, false, view.now_us))
    }
}
