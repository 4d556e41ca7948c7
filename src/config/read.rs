//! From merged texts to the typed [`Config`].

use std::fmt::{Display, Write as _};
use std::path::PathBuf;
use std::str::FromStr;

use super::error::{ConfigError, ConfigErrors, Origin};
use super::limits::LIMITS;
use super::peer::{self, Peer};
use super::sources::{Merged, Raw, Sources, merge};
use super::units;
use crate::apps::board::settings::BoardSettings;
use crate::apps::pex::settings::PexSettings;
use crate::apps::registry;
use crate::apps::thumbs::settings::ThumbsSettings;
use crate::apps::toys::settings::ToysSettings;
use crate::base::durability::Durability;
use crate::base::limits::{BLOCK_BYTES, Limits, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN};
use crate::engine::shared::settings::BlobPlace;
use crate::engine::shared::steering::Steer;
use crate::os::address::Address;

/// What `/` may show.
pub const ROOTS: [&str; 5] = ["index", "pex", "board", "toys", "thumbs"];
/// Least severity of the events that are written to stderr, from the fewest to the most.
pub const LOG_LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

const WORKERS_MAX: usize = 256;
const JOB_THREADS_MAX: usize = 64;
const TIMEOUT_MS_MAX: u64 = 3_600_000;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 lets the system choose.
    pub address: Address,
    /// Whose page `/` shows and in whose style an unknown path answers; one of [`ROOTS`].
    pub root: &'static str,
}

/// The form of the lines on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `time level message key=value`, for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One effective value, for `--print-config` and for comparing configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key as the file spells it, with its table before a dot.
    pub key: String,
    /// The value as the file spells it.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The configuration of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Addresses to listen on; at least one.
    pub listen: Vec<Listen>,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// What an answer to a write waits for, at least.
    pub durability: Durability,
    /// Enabled applications, by their names in [`registry`].
    pub apps: Vec<&'static str>,
    /// Number of workers.
    pub workers: usize,
    /// Cores that the workers are pinned to, in turn; none: all cores of the process.
    pub cores: Vec<usize>,
    /// Whether new connections go to the worker on the CPU that received them.
    pub steer: Steer,
    /// Number of job threads.
    pub job_threads: usize,
    /// Free bytes below which writes get 507; none: the larger of 1 GiB and 5 % of the file system.
    pub disk_reserve_bytes: Option<u64>,
    /// Bytes of a segment in a new data directory.
    pub segment_bytes: u64,
    /// Whether to start although acknowledged data is damaged.
    pub accept_loss: bool,
    /// How long an answer waits for the peer.
    pub durability_timeout_ms: u64,
    /// The second host.
    pub peer: Peer,
    /// How long a shutdown waits for what is in flight.
    pub shutdown_timeout_ms: u64,
    /// Least severity that is logged, one of [`LOG_LEVELS`].
    pub log_level: &'static str,
    /// Form of a log line.
    pub log_format: LogFormat,
    /// Where blobs are kept.
    pub blobs: BlobPlace,
    /// The board.
    pub board: BoardSettings,
    /// How far the Fibonacci service counts.
    pub pex: PexSettings,
    /// How long the toy shop's slow calls take.
    pub toys: ToysSettings,
    /// The thumbnail service.
    pub thumbs: ThumbsSettings,
    /// Bounds of requests, connections and queues.
    pub limits: Limits,
    /// All of the above as text with origins, in the order of the keys.
    pub entries: Vec<Entry>,
}

/// Reads the configuration from all sources; `cores` is the number of cores that this process may use.
///
/// # Errors
/// Everything that is wrong, not only the first thing.
pub fn load(sources: &Sources, cores: usize) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let merged = merge(sources, &mut errors);
    let mut reader = Reader { merged, errors, entries: Vec::new() };
    let config = reader.config(cores);
    if reader.errors.is_empty() {
        debug_assert!(!config.listen.is_empty() && config.workers > 0);
        Ok(Config { entries: reader.entries, ..config })
    } else {
        Err(ConfigErrors(reader.errors))
    }
}

impl Config {
    /// Whether nobody has set this key.
    #[must_use]
    pub fn is_default(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.origin == Origin::Default)
    }

    /// The effective configuration as a TOML file; each value with a comment that tells where it came from.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for entry in &self.entries {
            let (prefix, name) = entry.key.split_once('.').unwrap_or(("", &entry.key));
            if prefix != table {
                let _ = writeln!(text, "\n[{prefix}]");
                table = prefix;
            }
            let setting = format!("{name} = {}", entry.value);
            let _ = writeln!(text, "{setting:<40} # {}", entry.origin);
        }
        text
    }
}

/// Takes the values key by key, and notes what is wrong and what is in force.
pub(super) struct Reader {
    merged: Merged,
    errors: Vec<ConfigError>,
    entries: Vec<Entry>,
}

impl Reader {
    fn config(&mut self, cores: usize) -> Config {
        let known_apps: Vec<&'static str> = registry::all().iter().map(|app| app.name()).collect();
        let allowed_apps = format!("one or more of {}", known_apps.join(", "));
        let mut config = Config {
            listen: self.list("listen", "127.0.0.1:8000", LISTEN_FORM, listen),
            data_dir: self.one("data_dir", "./pixeld-data", "a path", |text| {
                (!text.is_empty()).then(|| PathBuf::from(text))
            }),
            durability: self.one("durability", "disk", "memory, disk or both", |text| text.parse().ok()),
            apps: self
                .list("apps", "pixel,pex,board,toys,thumbs", &allowed_apps, |text| one_of(&known_apps, text)),
            workers: 0,
            cores: self.cores(),
            steer: self.one("steer", "auto", "auto, off or cbpf", |text| {
                Steer::NAMES.iter().find(|(name, _)| *name == text).map(|(_, steer)| *steer)
            }),
            job_threads: self.number("job_threads", 2, JOB_THREADS_MAX),
            disk_reserve_bytes: self.one("disk_reserve", "auto", RESERVE_FORM, |text| match text {
                "auto" => Some(None),
                _ => units::size(text).map(Some),
            }),
            segment_bytes: self.segment_bytes(),
            accept_loss: self.one("accept_loss", "false", "true or false", |text| text.parse().ok()),
            durability_timeout_ms: self.duration_ms("durability_timeout", "1s"),
            peer: self.peer(),
            shutdown_timeout_ms: self.duration_ms("shutdown_timeout", "10s"),
            log_level: self
                .one("log_level", "info", &LOG_LEVELS.join(", "), |text| one_of(&LOG_LEVELS, text)),
            log_format: self.one("log_format", "text", "text or json", |text| match text {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            }),
            blobs: BlobPlace::default(),
            board: BoardSettings::default(),
            pex: PexSettings::default(),
            toys: ToysSettings::default(),
            thumbs: ThumbsSettings::default(),
            limits: Limits::default(),
            entries: Vec::new(),
        };
        let workers = if config.cores.is_empty() { cores } else { config.cores.len() };
        config.workers = self.number("workers", workers.clamp(1, WORKERS_MAX), WORKERS_MAX);
        config.blobs = self.blobs();
        config.board = self.board();
        config.pex = self.pex();
        config.toys = self.toys();
        config.thumbs = self.thumbs();
        config.limits = self.limits();
        // Tables are printed one behind the other.
        self.entries.sort_by_key(|entry| table_of(&entry.key).to_owned());
        self.relations(&config);
        config
    }

    /// What no key can tell alone.
    fn relations(&mut self, config: &Config) {
        if config.durability == Durability::Both && !config.peer.is_there() {
            self.refuse(
                "durability",
                "memory or disk; both needs a second host: peer, peer_listen, peer_key",
            );
        }
        if let Some((key, allowed)) = config.peer.contradiction() {
            self.refuse(key, allowed);
        }
        if let Some(listen) = config.listen.iter().find(|listen| !is_served(listen.root, &config.apps)) {
            let allowed = format!("ADDR or ADDR=index; {} needs the application of that name", listen.root);
            self.refuse("listen", &allowed);
        }
        if !config.cores.is_empty() && config.workers > config.cores.len() {
            self.refuse("workers", &format!("at most {}, one for each of the cores set", config.cores.len()));
        }
    }

    /// Notes that the value in force for `key` will not do.
    fn refuse(&mut self, key: &str, allowed: &str) {
        let entry = self.entries.iter().find(|entry| entry.key == key).cloned();
        let (origin, value) =
            entry.map_or((Origin::Default, String::new()), |entry| (entry.origin, entry.value));
        let value = value.trim_matches('"').to_owned();
        self.errors.push(ConfigError::Value {
            origin,
            key: key.to_owned(),
            value,
            allowed: allowed.to_owned(),
        });
    }

    fn raw(&mut self, key: &str, default: &str) -> Raw {
        let default = || Raw { values: vec![default.to_owned()], origin: Origin::Default };
        self.merged.remove(key).unwrap_or_else(default)
    }

    /// The value of a key that is no list. A value that is refused becomes the default, so that reading goes on.
    pub(super) fn one<T>(
        &mut self,
        key: &str,
        default: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let raw = self.raw(key, default);
        let parsed = match raw.values.as_slice() {
            [value] => parse(value),
            _ => None,
        };
        let value = raw.values.join(",");
        self.entries.push(Entry { key: key.to_owned(), value: spelled(&value), origin: raw.origin.clone() });
        parsed.unwrap_or_else(|| {
            let (key, allowed) = (key.to_owned(), allowed.to_owned());
            self.errors.push(ConfigError::Value { origin: raw.origin, key, value, allowed });
            parse(default).expect("a default is allowed")
        })
    }

    /// The values of a list, which may also be written with commas in between.
    fn list<T: PartialEq>(
        &mut self,
        key: &str,
        default: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let raw = self.raw(key, default);
        let mut found: Vec<T> = Vec::new();
        let mut shown = Vec::new();
        for value in raw.values.iter().flat_map(|value| value.split(',')).map(str::trim) {
            shown.push(spelled(value));
            match parse(value) {
                Some(item) if !found.contains(&item) => found.push(item),
                _ => {
                    let (origin, allowed) = (raw.origin.clone(), format!("{allowed}, each once"));
                    let value = value.to_owned();
                    self.errors.push(ConfigError::Value { origin, key: key.to_owned(), value, allowed });
                }
            }
        }
        if shown.is_empty() {
            let (key, value, allowed) = (key.to_owned(), "[]".to_owned(), allowed.to_owned());
            self.errors.push(ConfigError::Value { origin: raw.origin.clone(), key, value, allowed });
        }
        let value = format!("[{}]", shown.join(", "));
        self.entries.push(Entry { key: key.to_owned(), value, origin: raw.origin });
        found
    }

    /// A number from 1 to `most`.
    pub(super) fn number<T>(&mut self, key: &str, default: T, most: T) -> T
    where
        T: Copy + Display + From<u8> + FromStr + PartialOrd,
    {
        self.one(key, &default.to_string(), &format!("a number from 1 to {most}"), |text| {
            text.parse().ok().filter(|number| (T::from(1)..=most).contains(number))
        })
    }

    fn duration_ms(&mut self, key: &str, default: &str) -> u64 {
        let allowed = format!("{} of at most {}", units::DURATION_FORM, units::show_duration(TIMEOUT_MS_MAX));
        self.one(key, default, &allowed, |text| units::duration_ms(text).filter(|ms| *ms <= TIMEOUT_MS_MAX))
    }

    fn peer(&mut self) -> Peer {
        Peer {
            listen: self.one("peer_listen", "none", peer::ADDRESS_FORM, peer::address),
            dial: self.one("peer", "none", peer::ADDRESS_FORM, peer::address),
            key: self.one("peer_key", "none", peer::KEY_FORM, peer::key),
            insecure: self.one("insecure_peer", "false", "true or false", |text| text.parse().ok()),
            retention_bytes: self.one("peer_retention", "auto", peer::RETENTION_FORM, peer::retention),
        }
    }

    fn cores(&mut self) -> Vec<usize> {
        // The file may have a list of numbers where flags have a text.
        if let Some(raw) = self.merged.get_mut("cores") {
            raw.values = vec![raw.values.join(",")];
        }
        let allowed = format!("all, or {}", units::CORES_FORM);
        self.one("cores", "all", &allowed, |text| match text {
            "all" => Some(Vec::new()),
            _ => units::cores(text),
        })
    }

    fn segment_bytes(&mut self) -> u64 {
        let default = units::show_size(SEGMENT_BYTES_DEFAULT);
        let least = units::show_size(SEGMENT_BYTES_MIN);
        let allowed =
            format!("{} of at least {least} and at most 1GiB, a multiple of 4KiB", units::SIZE_FORM);
        self.one("segment_size", &default, &allowed, |text| {
            let fits = |bytes: &u64| (SEGMENT_BYTES_MIN..=1 << 30).contains(bytes);
            units::size(text).filter(fits).filter(|bytes| bytes.is_multiple_of(BLOCK_BYTES as u64))
        })
    }

    fn limits(&mut self) -> Limits {
        let mut limits = Limits::default();
        for limit in &LIMITS {
            let key = limit.key();
            let raw = self.raw(&key, &limit.show(&Limits::default()));
            let value = raw.values.join(",");
            if let Err(allowed) = limit.set(&mut limits, &value) {
                let (origin, key) = (raw.origin.clone(), key.clone());
                self.errors.push(ConfigError::Value { origin, key, value, allowed });
            }
            self.entries.push(Entry { key, value: spelled(&limit.show(&limits)), origin: raw.origin });
        }
        limits
    }
}

const LISTEN_FORM: &str = "ADDRESS:PORT or ADDRESS:PORT=ROOT, such as 127.0.0.1:8000 or [::]:8000=index, \
                           with a ROOT of index, pex, board, toys or thumbs";
const RESERVE_FORM: &str = "auto (the larger of 1GiB and 5 %), or a size such as 512, 64KiB, 10MiB or 1GiB";

/// The table that a key stands in; empty for the file itself.
fn table_of(key: &str) -> &str {
    key.split_once('.').map_or("", |(table, _)| table)
}

fn one_of(words: &[&'static str], text: &str) -> Option<&'static str> {
    words.iter().find(|word| **word == text).copied()
}

fn listen(text: &str) -> Option<Listen> {
    let (address, root) = text.split_once('=').unwrap_or((text, "index"));
    Some(Listen { address: Address::parse(address)?, root: one_of(&ROOTS, root)? })
}

/// Whether a listener may show `root`: the index is always there, the others are applications' pages.
fn is_served(root: &str, apps: &[&str]) -> bool {
    root == "index" || apps.contains(&root)
}

/// A value as TOML spells it: numbers and truths bare, all else quoted.
fn spelled(value: &str) -> String {
    let bare = value == "true" || value == "false" || value.parse::<u64>().is_ok();
    if bare { value.to_owned() } else { toml::Value::String(value.to_owned()).to_string() }
}
