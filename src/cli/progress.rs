//! How far a film or a backup has come, on stderr: nothing for the first two seconds, and nothing where that is no terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over before that needs no bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// A bar that shows itself once it has taken a while.
pub(super) struct Progress {
    bar: ProgressBar,
    began: Instant,
}

impl Progress {
    /// Returns the bar of a journal that is read, which has no known end.
    pub(super) fn of_reading() -> Self {
        Self::new(ProgressBar::no_length(), "reading the journal: {bytes}, {bytes_per_sec}")
    }

    /// Returns the bar of files that are copied.
    pub(super) fn of_copying() -> Self {
        Self::new(ProgressBar::no_length(), "copying: {bytes}, {bytes_per_sec}, {elapsed}")
    }

    /// Returns the bar of so many frames.
    pub(super) fn of_frames(count: u64) -> Self {
        Self::new(ProgressBar::new(count), "drawing [{bar:40}] frame {human_pos} of {human_len}, {eta} left")
    }

    fn new(bar: ProgressBar, form: &str) -> Self {
        bar.set_draw_target(ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::with_template(form).expect("a template of known fields"));
        Self { bar, began: Instant::now() }
    }

    /// Notes how far it has come.
    pub(super) fn reach(&self, position: u64) {
        self.show_if_late();
        self.bar.set_position(position);
    }

    /// Notes so much more.
    pub(super) fn add(&self, amount: u64) {
        self.show_if_late();
        self.bar.inc(amount);
    }

    /// Notes a frame more.
    pub(super) fn step(&self) {
        self.add(1);
    }

    /// Takes it away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn show_if_late(&self) {
        if self.bar.is_hidden() && self.began.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}
