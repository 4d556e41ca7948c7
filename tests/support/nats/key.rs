//! Keys of users of NATS, as `nk -gen user` makes them.

use std::fs::File;
use std::io::Read;

use ring::signature::{Ed25519KeyPair, KeyPair};

/// The first byte of the public half of a user's key: its letter is U.
const USER: u8 = 20 << 3;
/// The first byte of a secret half: its letter is S.
const SEED: u8 = 18 << 3;

/// A key of a user: the secret half (`SU...`) and the public one (`U...`).
pub struct Key {
    pub seed: String,
    pub public: String,
}

impl Key {
    /// Makes another one.
    pub fn new() -> Self {
        let mut secret = [0; 32];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut secret)).expect("random bytes");
        let pair = Ed25519KeyPair::from_seed_unchecked(&secret).expect("32 bytes are a seed");
        // The letter of the kind of key follows on that of a seed.
        let seed = text(&[&[SEED | USER >> 5, (USER & 31) << 3], &secret[..]].concat());
        Self { seed, public: text(&[&[USER], pair.public_key().as_ref()].concat()) }
    }
}

/// Bytes and their checksum in base 32.
fn text(bytes: &[u8]) -> String {
    let all = [bytes, &checksum(bytes).to_le_bytes()].concat();
    let (mut text, mut rest, mut bits) = (String::new(), 0_u32, 0);
    for byte in all {
        (rest, bits) = (rest << 8 | u32::from(byte), bits + 8);
        while bits >= 5 {
            bits -= 5;
            text.push(letter(rest >> bits));
        }
    }
    if bits > 0 {
        text.push(letter(rest << (5 - bits)));
    }
    text
}

fn letter(five: u32) -> char {
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(five & 31) as usize].into()
}

/// CRC-16 of XMODEM.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc: u16, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}
