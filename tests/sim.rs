//! Two hosts in one thread, from one seed, in virtual time: the real journal, commit step, session, replica and
//! applications, over disks that lose what was not synced and a network that cuts, delays, doubles, reorders, tears and
//! falsifies. Segments go, disks are lost, and newcomers take what the other host still has, pictures too. In the end
//! everything is healed, and the oracles look at both.
//!
//! ```text
//! cargo test --test sim                      1,000 seeds
//! SIM_SEEDS=20000 cargo test --test sim      as many as that, from SIM_FIRST (1) on
//! SEED=n cargo test --test sim -- --nocapture     one, with a trace
//! ```

#[path = "sim/chance.rs"]
mod chance;
#[path = "sim/host.rs"]
mod host;
#[path = "sim/oracle.rs"]
mod oracle;
#[path = "sim/pictures.rs"]
mod pictures;
mod sim_disk;
#[path = "sim/wire.rs"]
mod wire;
#[path = "sim/world/mod.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use world::{Tally, World};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: no number: {text}")))
}

fn run(seed: u64, is_traced: bool) -> Tally {
    World::new(seed, is_traced).run()
}

/// Runs seeds on all cores; the first failing ones are named, with what to type to see one.
#[test]
fn two_hosts_lose_nothing_and_agree() {
    if let Some(seed) = number("SEED") {
        println!("{:?}", run(seed, true));
        return;
    }
    let first = number("SIM_FIRST").unwrap_or(1);
    let end = first + number("SIM_SEEDS").unwrap_or(1_000);
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
                    let result = catch_unwind(AssertUnwindSafe(|| run(seed, false)));
                    let mut outcome = outcome.lock().unwrap();
                    match result {
                        Ok(tally) => outcome.0.add(&tally),
                        Err(_) => {
                            // At once, since many more may follow.
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
    println!("{} seeds: {tally:?}", end - first);
    let how = failed.first().map(|seed| format!("SEED={seed} cargo test --test sim -- --nocapture"));
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}; see one with {}", failed.len(), how.unwrap());
    // A simulation in which nothing happens proves nothing.
    if end - first >= 1_000 {
        assert!(tally.missing().is_empty(), "the seeds leave something out: {:?}", tally.missing());
    }
}
