//! Two hosts in two network namespaces: cut apart under load, and healed. Needs root and `ip` and `nft`; skipped with a
//! word where they are not.

use crate::process;

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::skip::skip;
use process::pair::Pair;
use process::pixeld;

/// How long the cut lasts, unless PIXELD_TEST_CUT_SECONDS says another time.
const CUT: Duration = Duration::from_secs(10);
/// What the two may take to be the same again, for 100,000 records by which they differ; generous, since the machine
/// may be busy. `bench/two-hosts` measures it.
const HEAL_PER_100_000: Duration = Duration::from_secs(5);
/// Besides, for finding each other again and a busy machine.
const HEAL_BASE: Duration = Duration::from_secs(20);

fn cut() -> Duration {
    let seconds = std::env::var("PIXELD_TEST_CUT_SECONDS").ok().and_then(|text| text.parse().ok());
    seconds.map_or(CUT, Duration::from_secs)
}

fn run(line: &str) -> Option<Output> {
    let mut words = line.split(' ');
    let output = Command::new(words.next()?).args(words).output().ok()?;
    output.status.success().then_some(output)
}

/// Two namespaces with a wire between them; removed when dropped.
struct Wire {
    names: [String; 2],
}

const ADDRESSES: [&str; 2] = ["10.213.7.1", "10.213.7.2"];

impl Wire {
    fn new() -> Option<Self> {
        let id = std::process::id();
        let names = [format!("pixeld-a-{id}"), format!("pixeld-b-{id}")];
        let wire = Self { names };
        let [a, b] = &wire.names;
        let made = [
            format!("ip netns add {a}"),
            format!("ip netns add {b}"),
            format!("ip -n {a} link add pixeld0 type veth peer name pixeld0 netns {b}"),
            format!("ip -n {a} addr add {}/24 dev pixeld0", ADDRESSES[0]),
            format!("ip -n {b} addr add {}/24 dev pixeld0", ADDRESSES[1]),
            format!("ip -n {a} link set pixeld0 up"),
            format!("ip -n {b} link set pixeld0 up"),
            format!("ip -n {a} link set lo up"),
            format!("ip -n {b} link set lo up"),
            format!("ip netns exec {a} nft add table inet pixeld"),
            format!(
                "ip netns exec {a} nft add chain inet pixeld wire {{ type filter hook input priority 0 ; }}"
            ),
            format!(
                "ip netns exec {a} nft add chain inet pixeld out {{ type filter hook output priority 0 ; }}"
            ),
        ];
        made.iter().all(|line| run(line).is_some()).then_some(wire)
    }

    /// Lets nothing through any more, as a cable that was pulled: no reset, no answer.
    fn cut(&self) {
        let a = &self.names[0];
        for line in [
            format!("ip netns exec {a} nft add rule inet pixeld wire iifname pixeld0 drop"),
            format!("ip netns exec {a} nft add rule inet pixeld out oifname pixeld0 drop"),
        ] {
            run(&line).expect("a rule");
        }
    }

    fn heal(&self) {
        run(&format!("ip netns exec {} nft flush table inet pixeld", self.names[0])).expect("no rules");
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for name in &self.names {
            run(&format!("ip netns del {name}"));
        }
    }
}

/// A server in a namespace; killed when dropped.
struct Inside {
    child: std::process::Child,
    name: String,
    address: SocketAddr,
}

impl Inside {
    fn start(wire: &Wire, at: usize, pair: &Pair) -> Self {
        let (own, peer) = if at == 0 { (&pair.a, &pair.b) } else { (&pair.b, &pair.a) };
        let (here, there) = (ADDRESSES[at], ADDRESSES[1 - at]);
        let address: SocketAddr = "127.0.0.1:8000".parse().expect("an address");
        let program = pixeld(&[]);
        let mut inside = Command::new("ip");
        // The settings of this test are no settings of the server's, which would refuse them.
        for (name, _) in program.get_envs() {
            inside.env_remove(name);
        }
        let child = inside
            .args(["netns", "exec", &wire.names[at]])
            .arg(program.get_program())
            .args(["serve", "--listen", &address.to_string(), "--workers", "1", "--disk-reserve", "1MiB"])
            .args(["--peer-listen", &format!("{here}:9000"), "--peer", &format!("{there}:9000")])
            .args(["--peer-key", &peer.key, "--data-dir"])
            .arg(&own.data_dir)
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("ip starts");
        Self { child, name: wire.names[at].clone(), address }
    }

    /// Runs `curl` inside; a process for each question, since a test's own sockets are outside.
    fn ask(&self, path: &str) -> Option<String> {
        let url = format!("http://{}{path}", self.address);
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name, "curl", "-s", "--max-time", "30"])
            .args(["-H", "Accept: application/x-ndjson", &url])
            .output()
            .ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn count(&self) -> u64 {
        let text = self.ask("/pixels/count").unwrap_or_default();
        text.bytes().filter(u8::is_ascii_digit).fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    }

    fn is_connected(&self) -> bool {
        self.ask("/health").is_some_and(|text| text.contains("\"connected\""))
    }

    /// Posts batches of pixels that nobody else posts until `stop`; gives how many were acknowledged.
    fn load(&self, y: i32, next: &AtomicI32, stop: &AtomicBool) -> u64 {
        let mut acked = 0;
        while !stop.load(Ordering::Relaxed) {
            let from = next.fetch_add(500, Ordering::Relaxed);
            let lines: Vec<String> =
                (from..from + 500).map(|x| process::client::pixel(x, y, 'B', 3)).collect();
            let url = format!("http://{}/pixels", self.address);
            let output = Command::new("ip")
                .args(["netns", "exec", &self.name, "curl", "-s", "--max-time", "30"])
                .args(["-H", "Content-Type: application/x-ndjson", "--data-binary", &lines.join("\n"), &url])
                .output()
                .expect("curl");
            if String::from_utf8_lossy(&output.stdout).contains("\"accepted\":500") {
                acked += 500;
            }
        }
        acked
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn await_that(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < within, "{what} did not come within {within:?}");
        thread::sleep(Duration::from_millis(50));
    }
    started.elapsed()
}

#[test]
fn a_cut_under_load_heals() {
    let pair = Pair::found();
    let Some(wire) = Wire::new() else {
        skip("network namespaces can't be made here (root, ip and nft are needed)");
        return;
    };
    let (a, b) = (Inside::start(&wire, 0, &pair), Inside::start(&wire, 1, &pair));
    await_that("a connection", process::PATIENCE, || a.is_connected() && b.is_connected());
    let (stop, next) = (AtomicBool::new(false), AtomicI32::new(0));
    let (acked, diverged) = thread::scope(|scope| {
        let loads = [scope.spawn(|| a.load(1, &next, &stop)), scope.spawn(|| b.load(2, &next, &stop))];
        await_that("a load", process::PATIENCE, || a.count() > 1000 && b.count() > 1000);
        wire.cut();
        thread::sleep(cut());
        stop.store(true, Ordering::Relaxed);
        let acked: u64 = loads.map(|load| load.join().expect("no panic")).iter().sum();
        (acked, 2 * acked - a.count() - b.count())
    });
    assert!(diverged > 0, "the cut was none");
    assert!(!a.is_connected() || cut() < Duration::from_secs(6), "a silent peer is found to be gone");
    wire.heal();
    let within = HEAL_BASE + HEAL_PER_100_000 * u32::try_from(diverged.div_ceil(100_000)).expect("a few");
    let took = await_that("the same number", within, || a.count() == acked && b.count() == acked);
    println!("{diverged} records of difference were gone {took:?} after the cut was healed");
    let sorted = |server: &Inside| {
        let mut lines: Vec<String> =
            server.ask("/pixels").expect("a list").lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let all = sorted(&a);
    assert!(all == sorted(&b), "the same set on both");
    assert!(all.windows(2).all(|two| two[0] != two[1]), "nothing is there twice");
}
