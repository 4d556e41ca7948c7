//! The lock of the applied state.
//!
//! A thread that reads must not read again: the committer may have asked for writing in between, would be let in first,
//! and both would wait for ever. Nothing shows that until the two meet, so debug builds end the thread that tries.

use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::applied::Applied;

/// The applied state, which the committer writes and all others read.
#[derive(Default)]
pub struct AppliedLock(RwLock<Applied>);

/// The state, while it is read.
pub struct Reading<'a> {
    state: RwLockReadGuard<'a, Applied>,
    _once: Once,
}

/// The state, while it is written.
pub struct Writing<'a> {
    state: RwLockWriteGuard<'a, Applied>,
    _once: Once,
}

impl AppliedLock {
    /// Locks a state that nobody else has.
    #[must_use]
    pub fn new(state: Applied) -> Self {
        Self(RwLock::new(state))
    }

    /// Waits until nobody writes. A thread that panicked over the state leaves it as it was: it is read on.
    ///
    /// # Panics
    /// Panics in debug builds if this thread has the lock.
    #[must_use]
    pub fn read(&self) -> Reading<'_> {
        let _once = Once::claim(self);
        Reading { state: self.0.read().unwrap_or_else(PoisonError::into_inner), _once }
    }

    /// Waits until nobody else has the state.
    ///
    /// # Panics
    /// Panics in debug builds if this thread has the lock.
    #[must_use]
    pub fn write(&self) -> Writing<'_> {
        let _once = Once::claim(self);
        Writing { state: self.0.write().unwrap_or_else(PoisonError::into_inner), _once }
    }
}

impl Deref for Reading<'_> {
    type Target = Applied;

    fn deref(&self) -> &Applied {
        &self.state
    }
}

impl Deref for Writing<'_> {
    type Target = Applied;

    fn deref(&self) -> &Applied {
        &self.state
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Applied {
        &mut self.state
    }
}

#[cfg(debug_assertions)]
use checked::Once;
#[cfg(not(debug_assertions))]
use unchecked::Once;

/// Which locks a thread has.
#[cfg(debug_assertions)]
mod checked {
    use std::cell::RefCell;

    use super::AppliedLock;

    thread_local! {
        static HELD: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    /// This thread has the lock at this address, once.
    pub(super) struct Once(usize);

    impl Once {
        pub(super) fn claim(lock: &AppliedLock) -> Self {
            let address = std::ptr::from_ref(lock).addr();
            HELD.with_borrow_mut(|held| {
                assert!(!held.contains(&address), "this thread has the applied state already");
                held.push(address);
            });
            Self(address)
        }
    }

    impl Drop for Once {
        fn drop(&mut self) {
            // A thread that ends may have no list any more.
            let _ = HELD.try_with(|held| held.borrow_mut().retain(|address| *address != self.0));
        }
    }
}

/// Costs nothing.
#[cfg(not(debug_assertions))]
mod unchecked {
    use super::AppliedLock;

    pub(super) struct Once;

    impl Once {
        #[inline]
        pub(super) fn claim(_: &AppliedLock) -> Self {
            Self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_several_states_but_each_once() {
        let (one, other) = (AppliedLock::default(), AppliedLock::default());
        drop((one.read(), other.write()));
        drop(one.write());
        let _reading = one.read();
        std::thread::scope(|scope| scope.spawn(|| drop(one.read())).join().expect("another thread may read"));
    }

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "has the applied state already"))]
    fn a_second_look_ends_the_thread() {
        let lock = AppliedLock::default();
        let _first = lock.read();
        let _second = lock.read();
    }
}
