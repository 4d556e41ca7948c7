//! Changes an input by chance.

use crate::chance::Chance;
use crate::seeds::Seeds;

/// Most bytes of an input.
pub const INPUT_BYTES_MAX: usize = 3_000;

/// Bytes that readers look for.
const BYTES: &[u8] =
    b"\0\t\n\x0b\x0c\r \"#$%&'()*+,-./0179:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xbb\xbf\xc3\xef\xff";

/// Returns an input made of one of the seeds, or seldom of two.
pub fn input(seeds: &Seeds, chance: &mut Chance) -> Vec<u8> {
    let mut input = pick(seeds.inputs, chance).to_vec();
    if chance.once_in(8) {
        let other = pick(seeds.inputs, chance);
        let (end, start) = (index(input.len(), chance), index(other.len(), chance));
        input.truncate(end);
        input.extend_from_slice(&other[start..]);
    }
    // Now and then as it is: sound inputs are read too.
    for _ in 0..chance.below(6) {
        change(&mut input, seeds, chance);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, seeds: &Seeds, chance: &mut Chance) {
    let at = index(input.len(), chance);
    let end = (at + chance.below(8) as usize).min(input.len());
    match chance.below(9) {
        0 => flip(input, at, chance),
        1 => {
            input.splice(at..at, [pick_byte(chance)]);
        }
        2 => set(input, at, pick_byte(chance)),
        3 => set(input, at, chance.next() as u8),
        4 => drop(input.drain(at..end)),
        5 => input.truncate(at),
        6 => {
            let part = input[at..end].to_vec();
            let copies_max = if chance.once_in(10) { 300 } else { 3 };
            let copies = 1 + chance.below(copies_max) as usize;
            input.splice(at..at, part.repeat(copies));
        }
        // A word in the place of as many bytes, or between them.
        7 => {
            let word = pick(seeds.words, chance);
            let end = (at + word.len()).min(input.len());
            input.splice(at..end, word.iter().copied());
        }
        _ => {
            input.splice(at..at, pick(seeds.words, chance).iter().copied());
        }
    }
}

fn flip(input: &mut [u8], at: usize, chance: &mut Chance) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << chance.below(8);
    }
}

fn set(input: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte = value;
    }
}

fn pick_byte(chance: &mut Chance) -> u8 {
    BYTES[chance.below(BYTES.len() as u64) as usize]
}

fn pick<'s>(from: &[&'s [u8]], chance: &mut Chance) -> &'s [u8] {
    from[chance.below(from.len() as u64) as usize]
}

/// A place from 0 to `length`.
fn index(length: usize, chance: &mut Chance) -> usize {
    chance.below(length as u64 + 1) as usize
}
