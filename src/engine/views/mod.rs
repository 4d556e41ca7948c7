//! The thread of the views: reads what is committed and hands it to each view, batch by batch.
//!
//! The commit step knows nothing of it. It looks every [`VIEWS_LOOK_MS`], or when a request waits for a view, how far the
//! journal is applied, and reads up to there: what is fresh from memory (`log/write/tail.rs` keeps it), what is older from the
//! files. A view that can't follow, because the journal was cut off before it came there, is begun again.

pub mod desk;
pub mod follower;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use self::desk::OwnDesk;
use self::follower::Follower;
use crate::app::application::App;
use crate::app::view::LogView;
use crate::base::limits::VIEWS_LOOK_MS;
use crate::engine::shared::Shared;
use crate::engine::shared::mailbox::Mail;
use crate::os::disk::Disk;
use crate::os::thread;

/// The thread, while there are views.
pub struct Views {
    thread: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Views {
    /// Starts it for the views of these applications; without any there is no thread.
    ///
    /// # Errors
    /// Fails when the system has no thread left.
    pub fn start(apps: &[Arc<dyn App>], shared: &Arc<Shared>, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let views: Vec<Arc<dyn LogView>> = apps.iter().flat_map(|app| app.views()).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut all = Self { thread: None, is_over: is_over.clone(), shared: shared.clone() };
        if !views.is_empty() {
            let desk = OwnDesk::new(shared.clone(), disk, is_over);
            all.thread = Some(thread::spawn("views", move || run(&views, &desk))?);
        }
        Ok(all)
    }

    /// Has the views store what spares the next start the journal, and ends the thread. Nothing is committed any more.
    pub fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.shared.views.wake();
        if let Some(thread) = self.thread {
            // A panic has been printed by the thread itself.
            let _ = thread.join();
        }
    }
}

fn run(views: &[Arc<dyn LogView>], desk: &OwnDesk) {
    let shared = desk.shared();
    shared.views.settle();
    let mut followers: Vec<Follower> = views.iter().cloned().map(Follower::new).collect();
    let mut publish_us = 0;
    while !desk.has_ended() {
        let now_us = shared.clock.now_us();
        let may_publish = now_us >= publish_us && shared.rounds.is_over();
        let mut has_published = false;
        for follower in &mut followers {
            has_published |= follower.look(desk, may_publish);
        }
        if has_published {
            shared.rounds.begin(shared.workers.len());
            shared.workers.iter().for_each(|worker| worker.send(Mail::Frames));
        }
        if may_publish {
            publish_us = now_us + VIEWS_LOOK_MS * 1_000;
        }
        let is_called = || views.iter().any(|view| view.standing().is_awaited());
        let pause_us = publish_us.saturating_sub(shared.clock.now_us());
        let least_us = if is_called() { AWAITED_PAUSE_US } else { VIEWS_LOOK_MS * 1_000 };
        std::thread::park_timeout(Duration::from_micros(pause_us.clamp(1_000, least_us)));
    }
    for follower in &followers {
        follower.end(desk);
    }
}

/// Time between two looks while a request waits for a view that is not there, microseconds.
const AWAITED_PAUSE_US: u64 = 5_000;
