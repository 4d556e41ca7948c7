//! Many seeds, on all cores.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::world::Tally;

/// Runs these seeds; returns what all of them did.
///
/// # Panics
/// Panics if some fail, and says by `how` what to type to see the first one.
pub fn run_all(seeds: Range<u64>, run: impl Fn(u64) -> Tally + Sync, how: impl Fn(u64) -> String) -> Tally {
    let next = AtomicU64::new(seeds.start);
    let outcome = Mutex::new((Tally::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let result = catch_unwind(AssertUnwindSafe(|| run(seed)));
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
    println!("{} seeds: {tally:?}", seeds.end - seeds.start);
    if let Some(&first) = failed.first() {
        panic!("{} seeds failed: {failed:?}; see one with {}", failed.len(), how(first));
    }
    tally
}
