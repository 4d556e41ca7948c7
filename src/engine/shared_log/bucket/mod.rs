//! A bucket behind the log port: no servers of one's own, and answers that take as long as a put does.
//!
//! ```text
//! look whether the bucket compares before it puts -> Up
//!   calls  -> appending (an object made only if there is none of its name) | streams (Tail, Find) | following | talking | pictures
//!   events <- what calls came to, messages, beats, questions, answers
//! nothing is answered for three seconds -> Down, and again
//! ```
//!
//! Everything is polled, in the cheapest way that there is: by names that are known. Nothing rests on the bucket but what is said in
//! `peer/relay/port.rs`; that the bucket compares is looked at before it is used.

mod appending;
mod asking;
mod check;
mod done;
mod following;
mod hearing;
mod joined;
mod names;
mod objects;
mod pictures;
mod register;
mod session;
mod speaking;
mod streams;
mod talking;
mod voice;
mod window;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use self::done::End;
use self::names::Names;
use self::objects::Objects;
use self::session::{Session, Way};
use self::streams::Streams;
use self::window::Window;
use super::plan::Plan;
use crate::base::ids::{ClusterId, NodeId};
use crate::base::limits::{
    SHARED_LOG_CALL_MS, SHARED_LOG_PAUSE_MS_MAX, SHARED_LOG_PAUSE_MS_MIN, SHARED_LOG_REFUSED_MS,
};
use crate::engine::shared::settings::BucketPlace;
use crate::engine::shared::shared_log::{SharedLog, Synced};
use crate::os::clock::Clock;
use crate::os::random;
use crate::peer::relay::port::{LogCall, LogEvent};

/// The port to a bucket.
pub(super) struct Bucket {
    way: Way,
    calls: mpsc::Receiver<LogCall>,
    /// Where it is told how the log stands.
    standing: Arc<SharedLog>,
    clock: Clock,
    pause: Duration,
}

impl Bucket {
    /// Returns a port that has called nobody yet. It takes calls from `calls` and tells `events` what comes of them.
    ///
    /// # Errors
    /// Fails if a setting of the environment is invalid.
    pub(super) fn new(
        place: &BucketPlace,
        plan: Plan,
        calls: mpsc::Receiver<LogCall>,
        events: mpsc::Sender<LogEvent>,
        standing: Arc<SharedLog>,
    ) -> io::Result<Self> {
        let Plan { settings, cluster, lineage, node, clock, .. } = plan;
        let names = Names::new(&place.prefix, cluster, lineage);
        let streams = Streams::new(Objects::new(&place.bucket)?, names);
        let window = Arc::new(Window::new(node, settings));
        let way = Way { streams, place: place.to_string(), node, window, events };
        Ok(Self { way, calls, standing, clock, pause: Duration::ZERO })
    }

    /// Serves the relay until it is gone.
    pub(super) async fn run(mut self) {
        loop {
            tokio::time::sleep(self.pause).await;
            let least = Duration::from_millis(SHARED_LOG_PAUSE_MS_MIN);
            self.pause = (2 * self.pause).clamp(least, Duration::from_millis(SHARED_LOG_PAUSE_MS_MAX));
            let why = match self.serve().await {
                End::Lost(why) => why,
                End::Refused(why) => {
                    // Somebody has to mend it: no hurry.
                    self.pause = Duration::from_millis(SHARED_LOG_REFUSED_MS);
                    why
                }
            };
            self.standing.away(self.clock.now_us());
            // The link says it once, to everybody.
            tracing::debug!(why, "the log is away; trying again");
            if self.way.events.send(LogEvent::Down { why }).await.is_err() {
                return;
            }
        }
    }

    /// Serves the relay while the bucket is there; gives why it is not any more.
    async fn serve(&mut self) -> End {
        let session = Session::begin(&self.way, random::number().unwrap_or_default()).await;
        let mut session = match session {
            Ok(session) => session,
            Err(end) => return end,
        };
        self.pause = Duration::ZERO;
        self.standing.here(&self.way.place, Synced::Unknown, self.clock.now_us());
        tracing::info!(bucket = self.way.place, "the log is there");
        // What was asked of an earlier session is over.
        while self.calls.try_recv().is_ok() {}
        session.run(&mut self.calls).await
    }
}

/// Looks whether a bucket can have a log; gives how long it took to make an object. What is made for that is removed.
///
/// # Errors
/// Fails if it does not compare before it puts, does not let this host do what it has to, or does not answer; says what to do.
pub fn look(place: &BucketPlace) -> Result<Duration, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let objects = Objects::new(&place.bucket).map_err(|error| error.to_string())?;
        let names = Names::new(&place.prefix, ClusterId([0; 16]), 0);
        let random = random::number().map_err(|error| error.to_string())?;
        let place = place.to_string();
        let checked = check::check(&objects, &names, (NodeId(0), random), &place);
        let patience = Duration::from_millis(3 * SHARED_LOG_CALL_MS);
        let outcome = timeout(patience, checked).await.map_err(|_| "it does not answer".to_owned())?;
        outcome.map_err(objects::Trouble::told)
    })
}
