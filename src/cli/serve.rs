//! `pixeld serve`: the command line of a server.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;

use super::flags::SettingFlags;
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
    #[command(flatten)]
    settings: SettingFlags,
    /// Take over the count of the original Fibonacci server: its line Hitcount,Position,Previous,Current,Next. Once,
    /// into a service that has not counted yet
    #[arg(long, value_name = "FILE")]
    import_fibo: Option<PathBuf>,
    /// Configuration file in TOML
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration, say what is wrong with it, and exit: 0 if it is sound, 2 if not
    #[arg(long)]
    check_config: bool,
    /// Print the effective configuration as TOML, each value with its origin, and exit
    #[arg(long)]
    print_config: bool,
    /// Take over from the process at the other end of standard input; for that process to say
    #[arg(long, hide = true)]
    take_over: bool,
    /// Start the process that takes over, and end; for that process to say
    #[arg(long, hide = true)]
    launch: bool,
}

const AFTER: &str =
    "`pixeld serve --help` says what each durability level keeps and how else values can be set.";

const AFTER_LONG: &str = "\
What an answer with a 2xx status means, by --durability:
  memory   accepted and visible; kill -9 loses what is not in a file yet,
           usually the last 2 ms, more while the disk stalls
           (pixeld_journal_unwritten_seconds in /metrics); a power cut loses more
  disk     a sync of this host's disk that covers it has returned: survives
           kill -9 and power cuts
  both     as disk, on two hosts (needs a peer)
  cluster  as disk, and most servers of the log have it (needs --log)

A request may ask for more than the server's level with a header such as `Durability: disk`. A write that does not reach its level in \
time is answered 504, with the level that was reached; after a 504 without a level it may have been stored, on a full disk.

Two hosts: see `pixeld init --help`. Each takes writes and keeps an exact copy of the other's. While one is away, what it lacks is \
kept for it, and only answers at `both` wait.

Many hosts: start each with --log and the servers of one NATS JetStream instead of a peer; see docs/cluster.md.

Every value can also be set in the environment (--data-dir is PIXELD_DATA_DIR, --limit idle_ms=5s is \
PIXELD_LIMITS_IDLE_MS=5s, --config is PIXELD_CONFIG) and in the file (data_dir = \"...\", [limits] idle_ms = \"5s\"). \
Flags override the environment, which overrides the file, which overrides the defaults.

Signals: SIGTERM, SIGINT or SIGQUIT finishes what is in flight, syncs and exits with 0; a second one exits at once with 1; SIGHUP \
reads log_level, [limits], tokens and certificates again; SIGUSR1 does nothing, since the log goes to stderr; SIGUSR2 starts a new process and hands everything over to it, so that no request \
is lost or refused (after an upgrade of the program file, or a change of the configuration).

HTTPS: --listen https://ADDR:443 with --tls-cert and --tls-key, each repeatable for more names; renewed files are taken \
over within seconds. --redirect ADDR:80 sends everybody there, and answers certbot from --acme-dir.

Started by systemd (LISTEN_FDS), it serves on the sockets that it is given.

Exit: 0 stopped, 1 failed, 2 usage or configuration, 74 the disk failed.

Examples:
  pixeld serve
  pixeld serve --listen 0.0.0.0:8000 --data-dir /srv/pixeld --cores 0,1
  pixeld serve --listen https://0.0.0.0:443 --tls-cert fullchain.pem --tls-key privkey.pem --redirect 0.0.0.0:80
  pixeld serve --config /etc/pixeld.toml --check-config
  PIXELD_DURABILITY=memory pixeld serve --print-config";

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        if self.launch {
            return succession::launch().map_err(CliError::Inherited);
        }
        let sources = self.sources();
        let cores = available_parallelism().map_or(1, NonZero::get);
        let config = load(&sources, cores)?;
        let there = thread::allowed_cores();
        if let Some(core) = config.settings.cores.iter().find(|core| !there.contains(core)) {
            let there = there.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            return Err(CliError::Usage(format!(
                "cores: this process may not run on core {core}; allowed is {there}"
            )));
        }
        let https = config.https.open().map_err(CliError::Certificate)?;
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
        Running::start(config, import, sources, cores, self.take_over, https)?.serve()
    }

    fn sources(&self) -> Sources {
        Sources { flags: self.settings.0.clone(), environment: environment(), file: self.config.clone() }
    }
}

/// Returns the variables of this process, as far as their names are text.
pub(super) fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    std::env::vars_os().filter_map(text).collect()
}
