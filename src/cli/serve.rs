//! `pixeld serve`: the command line of a server.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;

use super::running::Running;
use super::{CliError, import, succession};
use crate::config::read::load;
use crate::config::sources::Sources;
use crate::os::{output, thread};

/// Take writes, keep them, serve them back
///
/// Without arguments: listens on 127.0.0.1:8000, keeps everything in ./pixeld-data, one worker for each core, and
/// answers a write when it is on the disk.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, after_long_help = AFTER_LONG)]
pub(super) struct Arguments {
    /// Address to listen on, repeatable [default: 127.0.0.1:8000]
    #[arg(short, long, value_name = "ADDR[=ROOT]")]
    listen: Vec<String>,
    /// Directory of everything that is kept; one server at a time [default: ./pixeld-data]
    #[arg(short, long, value_name = "DIR")]
    data_dir: Option<String>,
    /// What an answer to a write waits for: memory, disk or both [default: disk]
    #[arg(long, value_name = "LEVEL")]
    durability: Option<String>,
    /// Applications to serve: pixel, pex, board, toys, thumbs, echo [default: all but echo]
    #[arg(long, value_name = "NAME,...")]
    apps: Vec<String>,
    /// Number of workers [default: one for each core]
    #[arg(short, long, value_name = "N")]
    workers: Option<String>,
    /// Cores that the workers are pinned to, such as 0,2-3 [default: all]
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// Give a new connection to the worker on the CPU that received it: auto and cbpf where the network card's queues and
    /// interrupts are one to one with the workers, off never [default: auto]
    #[arg(long, value_name = "HOW")]
    steer: Option<String>,
    /// Threads that stream lists and do other slow work [default: 2]
    #[arg(long, value_name = "N")]
    job_threads: Option<String>,
    /// Free space below which writes are refused with 507 [default: auto, the larger of 1GiB and 5 %]
    #[arg(long, value_name = "SIZE")]
    disk_reserve: Option<String>,
    /// Size of a journal segment in a new data directory [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    segment_size: Option<String>,
    /// Start although acknowledged data is damaged, and say what is missing
    #[arg(long)]
    accept_loss: bool,
    /// How long an answer waits for the second host [default: 1s]
    #[arg(long, value_name = "DURATION")]
    durability_timeout: Option<String>,
    /// Address at which the second host may dial this one
    #[arg(long, value_name = "ADDR")]
    peer_listen: Option<String>,
    /// Address at which this host dials the second one
    #[arg(long, value_name = "ADDR")]
    peer: Option<String>,
    /// The second host's key, as `pixeld init --show key` prints it there
    #[arg(long, value_name = "sha256:...")]
    peer_key: Option<String>,
    /// No keys and no encryption between two hosts on this machine
    #[arg(long)]
    insecure_peer: bool,
    /// Journal that waits for a second host that is away [default: auto, half of the free space]
    #[arg(long, value_name = "SIZE")]
    peer_retention: Option<String>,
    /// How long a stop waits for requests in flight [default: 10s]
    #[arg(long, value_name = "DURATION")]
    shutdown_timeout: Option<String>,
    /// A bound such as idle_ms=5s or board.max_picture=5MiB, repeatable; --print-config lists all
    #[arg(long, value_name = "NAME=VALUE", value_parser = limit)]
    limit: Vec<(String, String)>,
    /// Where pictures are kept: files in the data directory, or s3://BUCKET/PREFIX [default: files]
    #[arg(long, value_name = "PLACE")]
    blobs_store: Option<String>,
    /// What addresses of the board's pictures start with: a path here or a CDN's address [default: /media]
    #[arg(long, value_name = "BASE")]
    board_public_base: Option<String>,
    /// Keep what the board's pictures say about who took them, where and when: true or false [default: false]
    #[arg(long, value_name = "TRUTH")]
    board_keep_metadata: Option<String>,
    /// Last position of the Fibonacci service, and the largest number it tells [default: 1000000]
    #[arg(long, value_name = "N")]
    pex_max_position: Option<String>,
    /// How long the toy shop's slow call takes [default: 5s]
    #[arg(long, value_name = "DURATION")]
    toys_heavy_ms: Option<String>,
    /// How long the toy shop looks for its last toy [default: 0ms]
    #[arg(long, value_name = "DURATION")]
    toys_db_ms: Option<String>,
    /// How long an order of the toy shop takes [default: 5s]
    #[arg(long, value_name = "DURATION")]
    toys_order_ms: Option<String>,
    /// CPU time after which a decoder gives a picture up that is to become a thumbnail [default: 10s]
    #[arg(long, value_name = "DURATION")]
    thumbs_deadline: Option<String>,
    /// How long the second host must have been away before its pictures are made small here [default: 30s]
    #[arg(long, value_name = "DURATION")]
    thumbs_takeover: Option<String>,
    /// How long a question for a picture's state waits for its end [default: 10s]
    #[arg(long, value_name = "DURATION")]
    thumbs_status_hold: Option<String>,
    /// Pixels of a picture, summed over its frames, that are decoded [default: 50000000]
    #[arg(long, value_name = "N")]
    thumbs_max_pixels: Option<String>,
    /// Pictures that are decoded at the same time [default: auto, as many as job threads]
    #[arg(long, value_name = "N")]
    thumbs_workers: Option<String>,
    /// Events that are logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Form of log lines: text or json [default: text]
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,
    /// Take over the count of the original Fibonacci server: its line Hitcount,Position,Previous,Current,Next. Once,
    /// into a service that has not counted yet
    #[arg(long, value_name = "FILE")]
    import_fibo: Option<PathBuf>,
    /// Configuration file in TOML
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say what is wrong with the configuration and end: 0 sound, 2 not
    #[arg(long)]
    check_config: bool,
    /// Print the effective configuration as TOML, each value with where it came from, and end
    #[arg(long)]
    print_config: bool,
    /// Take over from the process at the other end of standard input; for that process to say
    #[arg(long, hide = true)]
    take_over: bool,
    /// Start the process that takes over, and end; for that process to say
    #[arg(long, hide = true)]
    launch: bool,
}

const AFTER: &str = "`pixeld serve --help` tells what each durability keeps and how else values can be set.";

const AFTER_LONG: &str = "\
What an answer with a 2xx status means, by --durability:
  memory   taken and visible; kill -9 loses what no file has yet, usually the
           last 2 ms, more while the disk stalls
           (pixeld_journal_unwritten_seconds in /metrics); a power cut more
  disk     a sync of this host's disk that covers it has returned: survives
           kill -9 and power cuts
  both     as disk, on two hosts (needs a second host)

A request may ask for more than the server's level with a header such as `Durability: disk`. What could not be reached in \
time is answered 504, with the level that was reached; a 504 without one may have been stored, on a full disk.

Two hosts: `pixeld init --help` tells how. Each takes writes and keeps an exact copy of the other's; one that is away is \
waited for with what it lacks, and delays nothing but answers at `both`.

Every value can also be set in the environment (--data-dir is PIXELD_DATA_DIR, --limit idle_ms=5s is \
PIXELD_LIMITS_IDLE_MS=5s, --config is PIXELD_CONFIG) and in the file (data_dir = \"...\", [limits] idle_ms = \"5s\"). \
A flag wins over the environment, that over the file, that over the default.

Signals: SIGTERM or SIGINT finishes what is in flight, syncs and exits with 0, a second one ends at once; SIGHUP \
reads log_level and [limits] again; SIGUSR2 starts the program anew and hands everything over to it, so that no request \
is lost or refused (after an upgrade of the program file, or a change of the configuration).

Started by systemd (LISTEN_FDS), it serves on the sockets that it is given.

Exit: 0 stopped, 1 failed, 2 usage or configuration, 74 the disk failed.

Examples:
  pixeld serve
  pixeld serve --listen 0.0.0.0:8000 --data-dir /srv/pixeld --cores 0,1
  pixeld serve --config /etc/pixeld.toml --check-config
  PIXELD_DURABILITY=memory pixeld serve --print-config";

fn limit(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "NAME=VALUE is needed, such as idle_ms=5s".to_owned())
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        if self.launch {
            return succession::launch().map_err(CliError::Inherited);
        }
        let sources = self.sources();
        let cores = available_parallelism().map_or(1, NonZero::get);
        let config = load(&sources, cores)?;
        let there = thread::allowed_cores();
        if let Some(core) = config.cores.iter().find(|core| !there.contains(core)) {
            let there = there.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            return Err(CliError::Usage(format!(
                "cores: this process may not run on core {core}; allowed is {there}"
            )));
        }
        if self.print_config {
            output::print(&config.print()).map_err(CliError::Output)?;
        }
        if self.check_config {
            output::print("the configuration is sound\n").map_err(CliError::Output)?;
        }
        if self.print_config || self.check_config {
            return Ok(ExitCode::SUCCESS);
        }
        let import = self.import_fibo.as_deref().map(|path| import::read(path, &config)).transpose()?;
        Running::start(config, import, sources, cores, self.take_over)?.serve()
    }

    fn sources(&self) -> Sources {
        let list = |key: &str, values: &[String]| (key.to_owned(), values.to_vec());
        let mut flags = vec![list("listen", &self.listen), list("apps", &self.apps)];
        for (key, value) in [
            ("data_dir", &self.data_dir),
            ("durability", &self.durability),
            ("workers", &self.workers),
            ("cores", &self.cores),
            ("steer", &self.steer),
            ("job_threads", &self.job_threads),
            ("disk_reserve", &self.disk_reserve),
            ("segment_size", &self.segment_size),
            ("durability_timeout", &self.durability_timeout),
            ("peer_listen", &self.peer_listen),
            ("peer", &self.peer),
            ("peer_key", &self.peer_key),
            ("peer_retention", &self.peer_retention),
            ("shutdown_timeout", &self.shutdown_timeout),
            ("log_level", &self.log_level),
            ("log_format", &self.log_format),
            ("blobs.store", &self.blobs_store),
            ("board.public_base", &self.board_public_base),
            ("board.keep_metadata", &self.board_keep_metadata),
            ("pex.max_position", &self.pex_max_position),
            ("toys.heavy_ms", &self.toys_heavy_ms),
            ("toys.db_ms", &self.toys_db_ms),
            ("toys.order_ms", &self.toys_order_ms),
            ("thumbs.deadline", &self.thumbs_deadline),
            ("thumbs.takeover", &self.thumbs_takeover),
            ("thumbs.status_hold", &self.thumbs_status_hold),
            ("thumbs.max_pixels", &self.thumbs_max_pixels),
            ("thumbs.workers", &self.thumbs_workers),
        ] {
            flags.push((key.to_owned(), value.iter().cloned().collect()));
        }
        flags.retain(|(_, values)| !values.is_empty());
        for (key, is_set) in [("accept_loss", self.accept_loss), ("insecure_peer", self.insecure_peer)] {
            flags.extend(is_set.then(|| list(key, &["true".to_owned()])));
        }
        // Bounds of applications stand in a table of their name.
        let limit_key =
            |name: &str| if name.contains('.') { name.to_owned() } else { format!("limits.{name}") };
        flags.extend(self.limit.iter().map(|(name, value)| (limit_key(name), vec![value.clone()])));
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        let environment = std::env::vars_os().filter_map(text).collect();
        Sources { flags, environment, file: self.config.clone() }
    }
}
