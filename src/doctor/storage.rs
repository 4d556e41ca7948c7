//! Where the journal lies, and how long the disk takes to keep something.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::finding::Finding;
use super::machine::Machine;
use crate::base::aligned::AlignedBuffer;
use crate::base::limits::BLOCK_BYTES;
use crate::log::format::segment::{self, HeaderLook, SegmentHeader};
use crate::os::disk::{Access, Disk};
use crate::os::files::RealDisk;

/// Days until the disk is full below which that is told.
const GROWTH_DAYS: f64 = 7.0;
/// Least time between two segments that tells how fast the journal is written, microseconds.
const GROWTH_US_MIN: u64 = 3_600_000_000;
/// Segments from either end that are looked at for one with a time: the first has none, and the last may be a spare.
const LOOKED_AT: usize = 3;
/// Durable writes of the probe.
const PROBES: usize = 200;
/// The probe ends after this time, however few writes it made.
const PROBE_PATIENCE: Duration = Duration::from_secs(3);
/// The file that the probe writes and removes.
const PROBE_NAME: &str = "pixeld-doctor.probe";

pub(super) fn check(machine: &Machine, data_dir: &Path) -> Vec<Finding> {
    let at = existing(machine, data_dir);
    let mut found = mount(machine, &at);
    found.push(reserve(machine, &at));
    found.push(growth(machine, &at));
    found.push(probe(machine, &at));
    found
}

/// Returns the directory, or the nearest one above it that is there already.
fn existing(machine: &Machine, data_dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let found = absolute.ancestors().find(|path| !machine.is_live() || path.is_dir());
    found.unwrap_or(Path::new("/")).to_owned()
}

fn mount(machine: &Machine, at: &Path) -> Vec<Finding> {
    const KIND: &str = "storage.filesystem";
    const VOLUME: &str = "storage.volume";
    let table = machine.text("proc/self/mounts").unwrap_or_default();
    let mounts = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some((*fields.get(1)?, *fields.get(2)?)).filter(|(point, _)| at.starts_with(point))
    });
    // Of those on one point the last one mounted counts.
    let Some((point, kind)) = mounts.max_by_key(|(point, _)| point.len()) else {
        return vec![
            Finding::skip(KIND, "/proc/self/mounts can't be read"),
            Finding::skip(VOLUME, "/proc/self/mounts can't be read"),
        ];
    };
    let shown = format!("{kind} on {point}");
    let kind = match kind {
        "tmpfs" | "ramfs" => {
            Finding::fail(KIND, shown, "a disk: this is gone with the next restart of the machine")
        }
        "overlay" => Finding::warn(KIND, shown, "a volume: a container's own layer goes with the container"),
        "nfs" | "nfs4" | "cifs" | "9p" => {
            Finding::warn(KIND, shown, "a local disk: syncs and locks go over a network")
        }
        "btrfs" | "bcachefs" | "zfs" => Finding::warn(
            KIND,
            shown,
            "ext4, or a reserve that is never used up: overwriting needs room here, so a full disk delays writes that \
             are under way",
        ),
        _ => Finding::pass(KIND, shown),
    };
    let volume = if point == "/" {
        Finding::warn(VOLUME, "the system's own", "a volume of its own for the journal")
    } else {
        Finding::pass(VOLUME, point)
    };
    vec![kind, volume]
}

fn reserve(machine: &Machine, at: &Path) -> Finding {
    const ID: &str = "storage.space";
    if !machine.is_live() {
        return Finding::skip(ID, "a copy of files has no disk");
    }
    match RealDisk::open(at).and_then(|disk| disk.space()) {
        Err(error) => Finding::skip(ID, error.to_string()),
        Ok(space) => {
            let reserve = usual_reserve(space.total_bytes);
            let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64);
            let (free, reserve_shown) = (gib(space.free_bytes), gib(reserve));
            match space.free_bytes {
                free_bytes if free_bytes < reserve => Finding::fail(
                    ID,
                    format!("{free} free"),
                    format!("more than {reserve_shown}: writes get 507"),
                ),
                free_bytes if free_bytes < 2 * reserve => {
                    Finding::warn(ID, format!("{free} free"), format!("twice the reserve of {reserve_shown}"))
                }
                _ => Finding::pass(ID, format!("{free} free")),
            }
        }
    }
}

/// Estimates from the segments that are there how fast the journal is written, and when the disk will be full.
fn growth(machine: &Machine, at: &Path) -> Finding {
    const ID: &str = "storage.growth";
    if !machine.is_live() {
        return Finding::skip(ID, "a copy of files has no disk");
    }
    let looked = RealDisk::open(at).and_then(|disk| Ok((disk.space()?, written(&disk)?)));
    let (space, written) = match looked {
        Ok(looked) => looked,
        Err(error) => return Finding::skip(ID, error.to_string()),
    };
    let Some((bytes, time_us)) = written else {
        return Finding::skip(ID, "no journal here that has been written for an hour");
    };
    let per_day = bytes as f64 / time_us as f64 * 86_400e6;
    let free_bytes = space.free_bytes.saturating_sub(usual_reserve(space.total_bytes));
    let days = free_bytes as f64 / per_day;
    let current =
        format!("{:.1} MiB a day, full in {days:.0} days if all is kept", per_day / f64::from(1 << 20));
    if days < GROWTH_DAYS {
        Finding::warn(ID, current, "more room, or --keep (docs/retention.md)")
    } else {
        Finding::pass(ID, current)
    }
}

/// Returns the bytes of journal between the beginnings of the oldest segment that tells its time and the newest, and the
/// microseconds that passed; nothing for less than an hour.
fn written(disk: &RealDisk) -> std::io::Result<Option<(u64, u64)>> {
    let mut numbers: Vec<u32> = disk.list()?.iter().filter_map(|name| segment::number_of(name)).collect();
    numbers.sort_unstable();
    let header = |number: u32| -> std::io::Result<Option<SegmentHeader>> {
        let file = disk.open(&segment::name(number), Access::Read)?;
        let mut bytes = vec![0; BLOCK_BYTES];
        loop {
            let read = file.read_at(&mut bytes, 0)?;
            match SegmentHeader::decode(&bytes[..read]) {
                Ok(HeaderLook::Header(header)) => return Ok(Some(header).filter(|header| header.time_us > 0)),
                Ok(HeaderLook::More(length)) if length > bytes.len() => bytes.resize(length, 0),
                Ok(HeaderLook::More(_)) | Err(_) => return Ok(None),
            }
        }
    };
    let first = |numbers: Vec<u32>| -> std::io::Result<Option<SegmentHeader>> {
        numbers.into_iter().take(LOOKED_AT).map(header).find_map(Result::transpose).transpose()
    };
    let newest_first = numbers.iter().rev().copied().collect();
    let (oldest, newest) = (first(numbers)?, first(newest_first)?);
    Ok(oldest.zip(newest).and_then(|(oldest, newest)| {
        let time_us =
            newest.time_us.checked_sub(oldest.time_us).filter(|time_us| *time_us >= GROWTH_US_MIN)?;
        let segments = u64::from(newest.number.saturating_sub(oldest.number));
        (segments > 0).then_some((segments * newest.segment_bytes, time_us))
    }))
}

/// Returns what `--disk-reserve auto` leaves to others on a disk of so many bytes.
fn usual_reserve(total_bytes: u64) -> u64 {
    (total_bytes / 20).max(1 << 30)
}

/// Times durable writes as the journal makes them, one block at a time: to an open file, through to the device.
fn probe(machine: &Machine, at: &Path) -> Finding {
    const ID: &str = "storage.sync";
    if !machine.is_live() {
        return Finding::skip(ID, "a copy of files has no disk");
    }
    let mut times = match measure(at) {
        Ok(times) => times,
        Err(error) => {
            return Finding::skip(
                ID,
                format!("can't write in {}: {error}; root would, or --data-dir", at.display()),
            );
        }
    };
    times.sort();
    let (half, high) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let current = format!("p50 {half:.0?}, p99 {high:.0?} of {} durable writes of 4 KiB", times.len());
    match (half, high) {
        (half, high) if half < Duration::from_millis(5) && high < Duration::from_millis(20) => {
            Finding::pass(ID, current)
        }
        (half, _) if half < Duration::from_millis(50) => {
            Finding::warn(ID, current, "p50 below 5 ms, p99 below 20 ms")
        }
        _ => Finding::fail(ID, current, "p50 below 5 ms: every write waits for this"),
    }
}

fn measure(at: &Path) -> std::io::Result<Vec<Duration>> {
    let disk = RealDisk::open(at)?;
    // A probe that was killed may have left its file.
    let _ = disk.remove(PROBE_NAME);
    let file = disk.create(PROBE_NAME, (PROBES * BLOCK_BYTES) as u64)?;
    let blocks = AlignedBuffer::zeroed(BLOCK_BYTES);
    let started = Instant::now();
    let mut times = Vec::with_capacity(PROBES);
    let mut outcome = Ok(());
    for number in 0..PROBES {
        let begun = Instant::now();
        outcome = file.write_durable_at(blocks.bytes(), (number * BLOCK_BYTES) as u64);
        times.push(begun.elapsed());
        if outcome.is_err() || started.elapsed() > PROBE_PATIENCE {
            break;
        }
    }
    disk.remove(PROBE_NAME)?;
    outcome.map(|()| times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{ClusterId, NodeId, Position};
    use crate::log::streams::Streams;

    const HOUR_US: u64 = 3_600_000_000;
    const SEGMENT_BYTES: u64 = 1 << 20;

    /// What is told of segments that began at these times, in their order.
    fn told(times: &[u64]) -> Option<(u64, u64)> {
        let directory = tempfile::tempdir().unwrap();
        for (number, time_us) in (1..).zip(times) {
            let header = SegmentHeader {
                number,
                cluster: ClusterId([1; 16]),
                node: NodeId(1),
                segment_bytes: SEGMENT_BYTES,
                previous_end: Position(0),
                synced: Position(0),
                time_us: *time_us,
                streams: Streams::default(),
            };
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            std::fs::write(directory.path().join(segment::name(number)), bytes).unwrap();
        }
        std::fs::write(directory.path().join(segment::name(times.len() as u32 + 1)), [0; BLOCK_BYTES])
            .unwrap();
        written(&RealDisk::open(directory.path()).unwrap()).unwrap()
    }

    #[test]
    fn the_journal_tells_how_fast_it_was_written() {
        // The first segment bears no time, and the last file is a spare.
        assert_eq!(told(&[0, HOUR_US, 2 * HOUR_US, 4 * HOUR_US]), Some((2 * SEGMENT_BYTES, 3 * HOUR_US)));
        assert_eq!(told(&[0, HOUR_US, HOUR_US + 5]), None, "too short a time");
        assert_eq!(told(&[0]), None);
    }
}
