//! The syncer of a server at `memory`: a thread that syncs what the writer has written, so that the writer need not wait for
//! the disk. What is acknowledged is in the file, and outlives the process, whether or not an older file is durable.

use std::io;
use std::thread::Thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::ids::Position;
use crate::log::format::segment::Layout;
use crate::log::write::writer::{Debt, WriteError, Writer};
use crate::os::clock::Clock;
use crate::os::thread;

/// The thread's other end. It ends when this is dropped.
pub(super) struct Syncer {
    orders: Sender<Vec<Debt>>,
    /// What came of each, and how long it took in microseconds.
    paid: Receiver<(Result<Position, WriteError>, u64)>,
    /// How many debts it has that it has not reported as paid yet.
    owed: usize,
}

impl Syncer {
    /// Starts it; whoever calls this is woken when something is durable.
    ///
    /// # Errors
    /// Fails when the system has no thread left.
    pub(super) fn start(layout: Layout, clock: Clock) -> io::Result<Self> {
        let (orders, incoming) = bounded::<Vec<Debt>>(1);
        let (done, paid) = crossbeam_channel::unbounded();
        let writer: Thread = std::thread::current();
        thread::spawn("sync", move || {
            for debt in incoming.iter().flatten() {
                let start_us = clock.now_us();
                let outcome = debt.pay(layout);
                // A writer that has ended wants to hear nothing more.
                let _ = done.send((outcome, clock.now_us() - start_us));
                writer.unpark();
            }
        })?;
        Ok(Self { orders, paid, owed: 0 })
    }

    /// Returns whether it has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.owed == 0
    }

    /// Has it sync these, oldest first; only while it is idle.
    pub(super) fn order(&mut self, debts: Vec<Debt>) {
        debug_assert!(self.is_idle());
        self.owed = debts.len();
        if self.owed > 0 && self.orders.send(debts).is_err() {
            self.owed = 0;
        }
    }

    /// Tells the writer what is paid by now; `on_sync` hears how long each sync took, in microseconds.
    ///
    /// # Errors
    /// Fails with a failed sync, for good.
    pub(super) fn collect(
        &mut self,
        writer: &mut Writer,
        mut on_sync: impl FnMut(u64),
    ) -> Result<(), WriteError> {
        while let Ok((outcome, us)) = self.paid.try_recv() {
            self.owed -= 1;
            writer.paid(outcome?);
            on_sync(us);
        }
        Ok(())
    }

    /// Waits until everything that it has is paid.
    ///
    /// # Errors
    /// Fails with a failed sync, for good.
    pub(super) fn finish(mut self, writer: &mut Writer) -> Result<(), WriteError> {
        while self.owed > 0
            && let Ok((outcome, _)) = self.paid.recv()
        {
            self.owed -= 1;
            writer.paid(outcome?);
        }
        Ok(())
    }
}
