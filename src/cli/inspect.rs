//! `pixeld inspect`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::blobs::{self, Look};
use super::{CliError, compare as comparing};
use crate::apps::pixel::raw::Pixel;
use crate::apps::registry;
use crate::base::ids::Origin;
use crate::base::tag;
use crate::engine::lifecycle::inspection::{self, Standing};
use crate::http::date::DateCell;
use crate::log::inspect::{InspectError, StreamSummary, Summary, compare, dump, verify};
use crate::os::disk::Disk;
use crate::os::files::RealDisk;

/// Verify a data directory and say what is in it, or compare two; changes nothing
///
/// Reads the whole journal and checks every checksum, every sequence number and the chain of every stream, then every
/// content that a record names by its hash, such as a picture. A server may be running on the directory. With
/// the directories of two hosts, says for each stream whether both hold the same bytes, and which of them lacks what.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The data directory
    dir: PathBuf,
    /// Another one to compare it with
    #[arg(conflicts_with_all = ["dump", "hash"])]
    other: Option<PathBuf>,
    /// Write every record as a line of text: position, stream, sequence number, time, what it says
    #[arg(long, conflicts_with = "hash")]
    dump: bool,
    /// Write only a line for each stream: its name, first and last number, and the hash of its batches. Two hosts that
    /// retain the same range of a stream have the same hash
    #[arg(long)]
    hash: bool,
    /// Look at the journal only, not at the contents that records name by their hash, such as pictures: for a host that
    /// keeps those in a bucket
    #[arg(long)]
    no_blobs: bool,
    /// Write the comparison of two directories as JSON
    #[arg(long, requires = "other")]
    json: bool,
}

const UNDER_WAY: &str = "\
joining: this directory is taking the peer's snapshot, and a start continues with that. Until then nothing in
it is of use; do not back it up.
";

const AFTER: &str = "\
Exit: 0 sound, so `serve` starts from it without --accept-loss; 1 damaged (with the file and the offset), without a \
place to start from, or not readable. Of two: 0 the same, 3 one lacks records of the other, 4 different, 1 one of them \
is damaged or not readable. 141 its output was closed before the end.

Examples:
  pixeld inspect ./pixeld-data
  pixeld inspect ./pixeld-data --dump | tail
  pixeld inspect ./a ./b && echo equal";

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let mut out = BufWriter::new(io::stdout().lock());
        let result = match &self.other {
            Some(other) => self.compare(other, &mut out),
            None => self.look(&mut out),
        };
        match result {
            // Whoever reads has seen enough: `| head`. That is not 0, which says that all was looked at and is sound.
            Err(CliError::Inspect { source: InspectError::Io { source, .. }, .. })
                if source.kind() == io::ErrorKind::BrokenPipe =>
            {
                Err(CliError::Output(source))
            }
            result => result,
        }
    }

    fn look(&self, out: &mut dyn Write) -> Result<ExitCode, CliError> {
        let disk = open(&self.dir)?;
        let standing =
            if self.dump { Ok(Standing::Starts) } else { inspection::examine(&disk, registry::new_applied) };
        let is_joining = matches!(standing, Ok(Standing::Joining));
        let result = if self.dump {
            dump(&*disk, &|record| Some(Pixel::decode(record)?.to_string()), out)
        } else if is_joining {
            write(out, UNDER_WAY)
        } else {
            verify(&*disk).and_then(|summary| {
                standing?;
                if self.hash {
                    return write(out, &hashes(&summary));
                }
                let look = self.blobs_of(&disk)?;
                let blobs = look.iter().flat_map(lines_of).map(|line| line + "\n").collect::<String>();
                write(out, &(describe(&summary) + &blobs))?;
                look.map_or(Ok(()), |look| look.verdict())
            })
        };
        result.map(|()| ExitCode::SUCCESS).map_err(wrong(&self.dir))
    }

    fn compare(&self, other: &Path, out: &mut dyn Write) -> Result<ExitCode, CliError> {
        let (dirs, disks) = ([&*self.dir, other], [open(&self.dir)?, open(other)?]);
        let comparison = compare::compare([&*disks[0], &*disks[1]])
            .map_err(|(index, source)| wrong(dirs[index])(source))?;
        let names = dirs.map(|dir| dir.display().to_string());
        let names = [&*names[0], &*names[1]];
        let mut blobs = Vec::new();
        for (dir, disk) in dirs.iter().zip(&disks) {
            blobs.push(self.blobs_of(disk).map_err(wrong(dir))?);
        }
        let states_differ = comparing::states_differ(&blobs);
        let text = if self.json {
            comparing::json(&comparison, names, &blobs)
        } else {
            let lines =
                [comparing::blobs(names, &blobs), comparing::states(states_differ.as_deref())].concat();
            comparing::describe(&comparison, names) + &lines
        };
        write(out, &text).map_err(wrong(&self.dir))?;
        for (dir, look) in dirs.iter().zip(&blobs) {
            look.as_ref().map_or(Ok(()), Look::verdict).map_err(wrong(dir))?;
        }
        Ok(comparing::exit_code(&comparison, states_differ.as_deref()))
    }

    fn blobs_of(&self, disk: &Arc<dyn Disk>) -> Result<Option<Look>, InspectError> {
        if self.no_blobs { Ok(None) } else { blobs::look(disk).map(Some) }
    }
}

fn wrong(path: &Path) -> impl Fn(InspectError) -> CliError {
    move |source| CliError::Inspect { path: path.to_owned(), source }
}

/// Returns what is said of a directory's blobs.
fn lines_of(look: &Look) -> Vec<String> {
    let all = if look.faults.is_empty() { ", each with the content that its name says" } else { "" };
    let first = format!("blobs     {}{all}", look.named);
    let lines = look.lines().map(|line| format!("blob      {line}"));
    if look.named == 0 { Vec::new() } else { std::iter::once(first).chain(lines).collect() }
}

fn open(path: &Path) -> Result<Arc<dyn Disk>, CliError> {
    RealDisk::open(path)
        .map(|disk| Arc::new(disk) as Arc<dyn Disk>)
        .map_err(|source| wrong(path)(InspectError::Io { what: "opening the directory", source }))
}

fn write(out: &mut dyn Write, text: &str) -> Result<(), InspectError> {
    let failed = |source| InspectError::Io { what: "writing the summary", source };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed)
}

/// Returns one line for each stream, for `diff` between hosts.
fn hashes(summary: &Summary) -> String {
    let line = |(origin, stream): (&Origin, &StreamSummary)| {
        format!("{origin} {}..{} {:016x}\n", stream.first_seq, stream.last_seq, stream.hash)
    };
    summary.streams.iter().map(line).collect()
}

fn describe(summary: &Summary) -> String {
    let identity = &summary.identity;
    let mut lines = vec![
        format!("sound: {} batches, every checksum, number and chain", summary.batches),
        format!("cluster   {}", identity.cluster),
        format!("node      {}", identity.node),
    ];
    lines.push(match summary.segments {
        Some((first, last)) => {
            format!(
                "segments  {first} to {last}, of {} bytes; the journal ends at {}",
                identity.segment_bytes, summary.end
            )
        }
        None => "segments  none yet".to_owned(),
    });
    lines.extend(summary.records.iter().map(|(tag, count)| format!("records   {count} {}", name_of(*tag))));
    if let Some((first, last)) = summary.times_us {
        lines.push(format!("written   {} to {}", date(first), date(last)));
    }
    for (origin, stream) in &summary.streams {
        let (first, last, chain, hash) = (stream.first_seq, stream.last_seq, stream.chain, stream.hash);
        lines.push(format!("stream    {origin}: {first}..{last}, chain {chain:016x}, hash {hash:016x}"));
    }
    lines.extend(
        summary.snapshots.iter().map(|file| format!("snapshot  at {}: {}", file.position, file.name())),
    );
    if let Some(torn) = &summary.torn {
        lines.push(format!("torn      {torn}: nothing says that this was durable; the next start cuts it off and keeps a copy"));
    }
    lines.join("\n") + "\n"
}

/// Returns a time of the journal to the second.
fn date(us: u64) -> String {
    String::from_utf8_lossy(DateCell::new(us / 1_000_000).bytes()).into_owned()
}

/// Returns what records with this tag are.
fn name_of(tag: u8) -> String {
    let name = registry::new_applied().name_of(tag);
    match tag {
        tag::TIME_HEALED => "words as of which time others count".to_owned(),
        tag::ENDS_HELD => "words of a host that it has streams of the other one to their ends".to_owned(),
        tag::MEMBER => "words of which hosts are members".to_owned(),
        tag::STREAMS_FOLDED => "folds of earlier starts".to_owned(),
        _ => name.map_or_else(|| format!("with tag 0x{tag:02x}"), str::to_owned),
    }
}
