//! How many connections each client's address has.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::allowances::client_of;

/// Locks, so that workers seldom meet.
const SHARDS: usize = 16;

/// The connections of each address. Only those are here that have one, so there are no more than connections.
#[derive(Default)]
pub struct Crowd {
    shards: [Mutex<HashMap<IpAddr, u32>>; SHARDS],
    hasher: RandomState,
}

impl Crowd {
    /// Counts a connection of this client, unless it has `most` already; gives whether it was counted.
    #[must_use]
    pub fn enter(&self, address: IpAddr, most: u32) -> bool {
        let client = client_of(address);
        let mut shard = self.shard(client);
        let connections = shard.get(&client).copied().unwrap_or(0);
        if connections < most {
            shard.insert(client, connections + 1);
        }
        connections < most
    }

    /// Counts one less, which was counted before.
    pub fn leave(&self, address: IpAddr) {
        let client = client_of(address);
        let mut shard = self.shard(client);
        match shard.get_mut(&client) {
            Some(connections) if *connections > 1 => *connections -= 1,
            _ => drop(shard.remove(&client)),
        }
    }

    fn shard(&self, client: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        let at = self.hasher.hash_one(client) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_connections_and_nothing_is_left_of_them() {
        let crowd = Crowd::default();
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let near_b: IpAddr = "2001:db8::2".parse().unwrap();
        assert!(crowd.enter(a, 2) && crowd.enter(a, 2) && !crowd.enter(a, 2));
        assert!(crowd.enter(b, 1) && !crowd.enter(near_b, 1), "one network");
        crowd.leave(a);
        assert!(crowd.enter(a, 2) && !crowd.enter(a, 2));
        [a, a, b].into_iter().for_each(|address| crowd.leave(address));
        assert!(crowd.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
