//! Requests that are answered later: once a command is applied, at a time, or when another request's result is there.
//!
//! A request that waits holds no thread and no lock: it is a boxed continuation in its connection. The requests behind
//! it on the same connection stay unread meanwhile, so answers keep their order.

/// Why a held request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Its command is kept and applied; this is what applying it gave.
    Applied(u64),
    /// Its time has come.
    Time,
    /// Somebody woke it.
    Woken,
    /// The server ends or hands over: it is answered now as it would be at its time.
    Draining,
}

/// Names one wait of one request of this process. A ticket of a wait that is over wakes nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The request's worker.
    pub worker: u32,
    /// The connection's place in that worker's table.
    pub place: u32,
    /// Which connection of that place.
    pub generation: u32,
    /// Which wait of that connection.
    pub wait: u32,
}

/// Wakes requests that wait.
pub trait Wake: Send + Sync {
    /// Lets the request go on with [`News::Woken`]; from any thread, also before [`Action::Wait`](crate::app::application::Action::Wait) was returned by the
    /// handler that was given the ticket.
    fn wake(&self, ticket: Ticket);

    /// Has the views look at the journal at once: somebody waits for one of them.
    fn call_views(&self) {}
}
