//! Two real hosts, turn by turn: started, connected, and let to exchange what they have.

use pixeld::base::durability::Durability;
use pixeld::base::ids::{Inc, NodeId};

use super::super::host::{Fatal, Up};
use super::super::sim_disk::{Fall, SimDisk};
use super::WALL_US;

pub const NODES: [NodeId; 2] = [NodeId(1), NodeId(2)];

/// Turns after which what is waited for is not coming.
const TURNS_MAX: usize = 10_000;

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

    /// The same two as they are, on disks of their own; neither runs.
    pub fn copy(&self) -> Self {
        Self { disks: self.disks.each_ref().map(SimDisk::copy), ..*self }
    }

    /// Starts one of two again, on what a fall has left of its disk.
    pub fn restart(&mut self, hosts: &mut [Up; 2], fallen: usize, fall: Fall) {
        self.disks[fallen] = self.disks[fallen].fall_for_good(fall);
        let inc = Inc(self.nonce + 1);
        hosts[fallen] =
            Up::start(&self.disks[fallen], NODES[fallen], inc, Durability::Disk).expect("it starts");
    }

    /// Gives both a new connection.
    pub fn connect(&mut self, hosts: &mut [Up; 2]) {
        self.nonce += 1;
        hosts.iter_mut().for_each(|host| host.connect(self.nonce, WALL_US, self.now_us));
    }

    /// One life of both: they meet, log something, and exchange all they have.
    pub fn live(&mut self, records: &[u8]) -> [Up; 2] {
        let mut hosts = self.meet();
        for host in &mut hosts {
            host.log(records, self.wall_us());
        }
        assert!(self.settle(&mut hosts), "a disk that works");
        hosts
    }

    /// Both start, and are connected.
    pub fn meet(&mut self) -> [Up; 2] {
        self.nonce += 1;
        let mut hosts = self.start();
        for host in &mut hosts {
            host.connect(self.nonce, WALL_US, self.now_us);
        }
        hosts
    }

    pub fn wall_us(&self) -> u64 {
        WALL_US + self.now_us
    }

    /// Has them exchange until nothing is left to be said; false as soon as one of them has come down.
    pub fn settle(&mut self, hosts: &mut [Up; 2]) -> bool {
        let mut quiet = 0;
        while quiet < 3 && !self.has_fallen() {
            quiet = if self.exchange(hosts) { 0 } else { quiet + 1 };
        }
        !self.has_fallen()
    }

    /// Has them exchange until `done`.
    pub fn await_that(&mut self, what: &str, hosts: &mut [Up; 2], mut done: impl FnMut(&[Up; 2]) -> bool) {
        let mut turns = 0;
        while !done(hosts) {
            self.exchange(hosts);
            turns += 1;
            assert!(turns < TURNS_MAX, "{what} did not come");
        }
    }

    fn has_fallen(&self) -> bool {
        self.disks.iter().any(SimDisk::is_down)
    }

    /// One turn of all threads of both; whether anything happened. One whose disk comes down does nothing more.
    fn exchange(&mut self, hosts: &mut [Up; 2]) -> bool {
        self.now_us += 3_000;
        let (now_us, wall_us, mut is_busy) = (self.now_us, self.wall_us(), false);
        for host in 0..2 {
            if self.has_fallen() {
                return true;
            }
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
        for (host, disk) in hosts.iter_mut().zip(&self.disks) {
            let has_worked = |outcome: Result<(), Fatal>| match outcome {
                Ok(()) => true,
                Err(error) => {
                    assert!(disk.is_down(), "{error}");
                    false
                }
            };
            while !disk.is_down() && host.has_step() {
                is_busy = true;
                if host.prepare(wall_us) && !has_worked(host.finish()) {
                    break;
                }
            }
            if !disk.is_down() {
                has_worked(host.keep_files(wall_us));
                is_busy |= host.has_step();
            }
        }
        is_busy
    }
}
