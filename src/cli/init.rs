//! `pixeld init`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::CliError;
use crate::base::fingerprint::hex;
use crate::base::ids::ClusterId;
use crate::base::limits::{BLOCK_BYTES, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN};
use crate::base::units;
use crate::engine::lifecycle::founding::{self, FoundError, Known};
use crate::engine::lifecycle::inviting::{self, NoToken, Token};
use crate::os::address::Address;
use crate::os::clock::wall_us;
use crate::os::output;

/// The longest time for which an invitation is good, milliseconds.
const VALID_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// Make a data directory's identity and key, for hosts that share their data
///
/// `pixeld serve` makes a data directory by itself, so a single host does not need this. Two hosts
/// are paired by an invitation (--invite on the first, --accept on the other), or by hand: give the second host the first one's
/// cluster id, and each host the other one's key. Hosts that share a log need only the first host's cluster id, and no keys.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The data directory; made if there is none, otherwise it must be empty
    #[arg(short, long, value_name = "DIR", env = "PIXELD_DATA_DIR", default_value = "./pixeld-data")]
    data_dir: PathBuf,
    /// Join this cluster: the cluster_id that the first host has
    #[arg(long, value_name = "CLUSTER_ID", value_parser = cluster, conflicts_with = "show", env = "PIXELD_JOIN")]
    join: Option<(ClusterId, u64)>,
    /// Invite one other host, which dials this one at ADDR; print the invitation, a secret that is good for one use. The directory
    /// is made if there is none; a server may run on it, which needs --peer-listen
    #[arg(long, value_name = "ADDR", value_parser = address, conflicts_with_all = ["show", "mend", "join", "accept", "if_missing"])]
    invite: Option<Address>,
    /// How long the invitation is valid
    #[arg(long, value_name = "DURATION", value_parser = valid, requires = "invite", default_value = "1h")]
    valid: Duration,
    /// Join the host that has made this invitation; `pixeld serve` needs nothing more to find it
    #[arg(long, value_name = "INVITATION", value_parser = token, conflicts_with_all = ["show", "mend", "join"])]
    #[arg(env = "PIXELD_ACCEPT", hide_env_values = true)]
    accept: Option<Token>,
    /// Succeed and change nothing if the directory has an identity already, of the cluster to join if one is named: for a
    /// command that runs before each start
    #[arg(long, conflicts_with_all = ["show", "mend"])]
    if_missing: bool,
    /// Rebuild the file identity from the segments, if it is damaged or missing
    #[arg(long, conflicts_with_all = ["show", "join", "segment_size"])]
    mend: bool,
    /// Size of a journal segment [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = segment_size, conflicts_with = "show")]
    segment_size: Option<u64>,
    /// Change nothing and print a directory's ids and key, or one of them; a server may be running on it
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "all")]
    show: Option<What>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum What {
    All,
    ClusterId,
    NodeId,
    Key,
}

const AFTER: &str = "\
Two hosts on one machine, to try it:
  pixeld init -d b \\
    --accept $(pixeld init -d a --invite 127.0.0.1:9001)
  pixeld serve -d a -l 127.0.0.1:8001 --peer-listen 127.0.0.1:9001 &
  pixeld serve -d b -l 127.0.0.1:8002 &

The same by keys, which each host is told:
  pixeld init -d a
  pixeld init -d b \\
    --join $(pixeld init -d a --show cluster_id)
  pixeld serve -d a -l 127.0.0.1:8001 \\
    --peer-listen 127.0.0.1:9001 \\
    --peer 127.0.0.1:9002 \\
    --peer-key $(pixeld init -d b --show key) &
  pixeld serve -d b -l 127.0.0.1:8002 \\
    --peer-listen 127.0.0.1:9002 \\
    --peer 127.0.0.1:9001 \\
    --peer-key $(pixeld init -d a --show key) &

Three hosts on one machine that share a log, NATS JetStream (its servers: scripts/nats/trial, docs/cluster.md):
  pixeld init -d a
  for host in b c; do
    pixeld init -d $host --join $(pixeld init -d a --show cluster_id)
  done
  export PIXELD_LOG=127.0.0.1:4221,127.0.0.1:4222,127.0.0.1:4223
  pixeld serve -d a -l 127.0.0.1:8001 &
  pixeld serve -d b -l 127.0.0.1:8002 &
  pixeld serve -d c -l 127.0.0.1:8003 &

A host that has run alone gets a second one in the same way: its cluster_id and key are those that --show prints, the \
second host joins with an empty directory and takes everything over, and the first is started again with --peer. A second \
host that is lost is replaced in the same way too: only the new one's key has to be told to the other.

The private key is in the file peer.key of the directory, readable for its owner only.

Exit: 0 done, 1 it failed and nothing was changed, 2 usage.";

/// Reads a cluster id as [`cluster_id`] writes it.
fn cluster(text: &str) -> Result<(ClusterId, u64), String> {
    let wanted = "32 hexadecimal digits, and 16 more behind a - after a restore, as `pixeld init --show cluster_id` prints them on \
                  the first host";
    let (cluster, lineage) = text.split_once('-').unwrap_or((text, "0000000000000000"));
    let read = hex(cluster).map(ClusterId).zip(hex(lineage).map(u64::from_be_bytes));
    read.ok_or_else(|| wanted.to_owned())
}

fn address(text: &str) -> Result<Address, String> {
    // Whoever is invited dials it.
    let can_be_dialed = |address: &Address| address.literal().is_none_or(|literal| literal.port() > 0);
    Address::parse(text).filter(can_be_dialed).ok_or_else(|| {
        "where the other host reaches this one's --peer-listen, such as host-a:8001".to_owned()
    })
}

fn token(text: &str) -> Result<Token, String> {
    text.parse().map_err(|NoToken| "all of what `pixeld init --invite` prints on the other host".to_owned())
}

fn valid(text: &str) -> Result<Duration, String> {
    let fits = |ms: &u64| (1..=VALID_MS_MAX).contains(ms);
    let read = units::age_ms(text).filter(fits).map(Duration::from_millis);
    read.ok_or_else(|| "a duration such as 30m or 12h, at most 7d".to_owned())
}

/// Returns the id of a cluster, with the lineage of its records if there is more than one.
fn cluster_id(cluster: ClusterId, lineage: u64) -> String {
    if lineage == 0 { cluster.to_string() } else { format!("{cluster}-{lineage:016x}") }
}

fn segment_size(text: &str) -> Result<u64, String> {
    let fits = |bytes: &u64| {
        (SEGMENT_BYTES_MIN..=1 << 30).contains(bytes) && bytes.is_multiple_of(BLOCK_BYTES as u64)
    };
    let least = units::show_size(SEGMENT_BYTES_MIN);
    units::size(text)
        .filter(fits)
        .ok_or_else(|| format!("a size of at least {least} and at most 1GiB, a multiple of 4KiB"))
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        if let Some(address) = self.invite.clone() {
            return self.invite(address);
        }
        let known = match self.show {
            Some(_) => founding::known(&self.data_dir)?,
            None if self.mend => founding::mend(&self.data_dir)?,
            None => {
                let segment_bytes = self.segment_size.unwrap_or(SEGMENT_BYTES_DEFAULT);
                let join = self.accept.as_ref().map(Token::cluster).or(self.join);
                match self.found(segment_bytes) {
                    Err(already @ FoundError::Already { .. }) if self.if_missing => {
                        let known = founding::known(&self.data_dir)?;
                        if join.is_some_and(|join| join != (known.cluster, known.lineage)) {
                            return Err(already.into());
                        }
                        known
                    }
                    found => found?,
                }
            }
        };
        let text = describe(&known, self.show.unwrap_or(What::All), self.json);
        output::print(&text).map_err(CliError::Output)?;
        if self.show.is_none() && !self.mend && !self.json {
            output::report(self.next_step(&known));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn found(&self, segment_bytes: u64) -> Result<Known, FoundError> {
        match &self.accept {
            Some(token) => inviting::accept(&self.data_dir, segment_bytes, token),
            None => founding::found(&self.data_dir, segment_bytes, self.join),
        }
    }

    /// Makes an invitation and prints it.
    fn invite(&self, address: Address) -> Result<ExitCode, CliError> {
        let segment_bytes = self.segment_size.unwrap_or(SEGMENT_BYTES_DEFAULT);
        let token = inviting::invite(&self.data_dir, segment_bytes, address, self.valid, wall_us())?;
        let text = if self.json {
            let until_s = token.until_us / 1_000_000;
            serde_json::json!({"invitation": token.to_string(), "until": until_s}).to_string()
        } else {
            token.to_string()
        };
        output::print(&(text + "\n")).map_err(CliError::Output)?;
        if !self.json {
            let (dir, valid) = (self.data_dir.display(), units::show_duration(self.valid.as_millis() as u64));
            output::report(format_args!(
                "Next, on the other host, within {valid}: pixeld init --accept INVITATION\nThe invitation is a secret for one use. Here: \
                 pixeld serve --data-dir {dir} --peer-listen ADDR, which {} leads to",
                token.address
            ));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Returns what to do now, for people.
    fn next_step(&self, known: &Known) -> String {
        let dir = self.data_dir.display();
        if let Some(token) = &self.accept {
            return format!("Next: pixeld serve --data-dir {dir}, which joins the host at {}", token.address);
        }
        let serve = format!("pixeld serve --data-dir {dir} --peer-listen ADDR --peer ADDR --peer-key KEY");
        let beside_peer = match self.join {
            None => format!(
                "Next, on the peer: pixeld init --join {}\nThen here, with its key: {serve}",
                cluster_id(known.cluster, known.lineage)
            ),
            Some(_) => format!(
                "Next: {serve}, with the first host's key; and tell the first host this one's key: {}",
                known.key
            ),
        };
        // What this build would refuse is no next step.
        match (cfg!(feature = "nats"), cfg!(feature = "s3")) {
            (true, _) => beside_peer + "\n" + &self.next_with_log(known, Log::Servers),
            (false, true) => beside_peer + "\n" + &self.next_with_log(known, Log::Bucket),
            (false, false) => beside_peer,
        }
    }

    /// Returns what to do now where hosts share a log.
    fn next_with_log(&self, known: &Known, log: Log) -> String {
        let (place, whose) = match log {
            Log::Servers => ("SERVER,SERVER,SERVER", "whose servers are those of the first host"),
            Log::Bucket => ("s3://NAME/PREFIX", "which is the first host's"),
        };
        let serve = format!("pixeld serve --data-dir {} --log {place}", self.data_dir.display());
        let next = match self.join {
            None => format!(
                "Or with a log, on each other host: pixeld init --join {}\nAnd on all of them: {serve}",
                cluster_id(known.cluster, known.lineage)
            ),
            Some(_) => format!("Or with a log, {whose}: {serve}"),
        };
        match log {
            Log::Bucket => next,
            Log::Servers => format!(
                "{next}\nIn the log this host is node {}: what it may publish there (scripts/nats/accounts.conf) bears this name.",
                known.node
            ),
        }
    }
}

/// Where a log is.
#[derive(Clone, Copy)]
enum Log {
    /// On servers of NATS.
    Servers,
    /// In a bucket.
    Bucket,
}

fn describe(known: &Known, what: What, json: bool) -> String {
    let Known { cluster, lineage, node, key } = known;
    let all = [
        (What::ClusterId, "cluster_id", cluster_id(*cluster, *lineage)),
        (What::NodeId, "node_id", node.to_string()),
        (What::Key, "key", key.to_string()),
    ];
    let chosen = all.into_iter().filter(|(one, ..)| what == What::All || what == *one);
    if json {
        let fields = chosen.map(|(_, name, value)| (name.to_owned(), value.into()));
        return serde_json::Value::Object(fields.collect()).to_string() + "\n";
    }
    let line = |(_, name, value): (What, &str, String)| {
        if what == What::All { format!("{name} {value}\n") } else { format!("{value}\n") }
    };
    chosen.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fingerprint::Fingerprint;
    use crate::base::ids::NodeId;

    /// The first host names the cluster to the others, and each its node to whoever gives it its rights.
    #[test]
    fn hosts_with_a_log_are_told_the_servers_the_cluster_and_the_node() {
        let (cluster, key) = (ClusterId([1; 16]), Fingerprint([3; 32]));
        let known = Known { cluster, lineage: 0, node: NodeId(2), key };
        let arguments = |join| Arguments {
            data_dir: "here".into(),
            join,
            invite: None,
            valid: Duration::from_secs(1),
            accept: None,
            if_missing: false,
            mend: false,
            segment_size: None,
            show: None,
            json: false,
        };
        let first = arguments(None).next_with_log(&known, Log::Servers);
        assert!(first.contains(&format!("pixeld init --join {}\n", known.cluster)), "{first}");
        let other = arguments(Some((cluster, 0))).next_with_log(&known, Log::Servers);
        for told in [&first, &other] {
            assert!(told.contains("pixeld serve --data-dir here --log SERVER,"), "{told}");
            assert!(told.contains("node 0000000000000002"), "{told}");
        }
        assert!(!other.contains("init --join"), "{other}");
        for join in [None, Some((cluster, 0))] {
            let told = arguments(join).next_with_log(&known, Log::Bucket);
            assert!(told.contains("--log s3://NAME/PREFIX") && !told.contains("node"), "{told}");
        }
        let is_told = arguments(None).next_step(&known).contains("--log");
        assert_eq!(is_told, cfg!(any(feature = "nats", feature = "s3")), "only what this build can do");
    }

    #[test]
    fn an_invitation_names_an_address_that_can_be_dialed() {
        assert!(address("127.0.0.1:0").is_err() && address("host-a").is_err());
        assert!(address("127.0.0.1:9").is_ok() && address("host-a:8001").is_ok());
    }

    #[test]
    fn all_or_one_as_text_or_json() {
        let (cluster_of, key) = (ClusterId([1; 16]), Fingerprint([3; 32]));
        let known = Known { cluster: cluster_of, lineage: 0, node: NodeId(2), key };
        let text = describe(&known, What::All, false);
        assert!(text.starts_with(&format!(
            "cluster_id {}\nnode_id 0000000000000002\nkey sha256:0303",
            "01".repeat(16)
        )));
        assert_eq!(text.lines().count(), 3);
        assert_eq!(describe(&known, What::ClusterId, false), "01".repeat(16) + "\n");
        assert_eq!(describe(&known, What::NodeId, true), "{\"node_id\":\"0000000000000002\"}\n");
        let json: serde_json::Value = serde_json::from_str(&describe(&known, What::All, true)).unwrap();
        assert_eq!(json["key"], known.key.to_string());
        assert_eq!(cluster(&"01".repeat(16)), Ok((cluster_of, 0)));
        let restored = cluster_id(cluster_of, 0xAB);
        assert!(restored.ends_with("-00000000000000ab") && cluster(&restored) == Ok((cluster_of, 0xAB)));
        assert!(cluster("0101").is_err() && segment_size("5000000").is_err());
    }
}
