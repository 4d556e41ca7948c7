//! `pixeld backup`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::HumanBytes;

use super::CliError;
use super::error::DAMAGED;
use super::interrupt::stop_on_interrupt;
use super::progress::Progress;
use crate::apps::registry;
use crate::base::units;
#[cfg(feature = "s3")]
use crate::config::place;
use crate::engine::backup::round::{Backup, Round};
use crate::engine::backup::{BackupError, Place};
#[cfg(feature = "s3")]
use crate::engine::shared::settings::BlobPlace;
use crate::http::date::rfc3339;
use crate::os::output;

/// How often a waiting `--follow` looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// How often it says how far it is.
const REPORT: Duration = Duration::from_secs(3600);
/// What a bar needs not show: a round takes less.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Copy a data directory to another place, with its server running or not
///
/// TARGET is a folder, which is made if it is missing. What it already has is not copied
/// again: only new segments of the journal and new pictures are. The copy is read the way a start reads it before the command
/// says which instant it reaches. What the server removes later stays in TARGET, so that `pixeld restore --at` can go back.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The data directory
    dir: PathBuf,
    /// A folder
    #[arg(value_parser = target)]
    target: Place,
    /// Go on until SIGTERM or SIGINT: copy what is new again and again, so that a lost machine loses no more than --every
    #[arg(long)]
    follow: bool,
    /// The pause between two rounds of --follow, 100ms to 1h
    #[arg(long, value_name = "DURATION", value_parser = pause, default_value = "2s", requires = "follow")]
    every: Duration,
}

const AFTER: &str = "\
The copy has the formats of a data directory and includes the host's key and pictures: protect it accordingly. If \
TARGET is a folder on the same file system, files that never change are hard-linked and take no room; that does not protect against \
the loss of the disk.

Exit: 0 done and verified; 1 it failed: run it again, it goes on where it was; 2 usage; 3 the data directory or TARGET is \
damaged, or pictures are missing: each is named.

Examples:
  pixeld backup /var/lib/pixeld /mnt/backup/pixeld
  pixeld backup /var/lib/pixeld /mnt/backup/pixeld --follow
  pixeld restore /mnt/backup/pixeld /var/lib/pixeld";

/// Reads a place for backups.
pub(super) fn target(text: &str) -> Result<Place, String> {
    if !text.starts_with("s3://") {
        return Ok(Place::Folder(text.into()));
    }
    bucket(text)
}

#[cfg(feature = "s3")]
fn bucket(text: &str) -> Result<Place, String> {
    match place::read(text) {
        Some(BlobPlace::Bucket { bucket, prefix }) if !prefix.is_empty() => {
            Ok(Place::Bucket { bucket, prefix })
        }
        _ => Err("a folder, or s3://NAME/PREFIX: the prefix is for this backup alone".to_owned()),
    }
}

#[cfg(not(feature = "s3"))]
fn bucket(_: &str) -> Result<Place, String> {
    Err("a folder is needed; a bucket needs a build with `--features s3`, or has to be mounted as a folder"
        .to_owned())
}

fn pause(text: &str) -> Result<Duration, String> {
    let fits = |ms: &u64| (100..=3_600_000).contains(ms);
    let found = units::duration_ms(text).filter(fits).map(Duration::from_millis);
    found.ok_or_else(|| "a duration from 100ms to 1h".to_owned())
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let stop = if self.follow { stop_on_interrupt() } else { Arc::default() };
        let progress = Progress::of_copying();
        let mut backup = Backup::open(&self.target, &self.dir, registry::new_applied)?;
        let first = backup.round(&mut |bytes| progress.add(bytes))?;
        backup.verify()?;
        progress.end();
        output::print(&self.says(&first)).map_err(CliError::Output)?;
        if backup.is_same_disk() {
            output::report(format_args!(
                "{} is on the same file system as {}: no backup against the loss of its disk",
                self.target,
                self.dir.display()
            ));
        }
        let mut last = first;
        if self.follow {
            last = self.follow(&mut backup, &stop, last)?;
            backup.verify()?;
            output::print(&self.says(&last)).map_err(CliError::Output)?;
        }
        for (id, fault) in &last.faults {
            output::report(format_args!(
                "the picture {id} of {} is {fault}: it is not in the backup",
                self.dir.display()
            ));
        }
        Ok(if last.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
    }

    /// Copies what is new until it is to end. What fails is tried again, with longer pauses; damage, and another directory in the place of DIR, end it.
    fn follow(&self, backup: &mut Backup, stop: &AtomicBool, mut last: Round) -> Result<Round, CliError> {
        let (mut pause, mut said, mut trouble) = (self.every, Instant::now(), None);
        loop {
            let is_last = !wait(stop, pause);
            match backup.round(&mut |_| {}) {
                Ok(round) => {
                    if trouble.take().is_some() {
                        output::report(format_args!("{} is up to date again", self.target));
                    }
                    last = round;
                    pause = self.every;
                }
                Err(error) if error.is_final() || is_last => return Err(error.into()),
                Err(error) => {
                    self.complain(&error, &mut trouble);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
            if is_last {
                return Ok(last);
            }
            if said.elapsed() > REPORT {
                said = Instant::now();
                output::print(&self.says(&last)).map_err(CliError::Output)?;
            }
        }
    }

    /// Says what is in the way, once.
    fn complain(&self, error: &BackupError, said: &mut Option<String>) {
        let text = error.to_string();
        if said.as_ref() != Some(&text) {
            output::report(format_args!("{text}; trying again"));
            *said = Some(text);
        }
    }

    /// Returns what a round came to, for people.
    fn says(&self, round: &Round) -> String {
        let Round { time_us, bytes, segments, contents, .. } = round;
        let upto = match time_us {
            0 => "all there is: nothing was written yet".to_owned(),
            _ => format!("everything up to {}", rfc3339(*time_us)),
        };
        let (bytes, target) = (HumanBytes(*bytes), &self.target);
        format!("{target} has {upto} (new: {bytes}, {segments} whole segments, {contents} pictures)\n")
    }
}

/// Waits; no if it is to end.
fn wait(stop: &AtomicBool, pause: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < pause {
        if stop.load(Ordering::SeqCst) {
            return false;
        }
        thread::sleep(LOOK.min(pause));
    }
    !stop.load(Ordering::SeqCst)
}
