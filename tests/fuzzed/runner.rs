//! Makes inputs and feeds them to a check. `FUZZ_SECONDS=N` goes on for so long instead of a few thousand inputs,
//! `FUZZ_SEED=N` makes others, `FUZZ_FIRST=N` begins with the one of that number, which a failure names.

use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::mutation;
use crate::seeds::Seeds;

/// Feeds `usual` inputs made of `seeds`, or as many as there is time for, and prints how many.
pub fn run(seeds: &Seeds, check: fn(&[u8]), usual: u64) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let (seed, first) = (number("FUZZ_SEED").unwrap_or(1), number("FUZZ_FIRST").unwrap_or(0));
    let (start, time) = (Instant::now(), number("FUZZ_SECONDS").map(Duration::from_secs));
    let mut at = first;
    while time.map_or(at < first + usual, |time| start.elapsed() < time) {
        let mut chance = Chance::new(seed.wrapping_mul(0x9E37_79B9).wrapping_add(at));
        let input = mutation::input(seeds, &mut chance);
        let _named = Named { input: &input, seed, at };
        check(&input);
        at += 1;
    }
    println!("{}: {} inputs in {} s", name(), at - first, start.elapsed().as_secs());
}

fn name() -> String {
    std::thread::current().name().unwrap_or("inputs").to_owned()
}

/// An input under check, which is printed if that panics.
struct Named<'i> {
    input: &'i [u8],
    seed: u64,
    at: u64,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, at, input) = (self.seed, self.at, self.input.escape_ascii());
            eprintln!("FUZZ_SEED={seed} FUZZ_FIRST={at} {}: b\"{input}\"", name());
        }
    }
}
