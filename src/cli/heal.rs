//! `pixeld heal-time`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use crate::app::heal::Heal;
use crate::apps::registry;
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::engine::lifecycle::healing::{self, Wish};
use crate::http::date::DateCell;
use crate::os::output;

/// Correct the times of records that were logged while the clock was wrong
///
/// Finds all records whose time lies more than 10 minutes ahead, in the journal of this host, with the server stopped, and logs
/// that they count as of now. Set the clock right first. The peer hears of it as it hears of any record, so one host
/// is enough; both have to run a pixeld that knows this command. Lists and orders go by the new time; the batches stay as
/// they are. If a record is healed more than once, the earliest time counts.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The data directory
    #[arg(short, long, value_name = "DIR", env = "PIXELD_DATA_DIR", default_value = "./pixeld-data")]
    data_dir: PathBuf,
    /// Only say what would be healed
    #[arg(long)]
    dry_run: bool,
    /// The time to give them, in seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Heal the records of this stream, named as `pixeld inspect` names it, instead of all that lie ahead
    #[arg(long, value_name = "NODE/INC", value_parser = stream, requires = "seq")]
    stream: Option<Origin>,
    /// The first and the last of them
    #[arg(long, value_name = "FIRST..LAST", value_parser = range, requires = "stream")]
    seq: Option<(Seq, Seq)>,
}

const AFTER: &str = "\
Exit: 0 healed, or there was nothing to heal; 1 it failed, for example because a server runs, or the peer is too old; \
2 usage.

Examples:
  pixeld heal-time --data-dir /var/lib/pixeld --dry-run
  pixeld heal-time --data-dir /var/lib/pixeld
  pixeld heal-time --time $(date -d '2026-11-28 14:00' +%s)";

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let time_us = self.time.map(|seconds| seconds.saturating_mul(1_000_000));
        let records = self.stream.zip(self.seq).map(|(origin, (first, last))| (origin, first, last));
        let wish = Wish { time_us, records, is_dry: self.dry_run };
        let found = healing::heal(&self.data_dir, &wish, registry::new_applied().kinds())?;
        let mut lines = Vec::new();
        if found.is_empty() {
            lines.push("no record lies ahead that is not healed".to_owned());
        }
        let word = if self.dry_run { "would count" } else { "count" };
        for Heal { origin, first, last, time_us } in found {
            let date = String::from_utf8_lossy(DateCell::new(time_us / 1_000_000).bytes()).into_owned();
            lines.push(format!("records {first}..{last} of {origin} {word} as of {date}"));
        }
        output::print(&(lines.join("\n") + "\n")).map_err(CliError::Output)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn stream(text: &str) -> Result<Origin, String> {
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let parts = text.split_once('/').and_then(|(node, inc)| Some((number(node)?, number(inc)?)));
    let (node, inc) =
        parts.ok_or("two hexadecimal numbers are needed, such as 00000000000000a1/0000000100000b2c")?;
    Ok(Origin { node: NodeId(node), inc: Inc(inc) })
}

fn range(text: &str) -> Result<(Seq, Seq), String> {
    let parts =
        text.split_once("..").and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    parts
        .filter(|(first, last)| (1..=*last).contains(first))
        .ok_or("needed is FIRST..LAST, such as 1..250".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_ranges_are_read_as_they_are_shown() {
        let origin = Origin { node: NodeId(0xA1), inc: Inc(0x1_0000_0B2C) };
        assert_eq!(stream(&origin.to_string()), Ok(origin));
        assert_eq!((range("1..250"), range("7..7")), (Ok((1, 250)), Ok((7, 7))));
        for text in ["", "1", "0..3", "4..3", "a..b"] {
            assert!(range(text).is_err() && stream(text).is_err(), "{text}");
        }
    }
}
