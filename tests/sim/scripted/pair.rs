//! Two real hosts, turn by turn: started, connected, and let to exchange what they have.

use pixeld::base::durability::Durability;
use pixeld::base::ids::{Inc, NodeId};

use super::super::host::Up;
use super::super::sim_disk::{Fall, SimDisk};
use super::WALL_US;

pub const NODES: [NodeId; 2] = [NodeId(1), NodeId(2)];

pub struct Pair {
    pub disks: [SimDisk; 2],
    pub now_us: u64,
    pub nonce: u64,
}

impl Pair {
    /// Two disks with nothing on them.
    pub fn new() -> Self {
        Self { disks: [SimDisk::new(), SimDisk::new()], now_us: 0, nonce: 0 }
    }

    pub fn start(&self) -> [Up; 2] {
        [0, 1].map(|host| {
            // A number of its own for each start, though it is drawn by chance elsewhere.
            let inc = Inc(self.nonce);
            Up::start(&self.disks[host], NODES[host], inc, Durability::Disk).expect("it starts")
        })
    }

    /// Everything falls, and what was written is left.
    pub fn fall(&mut self, hosts: [Up; 2]) {
        drop(hosts);
        self.disks = self.disks.each_ref().map(|disk| disk.fall_for_good(Fall::Kill));
    }

    /// One life of both: they meet, log something, and exchange all they have.
    pub fn live(&mut self, records: &[u8]) -> [Up; 2] {
        self.nonce += 1;
        let mut hosts = self.start();
        for host in &mut hosts {
            host.connect(self.nonce, WALL_US, self.now_us);
            host.log(records, WALL_US + self.now_us);
        }
        let mut quiet = 0;
        while quiet < 3 {
            quiet = if self.exchange(&mut hosts) { 0 } else { quiet + 1 };
        }
        hosts
    }

    /// One turn of all threads of both; whether anything happened.
    fn exchange(&mut self, hosts: &mut [Up; 2]) -> bool {
        self.now_us += 3_000;
        let (now_us, wall_us, mut is_busy) = (self.now_us, WALL_US + self.now_us, false);
        for host in 0..2 {
            let replica = hosts[host].replica.as_mut().expect("connected");
            replica.turn(now_us);
            let said = replica.output().to_vec();
            replica.sent(said.len());
            assert!(replica.closed().is_none(), "{:?}", replica.closed());
            let other = &mut hosts[1 - host];
            let replica = other.replica.as_mut().expect("connected");
            replica.receive(&said, now_us);
            replica.turn(now_us);
            other.commit_arrived(wall_us);
            is_busy |= !said.is_empty();
        }
        for host in hosts.iter_mut() {
            while host.has_step() {
                is_busy = true;
                if host.prepare(wall_us) {
                    host.finish().expect("a disk that works");
                }
            }
            host.keep_files(wall_us).expect("a disk that works");
            is_busy |= host.has_step();
        }
        is_busy
    }
}
