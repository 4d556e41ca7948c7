//! Who waits for the state to change: requests for the end of a picture, the runner for something to do. No part of the
//! state, but applying a record tells them.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::app::wait::{Ticket, Wake};
use crate::apps::thumbs::limits::THUMBS_WAITERS_MAX;

/// A picture's name to clients.
type Uuid = [u8; 16];

/// See the module.
#[derive(Default)]
pub struct Watch {
    requests: Mutex<Requests>,
    news: Mutex<u64>,
    changed: Condvar,
}

#[derive(Default)]
struct Requests {
    /// For each picture; of one connection the last one counts.
    by_picture: BTreeMap<Uuid, BTreeMap<(u32, u32), Waiter>>,
    count: usize,
    is_closed: bool,
}

struct Waiter {
    ticket: Ticket,
    waker: Arc<dyn Wake>,
}

impl Watch {
    /// Wakes the request with this ticket when the picture comes to an end. False if too many wait, or if the server
    /// stops: it must not wait then. To be called before the state it was judged by is let go.
    #[must_use]
    pub fn await_end(&self, uuid: Uuid, ticket: Ticket, waker: &Arc<dyn Wake>) -> bool {
        let mut requests = lock(&self.requests);
        if requests.is_closed || requests.count >= THUMBS_WAITERS_MAX {
            return false;
        }
        let waiter = Waiter { ticket, waker: waker.clone() };
        let of_picture = requests.by_picture.entry(uuid).or_default();
        if of_picture.insert((ticket.worker, ticket.place), waiter).is_none() {
            requests.count += 1;
        }
        true
    }

    /// Lets go of the request at this place, which waits no longer.
    pub fn leave(&self, uuid: Uuid, ticket: Ticket) {
        let mut requests = lock(&self.requests);
        let Some(of_picture) = requests.by_picture.get_mut(&uuid) else { return };
        let was_there = of_picture.remove(&(ticket.worker, ticket.place)).is_some();
        if of_picture.is_empty() {
            requests.by_picture.remove(&uuid);
        }
        requests.count -= usize::from(was_there);
    }

    /// Wakes those who wait for a picture that came to its end.
    pub fn ended(&self, uuid: Uuid) {
        let mut requests = lock(&self.requests);
        let woken = requests.by_picture.remove(&uuid).unwrap_or_default();
        requests.count -= woken.len();
        drop(requests);
        woken.into_values().for_each(|waiter| waiter.waker.wake(waiter.ticket));
    }

    /// Says that there may be something to do.
    pub fn notify(&self) {
        *lock(&self.news) += 1;
        self.changed.notify_all();
    }

    /// Returns how often there was something to do so far.
    #[must_use]
    pub fn notified(&self) -> u64 {
        *lock(&self.news)
    }

    /// Sleeps until there was something to do more often than `notified`, or for `most`.
    pub fn sleep(&self, notified: u64, most: Duration) {
        let news = lock(&self.news);
        // Whatever ended it, the caller looks.
        drop(self.changed.wait_timeout_while(news, most, |news| *news == notified));
    }

    /// Wakes all, since the server stops: nobody waits any more.
    pub fn close(&self) {
        let mut requests = lock(&self.requests);
        requests.is_closed = true;
        requests.count = 0;
        let all = std::mem::take(&mut requests.by_picture);
        drop(requests);
        all.into_values().flatten().for_each(|(_, waiter)| waiter.waker.wake(waiter.ticket));
        self.notify();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Woken(Mutex<Vec<Ticket>>);

    impl Wake for Woken {
        fn wake(&self, ticket: Ticket) {
            lock(&self.0).push(ticket);
        }
    }

    fn ticket(place: u32, wait: u32) -> Ticket {
        Ticket { worker: 0, place, generation: 0, wait }
    }

    #[test]
    fn each_is_woken_once_by_its_own_picture() {
        let (watch, woken) = (Watch::default(), Arc::new(Woken::default()));
        let waker: Arc<dyn Wake> = woken.clone();
        for (uuid, place, wait) in [(1, 1, 1), (1, 2, 1), (2, 3, 1), (1, 1, 2), (1, 4, 1)] {
            assert!(watch.await_end([uuid; 16], ticket(place, wait), &waker));
        }
        watch.leave([1; 16], ticket(4, 1));
        watch.leave([9; 16], ticket(4, 1));
        watch.ended([1; 16]);
        watch.ended([1; 16]);
        assert_eq!(*lock(&woken.0), [ticket(1, 2), ticket(2, 1)], "the last wait of each connection");
        assert_eq!(lock(&watch.requests).count, 1);
        watch.close();
        assert_eq!(lock(&woken.0).last(), Some(&ticket(3, 1)));
        assert!(!watch.await_end([1; 16], ticket(1, 3), &waker), "the server stops");
    }

    #[test]
    fn news_between_a_look_and_a_sleep_are_not_missed() {
        let watch = Watch::default();
        let notified = watch.notified();
        watch.notify();
        watch.sleep(notified, Duration::from_secs(3_600));
        watch.sleep(watch.notified(), Duration::ZERO);
    }
}
