//! An allowance for each client's address, in memory that does not grow with their number.
//!
//! An allowance is looked for in the eight places that the hash of its address leads to. Where all are taken, it takes the place of
//! the one that is the nearest to being full, about which the least is lost: whoever asks too often keeps his among any
//! number of others.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::base::rate::{Drawn, Rate};

/// Places that an address may have.
const WAYS: usize = 8;
/// Groups of places below one lock.
const GROUPS: usize = 512;
/// Locks, so that workers seldom meet. With them there are 262,144 allowances of 16 bytes: 4 MiB.
const SHARDS: usize = 64;

#[derive(Clone, Copy, Default)]
struct Allowance {
    /// The hash of the address; 0 for a place that nobody has had.
    hash: u64,
    full_us: u64,
}

/// The allowances of all clients.
pub struct Allowances {
    shards: Box<[Mutex<Box<[Allowance]>>]>,
    /// Nobody outside knows which addresses share places.
    hasher: RandomState,
}

impl Default for Allowances {
    fn default() -> Self {
        let shard = |_| Mutex::new(vec![Allowance::default(); GROUPS * WAYS].into_boxed_slice());
        Self { shards: (0..SHARDS).map(shard).collect(), hasher: RandomState::new() }
    }
}

impl std::fmt::Debug for Allowances {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Allowances")
    }
}

impl Allowances {
    /// Draws one request of the client at `address`, at `now_us` of the server's clock; gives how many microseconds to wait if
    /// its allowance is empty.
    ///
    /// # Errors
    /// Returns that time.
    pub fn draw(&self, address: IpAddr, rate: Rate, now_us: u64) -> Result<(), u64> {
        let hash = self.hasher.hash_one(client_of(address)).max(1);
        let (shard, group) = (hash as usize % SHARDS, hash as usize / SHARDS % GROUPS);
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let places = &mut shard[group * WAYS..][..WAYS];
        let at = places.iter().position(|allowance| allowance.hash == hash);
        // One that is not known is full.
        let full_us = at.map_or(0, |at| places[at].full_us);
        match rate.draw(full_us, now_us) {
            Drawn::Empty(wait_us) => Err(wait_us),
            Drawn::Taken(full_us) => {
                let fullest = || places.iter().enumerate().min_by_key(|(_, allowance)| allowance.full_us);
                let at = at.or_else(|| fullest().map(|(at, _)| at)).unwrap_or(0);
                places[at] = Allowance { hash, full_us };
                Ok(())
            }
        }
    }
}

/// Returns what is taken for one client: an IPv4 address, or the network of 64 bits of an IPv6 address, which one customer has to
/// himself.
#[must_use]
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_network_of_64_bits_is_one_client_and_an_embedded_address_is_its_own() {
        let of = |text: &str| client_of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
        assert_ne!(of("::1"), of("0.0.0.1"));
    }

    /// Ten million addresses ask once or twice; one of them asks on and on.
    #[test]
    fn ten_million_addresses_take_no_more_memory_and_hide_nobody() {
        let (allowances, rate) = (Allowances::default(), Rate::parse("1/m:2").expect("a rate"));
        let size =
            || allowances.shards.iter().map(|shard| shard.lock().expect("a lock").len()).sum::<usize>();
        let greedy = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
        let mut let_in = 0;
        for number in 0..10_000_000_u32 {
            // A millisecond for a hundred requests: the flood takes 100 s.
            let now_us = u64::from(number) * 10;
            let address = if number % 2 == 0 {
                IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number) << 64 | 1))
            };
            assert_eq!(allowances.draw(address, rate, now_us), Ok(()), "a first request");
            if number % 1_000 == 0 {
                let_in += u32::from(allowances.draw(greedy, rate, now_us).is_ok());
            }
        }
        assert_eq!(let_in, 3, "two at once, and one in the minute that followed");
        assert_eq!(size(), 262_144);
        assert_eq!(size() * size_of::<Allowance>(), 4 << 20);
    }
}
