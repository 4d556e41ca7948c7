//! Long numbers: made once each by a job thread, shared by all who ask for them meanwhile, kept for those who ask
//! later, as far as there is room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::app::wait::{Ticket, Wake};
use crate::apps::pex::limits::{PEX_KEPT_BYTES_MAX, PEX_KEPT_MAX, PEX_WAITERS_MAX};

/// The digits of a number and a line end.
pub type Line = Arc<[u8]>;

/// The long numbers of one server.
#[derive(Default)]
pub struct Numbers {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Those that are kept, the one that was asked for last at the end.
    kept: Vec<(u64, Line)>,
    kept_bytes: usize,
    /// Those that are being made.
    making: HashMap<u64, Work>,
    /// Requests that wait for one of them.
    waiters: usize,
}

struct Work {
    result: Promise,
    waiters: Vec<Ticket>,
}

/// Where a number will be once it is made.
pub type Promise = Arc<OnceLock<Line>>;

/// What a request for a number comes to.
pub enum Found {
    /// It is there.
    Kept(Line),
    /// Somebody makes it: the request will be woken, and finds it here, or nothing if its maker gave up.
    Promised(Promise),
    /// Nobody makes it: the request has to.
    Wanted(Maker),
    /// Too many requests wait for numbers already.
    TooMany,
}

impl Numbers {
    /// Looks for F(n); the request `ticket` is woken through `waker` if it has to wait.
    pub fn find(self: &Arc<Self>, n: u64, ticket: Ticket, waker: &Arc<dyn Wake>) -> Found {
        let mut inner = self.lock();
        if let Some(at) = inner.kept.iter().position(|(of, _)| *of == n) {
            inner.kept[at..].rotate_left(1);
            return Found::Kept(inner.kept[inner.kept.len() - 1].1.clone());
        }
        let inner = &mut *inner;
        if let Some(work) = inner.making.get_mut(&n) {
            if inner.waiters == PEX_WAITERS_MAX {
                return Found::TooMany;
            }
            inner.waiters += 1;
            work.waiters.push(ticket);
            return Found::Promised(work.result.clone());
        }
        inner.making.insert(n, Work { result: Promise::default(), waiters: Vec::new() });
        Found::Wanted(Maker { numbers: self.clone(), waker: waker.clone(), n, is_done: false })
    }

    /// Ends the work on F(n): keeps what came out of it, and wakes those who wait.
    fn end(&self, n: u64, line: Option<&Line>, waker: &dyn Wake) {
        let mut inner = self.lock();
        let Some(Work { result, waiters }) = inner.making.remove(&n) else { return };
        inner.waiters -= waiters.len();
        if let Some(line) = line {
            inner.keep(n, line.clone());
            // Set once: it was made by the one maker of this work.
            let _ = result.set(line.clone());
        }
        drop(inner);
        waiters.into_iter().for_each(|ticket| waker.wake(ticket));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, n: u64, line: Line) {
        if line.len() > PEX_KEPT_BYTES_MAX {
            return;
        }
        self.kept_bytes += line.len();
        self.kept.push((n, line));
        while self.kept.len() > PEX_KEPT_MAX || self.kept_bytes > PEX_KEPT_BYTES_MAX {
            let (_, oldest) = self.kept.remove(0);
            self.kept_bytes -= oldest.len();
        }
    }
}

/// The duty to make one number. Dropped unfulfilled, it passes to one of those who wait.
pub struct Maker {
    numbers: Arc<Numbers>,
    waker: Arc<dyn Wake>,
    n: u64,
    is_done: bool,
}

impl Maker {
    /// Returns which number.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Hands it over.
    pub fn hand_over(&mut self, line: &Line) {
        self.is_done = true;
        self.numbers.end(self.n, Some(line), &*self.waker);
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        if !self.is_done {
            self.numbers.end(self.n, None, &*self.waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Bell(Mutex<Vec<Ticket>>);

    impl Wake for Bell {
        fn wake(&self, ticket: Ticket) {
            self.0.lock().unwrap().push(ticket);
        }
    }

    struct Desk {
        numbers: Arc<Numbers>,
        bell: Arc<Bell>,
        asked: u32,
    }

    fn desk() -> Desk {
        Desk { numbers: Arc::default(), bell: Arc::default(), asked: 0 }
    }

    impl Desk {
        fn ask(&mut self, n: u64) -> Found {
            self.asked += 1;
            let ticket = Ticket { worker: 0, place: self.asked, generation: 0, wait: 0 };
            let waker: Arc<dyn Wake> = self.bell.clone();
            self.numbers.find(n, ticket, &waker)
        }

        fn make(&mut self, n: u64, bytes: usize) {
            match self.ask(n) {
                Found::Wanted(mut maker) => maker.hand_over(&vec![b'7'; bytes].into()),
                _ => panic!("{n} is there already"),
            }
        }

        fn is_kept(&mut self, n: u64) -> bool {
            matches!(self.ask(n), Found::Kept(_))
        }

        fn woken(&self) -> Vec<u32> {
            self.bell.0.lock().unwrap().drain(..).map(|ticket| ticket.place).collect()
        }
    }

    #[test]
    fn one_makes_it_and_all_get_it() {
        let mut desk = desk();
        let Found::Wanted(mut maker) = desk.ask(5_000) else { panic!("nobody makes it yet") };
        let promises: Vec<_> = (0..3)
            .map(|_| match desk.ask(5_000) {
                Found::Promised(promise) => promise,
                _ => panic!("somebody makes it"),
            })
            .collect();
        assert!(matches!(desk.ask(5_001), Found::Wanted(_)), "another number is nobody's yet");
        assert_eq!((maker.n(), desk.woken()), (5_000, vec![]));
        maker.hand_over(&b"123\n"[..].into());
        drop(maker);
        assert_eq!(desk.woken(), [2, 3, 4]);
        for promise in promises {
            assert_eq!(promise.get().map(|line| &line[..]), Some(&b"123\n"[..]));
        }
        assert!(desk.is_kept(5_000));
        assert_eq!(desk.numbers.lock().waiters, 0);
    }

    #[test]
    fn a_maker_that_gives_up_passes_the_work_on() {
        let mut desk = desk();
        let Found::Wanted(maker) = desk.ask(5_000) else { panic!("nobody makes it yet") };
        let Found::Promised(promise) = desk.ask(5_000) else { panic!("somebody makes it") };
        drop(maker);
        assert_eq!((desk.woken(), promise.get()), (vec![2], None));
        assert!(matches!(desk.ask(5_000), Found::Wanted(_)));
        assert!(desk.numbers.lock().making.is_empty(), "that maker gave up as well");
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_bytes_and_the_longest_unused_goes() {
        let mut desk = desk();
        for n in 0..PEX_KEPT_MAX as u64 {
            desk.make(n, 10);
        }
        assert!(desk.is_kept(0), "asked for again: the next one goes first");
        desk.make(1_000, 10);
        assert!(desk.is_kept(0) && desk.is_kept(1_000) && !desk.is_kept(1));
        desk.make(2_000, PEX_KEPT_BYTES_MAX);
        assert!(desk.is_kept(2_000) && !desk.is_kept(1_000), "one that takes all the room");
        desk.make(3_000, PEX_KEPT_BYTES_MAX + 1);
        assert!(desk.is_kept(2_000) && !desk.is_kept(3_000), "one that would take more");
        let inner = desk.numbers.lock();
        assert_eq!((inner.kept.len(), inner.kept_bytes), (1, PEX_KEPT_BYTES_MAX));
    }
}
