//! Two to five hosts of a simulated log, in one thread, from one seed, in virtual time: the real journal, commit step,
//! session, replica and relay. The log loses acknowledgements, delays and doubles them, stands still, forgets its end, has
//! holes, forks by server and disappears; processes fall, and disks are lost. In a quarter of the seeds it is a bucket, which
//! answers late, leaves puts unanswered, and forks nowhere. In the end everything is healed, and the oracles look at all hosts.
//!
//! ```text
//! cargo test --test sim hosts_of_a_log                           30 seeds; scripts/test tries 300
//! SIM_LOG_SEEDS=2000 cargo test --test sim hosts_of_a_log        as many as that, from SIM_LOG_FIRST (1) on
//! LOG_SEED=n cargo test --test sim hosts_of_a_log -- --nocapture one, with a trace
//! ```
//!
//! How sharp it is: faults planted in the relay (in the log: that it does not compare), one at a time, and the first seed that failed
//! (2026-11-30, commit 8f91299). Any change of what is drawn by chance gives a seed another run.
//!
//! | planted fault | found by | seed |
//! |---|---|--:|
//! | a batch is acknowledged before the log has appended it | what is called kept was in the log | 1 |
//! | STATE says that the log has all that the host has | the same | 1 |
//! | the log appends behind any message | few batches stand in the log twice | 120 together |
//! | a flight that ended is followed by the next one without a pause | questions for the log's end in a second | 12 |
//! | a lower last message is taken for a loss without an append | losses that are counted were losses | 4 |
//! | a gap is passed on to the host | the relay's own assertion that a batch is the next one | 1 |
//! | a batch does not wait for its picture | no batch stands in the log before its picture | 9 |
//! | a word about ends does not wait for what its host had | all canvases are equal | 463 |

mod log;
mod network;
mod place;
mod seats;
mod trouble;
mod turns;
mod world;

use super::number;
use super::seeds;
use log::FAULTS;
use world::Cluster;

/// Everything beside the log's faults that has to happen in 120 seeds.
const LIVELY: [&str; 13] = [
    "asked",
    "crashes in calls",
    "disks lost",
    "flights ended",
    "gaps",
    "in a bucket",
    "joined",
    "kept by the log",
    "kills",
    "pictures",
    "power cuts",
    "records",
    "regressions",
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
    let run = |seed| Cluster::new(seed, false).run();
    let how = |seed| format!("LOG_SEED={seed} cargo test --test sim hosts_of_a_log");
    let tally = seeds::run_all(first..end, run, how);
    if end - first >= 120 {
        let missing: Vec<_> = FAULTS.into_iter().chain(LIVELY).filter(|what| !tally.has(what)).collect();
        assert!(missing.is_empty(), "the seeds leave something out: {missing:?}");
        let [doubles, batches] = ["log: doubles", "log: batches"].map(|what| tally.times(what));
        assert!(
            1_000 * doubles <= DOUBLES_PER_1000_MAX * batches,
            "{doubles} of {batches} batches stand in the log twice: appends are not compared"
        );
    }
}

/// A run in which little goes wrong is no proof, so it must not count as one.
#[test]
#[should_panic(expected = "fewer than half of the log's faults have occurred")]
fn a_run_without_most_of_the_faults_counts_as_failed() {
    let mut cluster = Cluster::new(1, false);
    cluster.log.weather.often = 0;
    cluster.run();
}
