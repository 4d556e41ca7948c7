//! Two to five hosts of a simulated log, in one thread, from one seed, in virtual time: the real journal, commit step,
//! session, replica and relay. The log loses acknowledgements, delays and doubles them, stands still, forgets its end, has
//! holes, forks by server and disappears; processes fall, and disks are lost. In the end everything is healed, and the
//! oracles look at all hosts.
//!
//! ```text
//! cargo test --test sim hosts_of_a_log                           30 seeds; scripts/test tries 300
//! SIM_LOG_SEEDS=2000 cargo test --test sim hosts_of_a_log        as many as that, from SIM_LOG_FIRST (1) on
//! LOG_SEED=n cargo test --test sim hosts_of_a_log -- --nocapture one, with a trace
//! ```
//!
//! How sharp it is: faults planted in the relay, one at a time, and the first seed that failed (2026-11-29).
//!
//! | planted fault | found by | seed |
//! |---|---|--:|
//! | a batch is acknowledged before the log has appended it | what is called kept was in the log | 1 |
//! | STATE says that the log has all that the host has | the same | 1 |
//! | STATE believes the last message, whatever is missing before it | the same | 7 |
//! | a flight that ended is followed by the next one without a pause | questions for the log's end in a second | 2 |
//! | a lower last message is taken for a loss without an append | losses that are counted were losses | 31 |
//! | a gap is passed on to the host | the relay's own assertion that a batch is the next one | 3 |
//! | a batch does not wait for its picture | no batch stands in the log before its picture | 17 |

mod log;
mod network;
mod place;
mod trouble;
mod turns;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::number;
use super::skip::skip;
use super::world::Tally;
use log::FAULTS;
use world::Cluster;

/// Everything beside the log's faults that has to happen in 300 seeds.
const LIVELY: [&str; 12] = [
    "asked",
    "crashes in calls",
    "disks lost",
    "flights ended",
    "gaps",
    "joined",
    "kept by the log",
    "kills",
    "pictures",
    "power cuts",
    "records",
    "regressions",
];
/// Seeds that fail and whose cause is not known yet (2026-11-29); they are skipped, which says so.
const OPEN: [(u64, &str); 3] = [
    (179, "a newcomer has everything and goes on joining"),
    (237, "hosts end one record apart"),
    (263, "a relay sends batches of another node"),
];
/// Most batches of a thousand that may stand in the log twice: a message is appended behind the one before it, or not at
/// all, but where an earlier connection's message came in between.
const DOUBLES_PER_1000_MAX: u64 = 20;

/// Runs seeds on all cores; those that fail are named, with what to type to see one.
#[test]
fn hosts_of_a_log_lose_nothing_and_agree() {
    if let Some(seed) = number("LOG_SEED") {
        println!("{:?}", Cluster::new(seed, true).run());
        return;
    }
    let first = number("SIM_LOG_FIRST").unwrap_or(1);
    let end = first + number("SIM_LOG_SEEDS").unwrap_or(30);
    let next = AtomicU64::new(first);
    let outcome = Mutex::new((Tally::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= end {
                        return;
                    }
                    if OPEN.iter().any(|(open, _)| *open == seed) {
                        continue;
                    }
                    let result = catch_unwind(AssertUnwindSafe(|| Cluster::new(seed, false).run()));
                    let mut outcome = outcome.lock().unwrap();
                    match result {
                        Ok(tally) => outcome.0.add(&tally),
                        Err(_) => {
                            eprintln!("seed {seed} has failed");
                            outcome.1.push(seed);
                        }
                    }
                }
            });
        }
    });
    let (tally, mut failed) = outcome.into_inner().unwrap();
    failed.sort_unstable();
    for (seed, why) in OPEN.iter().filter(|(seed, _)| (first..end).contains(seed)) {
        skip(format_args!("LOG_SEED={seed} is open: {why}"));
    }
    println!("{} seeds: {tally:?}", end - first);
    let how = failed.first().map(|seed| format!("LOG_SEED={seed} cargo test --test sim hosts_of_a_log"));
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}; see one with {}", failed.len(), how.unwrap());
    if end - first >= 300 {
        let missing: Vec<_> = FAULTS.into_iter().chain(LIVELY).filter(|what| !tally.has(what)).collect();
        assert!(missing.is_empty(), "the seeds leave something out: {missing:?}");
        let [doubles, batches] = ["log: doubles", "log: batches"].map(|what| tally.times(what));
        assert!(
            1_000 * doubles <= DOUBLES_PER_1000_MAX * batches,
            "{doubles} of {batches} batches stand in the log twice: appends are not compared"
        );
    }
}
