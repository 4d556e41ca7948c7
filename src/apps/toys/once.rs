//! Requests that take effect once for a name, however often and on whichever host they are sent.
//!
//! ```text
//! asked: what has the name? in memory -> answered like the first one, once that is kept at the level asked for
//!                           perhaps on the disk, or in doubt -> a job reads -> answered so, or asked again
//!                           nothing -> logged -> applied: it stands -> its own answer
//!                                                        another one stands -> answered like that
//!                                                        in doubt -> a job reads -> one of the two
//! ```

use std::io;
use std::sync::Arc;

use crate::app::application::{Action, Resume, View};
use crate::app::applied_lock::AppliedLock;
use crate::app::heal::Heals;
use crate::app::lookup::{Found, Lookup};
use crate::app::returning;
use crate::app::wait::News;
use crate::apps::toys::tag::TOYS_CUT;
use crate::http::response::Response;
use crate::log::format::record;

use super::asked::room_for;
use super::item::Now;
use super::named::{IN_DOUBT, Look};
use super::old::{OldToys, unread};
use super::state::ToysState;

/// A request that takes effect once for its name.
pub trait Once: Send + Sized + 'static {
    /// An item that stands for the name.
    type Standing;

    /// Returns what has the name, without reading.
    fn look(&self, shop: &ToysState) -> Look<Self::Standing>;

    /// Returns the old item that has the name.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    fn find(&self, old: &OldToys) -> io::Result<Option<Self::Standing>>;

    /// Returns what was found as it would be had it never left the memory.
    fn revived(standing: Self::Standing, _shop: &ToysState) -> Self::Standing {
        standing
    }

    /// Returns the answer where this stands. `own` is what the own record gave, if that is logged.
    fn beside(&self, standing: &Self::Standing, own: Option<u64>, moment: &Moment<'_>) -> Response;

    /// Returns the answer to a request whose record, which gave `own`, stands.
    fn first(&self, own: u64) -> Response;

    /// Returns the record, and the name for which there has to be room.
    fn record(&self) -> (Vec<u8>, &str);
}

/// All that the time depends on which an order still takes.
pub struct Moment<'a> {
    /// As of when its records count.
    pub heals: &'a Heals,
    /// The time by both clocks.
    pub now: Now,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was logged.
    Asked,
    /// The same, and the disk does not have the name.
    Read,
    /// Its record is applied, and gave this.
    Logged(u64),
}

/// A request on its way.
pub struct Sent<T> {
    asked: T,
    stage: Stage,
}

/// Has a request go its way.
pub fn send<T: Once>(asked: T, view: &View<'_>) -> Action {
    Box::new(Sent { asked, stage: Stage::Asked }).go_on(view)
}

/// Returns what the host's clocks say.
pub fn now(view: &View<'_>) -> Now {
    Now { wall_us: view.now_us, clock_us: view.clock_us }
}

/// Reads until a doubt is over that `is_open` knows. Whatever else can't be read does not matter.
///
/// # Errors
/// Returns the error of reading a run.
pub fn settle(applied: &AppliedLock, is_open: impl Fn(&ToysState) -> bool) -> io::Result<()> {
    loop {
        let outcome = returning::take_back(applied);
        if !applied.read().state::<ToysState>().is_some_and(&is_open) {
            return Ok(());
        }
        outcome?;
    }
}

/// Answers a request beside which another one stands: as the first one was answered, once that is kept as safely as this one asks for.
/// The first one may have been answered that the peer does not have it yet.
fn answer(response: Response) -> Action {
    if response.status >= 400 {
        return Action::Respond(response);
    }
    // A cut without a floor.
    let mut record = Vec::new();
    record::push(&mut record, TOYS_CUT, &[]);
    Action::Confirm { record, response }
}

/// The answer to a request beside which an item on the disk stands.
struct Beside(Response);

impl Resume for Beside {
    fn resume(self: Box<Self>, _: &View<'_>, _: News) -> Action {
        answer(self.0)
    }
}

impl<T: Once> Sent<T> {
    fn go_on(self: Box<Self>, view: &View<'_>) -> Action {
        let applied = view.applied();
        let Some(shop) = applied.state::<ToysState>() else {
            return Action::Respond(super::html::not_found());
        };
        let look = self.asked.look(shop);
        match (look, self.stage) {
            (Look::Known(standing), stage) => {
                let moment = Moment { heals: &applied.heals, now: now(view) };
                answer(self.asked.beside(&standing, stage.own(), &moment))
            }
            (Look::Doubt, _) => {
                drop(applied);
                self.settle(view)
            }
            (Look::Old, Stage::Asked | Stage::Logged(_)) => {
                let old = OldToys::of(shop, &applied.heals);
                drop(applied);
                self.read(old, view)
            }
            (Look::Free, Stage::Logged(own)) => Action::Respond(self.asked.first(own)),
            // What has come to the disk since it was read is found when the record is applied.
            (Look::Old, Stage::Read) | (Look::Free, Stage::Asked | Stage::Read) => {
                drop(applied);
                self.log(view)
            }
        }
    }

    fn settle(self: Box<Self>, view: &View<'_>) -> Action {
        let applied: Arc<AppliedLock> = view.applied.clone();
        let find = move || {
            settle(&applied, |shop| matches!(self.asked.look(shop), Look::Doubt))?;
            Ok(Found::Go(self))
        };
        Action::Job(Lookup::new(find, unread))
    }

    fn read(self: Box<Self>, old: OldToys, view: &View<'_>) -> Action {
        let (applied, now) = (view.applied.clone(), now(view));
        let find = move || {
            let Some(standing) = self.asked.find(&old)? else {
                return Ok(match self.stage {
                    Stage::Logged(own) => Found::Answer(self.asked.first(own)),
                    _ => Found::Go(Box::new(Self { stage: Stage::Read, ..*self })),
                });
            };
            let applied = applied.read();
            let shop = applied.state::<ToysState>().ok_or(io::ErrorKind::NotFound)?;
            let standing = T::revived(standing, shop);
            let moment = Moment { heals: &applied.heals, now };
            Ok(Found::Go(Box::new(Beside(self.asked.beside(&standing, self.stage.own(), &moment)))))
        };
        Action::Job(Lookup::new(find, unread))
    }

    fn log(self: Box<Self>, view: &View<'_>) -> Action {
        let (record, name) = self.asked.record();
        match room_for(name, view) {
            Ok(()) => Action::Command { record, then: self },
            Err(response) => Action::Respond(response),
        }
    }
}

impl Stage {
    fn own(self) -> Option<u64> {
        match self {
            Self::Logged(own) => Some(own),
            Self::Asked | Self::Read => None,
        }
    }
}

impl<T: Once> Resume for Sent<T> {
    /// Goes on with what applying gave, or with what a job has read.
    fn resume(mut self: Box<Self>, view: &View<'_>, news: News) -> Action {
        if let News::Applied(outcome) = news {
            if outcome != 0 && outcome & IN_DOUBT == 0 {
                return Action::Respond(self.asked.first(outcome));
            }
            self.stage = Stage::Logged(outcome & !IN_DOUBT);
        }
        self.go_on(view)
    }
}
