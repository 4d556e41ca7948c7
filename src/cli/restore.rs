//! `pixeld restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use super::backup::target;
use super::error::DAMAGED;
use super::progress::Progress;
use crate::apps::registry;
use crate::engine::backup::Place;
use crate::engine::backup::restore::{Restored, Wanted, restore};
use crate::http::date::rfc3339;
use crate::http::moment;
use crate::os::output;

/// Restore a backup into an empty directory, as it was at its end or at an earlier instant
///
/// Without --at, everything that `pixeld backup` has copied comes back, and `pixeld serve` starts from the directory at once; a
/// peer, if there is one, brings what it has beyond that. With --at the journal ends before the first record that is later.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The backup: a folder
    #[arg(value_parser = target)]
    target: Place,
    /// The directory: a new one, or an empty one
    dir: PathBuf,
    /// The last instant whose records are wanted, in RFC 3339, such as 2026-11-28T10:00Z
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    at: Option<u64>,
    /// With --at, for a host that has a peer: the whole cluster goes back, and the other hosts join again
    #[arg(long, requires = "at")]
    whole_cluster: bool,
}

const AFTER: &str = "\
A restore with --at begins a new lineage: a host that has records of the old one is refused by this one and joins again, with \
an empty directory made by `pixeld init --join` and the cluster id that `pixeld init --show cluster_id` prints here.

After an interruption, run the same command again; until it is done, no server starts from the directory.

Exit: 0 done; 1 it failed, or DIR is not empty (then nothing was changed); 2 usage; 3 the backup is damaged: the file is named. \
If only pictures are, everything else was put back, and each one that is missing is named.

Examples:
  pixeld restore /mnt/backup/pixeld /var/lib/pixeld
  pixeld restore /mnt/backup/pixeld ./copy --at 2026-11-28T10:00Z";

fn instant(text: &str) -> Result<u64, String> {
    // Seconds may be left out.
    let with_seconds = text.split_once('T').and_then(|(day, time)| {
        let zone = time.find(['Z', 'z', '+', '-'])?;
        let is_short = time[..zone].matches(':').count() == 1;
        is_short.then(|| format!("{day}T{}:00{}", &time[..zone], &time[zone..]))
    });
    let found = moment::read_us(with_seconds.as_deref().unwrap_or(text));
    found.ok_or_else(|| {
        "an instant with its zone, such as 2026-11-28T10:00Z or 2026-11-28T11:00:05+01:00".to_owned()
    })
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let progress = Progress::of_copying();
        let wanted = Wanted {
            place: &self.target,
            directory: &self.dir,
            at: self.at,
            whole_cluster: self.whole_cluster,
        };
        let restored = restore(&wanted, registry::new_applied, &mut |bytes| progress.add(bytes))?;
        progress.end();
        output::print(&self.says(&restored)).map_err(CliError::Output)?;
        for unreadable in &restored.unreadable {
            output::report(format_args!(
                "a snapshot of the backup can't be read, an older one was taken: {unreadable}"
            ));
        }
        for (id, fault) in &restored.faults {
            output::report(format_args!("the picture {id} is {fault} in the backup"));
        }
        Ok(if restored.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
    }

    /// Returns what was put back, for people.
    fn says(&self, restored: &Restored) -> String {
        let Restored { position, time_us, vector, lineage, contents, .. } = restored;
        let upto = match time_us {
            0 => "all there was: nothing had been written".to_owned(),
            _ => format!("everything up to {}", rfc3339(*time_us)),
        };
        let dir = self.dir.display();
        let mut text = format!("{dir} has {upto}: the journal up to {position}, {contents} pictures\n");
        for (origin, seq) in vector.iter() {
            text += &format!("stream {origin} up to record {seq}\n");
        }
        if let Some(lineage) = lineage {
            text += &format!(
                "lineage {lineage:016x}: hosts of the old one rejoin, with the cluster id that `pixeld init --data-dir {dir} \
                 --show cluster_id` prints\n"
            );
        }
        text + &format!("Next: pixeld serve --data-dir {dir}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_seconds_or_without() {
        let ten = instant("2026-11-28T10:00:00Z").unwrap();
        for text in ["2026-11-28T10:00Z", "2026-11-28T11:00+01:00", "2026-11-28T05:00:00.0-05:00"] {
            assert_eq!(instant(text), Ok(ten), "{text}");
        }
        assert_eq!(instant("2026-11-28T10:00:00.25Z"), Ok(ten + 250_000));
        for text in ["", "10:00", "2026-11-28", "2026-11-28T10:00", "2026-11-28T10Z"] {
            assert!(instant(text).is_err(), "{text}");
        }
    }
}
