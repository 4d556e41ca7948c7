//! The server's own settings: a row for each, with the place where its value goes. Applications keep theirs in their
//! folders.

use super::effective::{Config, LogFormat, is_listen, listen, listen_form};
use super::peer;
use super::place;
use crate::apps::registry;
use crate::base::limits::{BLOCK_BYTES, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN};
use crate::base::setting::{Form, Preset, Setting, Value, Values};
use crate::base::units;
use crate::engine::shared::settings::{Reserve, Retention};
use crate::engine::shared::steering::Steer;
use crate::os::address::Address;

/// Least severity of the events that are written to stderr, from the fewest to the most.
pub const LOG_LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

const WORKERS_MAX: u64 = 256;
const JOB_THREADS_MAX: u64 = 64;
const TIMEOUT: Form = Form::Duration(0, 3_600_000);
const ANY_SIZE: Form = Form::Size(0, u64::MAX, 1);

/// A setting of the server itself.
#[derive(Debug)]
pub struct Row {
    /// Its key, form, default and meaning.
    pub setting: Setting,
    /// Puts its value where it is used.
    pub goes: fn(&mut Config, &Value),
}

pub(super) const fn row(setting: Setting, goes: fn(&mut Config, &Value)) -> Row {
    Row { setting, goes }
}

/// Every setting of the server itself but for [`super::limits::LIMITS`], [`super::https::ROWS`] and [`super::shared_log::ROWS`]; one whose default depends on another stands
/// behind that.
pub static TABLE: [Row; 21] = [
    row(
        Setting::new(
            "listen",
            "[https://]ADDR[=ROOT]",
            "Address to listen on, repeatable; ROOT is the application whose page / shows there",
            Form::List(listen_form, is_listen),
            Preset::Text("127.0.0.1:8000"),
        )
        .short('l'),
        |config, value| config.listen = value.elements().iter().filter_map(|text| listen(text)).collect(),
    ),
    row(
        Setting::new(
            "data_dir",
            "DIR",
            "Data directory; only one server at a time may use it",
            Form::Text("a path", |text| !text.is_empty()),
            Preset::Text("./pixeld-data"),
        )
        .short('d'),
        |config, value| config.settings.data_dir = value.text().unwrap_or_default().into(),
    ),
    row(
        Setting::new(
            "durability",
            "LEVEL",
            "What an answer to a write waits for: memory, disk, both or cluster",
            Form::Word(&["memory", "disk", "both", "cluster"]),
            Preset::Text("disk"),
        ),
        |config, value| parsed(value, &mut config.settings.durability),
    ),
    row(
        Setting::new(
            "apps",
            "NAME,...",
            "Applications to serve",
            Form::List(apps_form, |name| registry::named(name).is_some()),
            Preset::Made { words: "all but echo", make: |_, _| registry::usual_names().join(",") },
        ),
        |config, value| {
            let named = value.elements().iter().filter_map(|name| registry::named(name));
            config.apps = named.map(|app| app.name).collect();
        },
    ),
    row(CORES, |config, value| {
        config.settings.cores = value.text().and_then(units::cores).unwrap_or_default();
    }),
    row(
        Setting::new(
            "workers",
            "N",
            "Number of workers",
            Form::Number(1, WORKERS_MAX),
            Preset::Made { words: "one for each core", make: usual_workers },
        )
        .short('w'),
        |config, value| whole(value, &mut config.settings.workers),
    ),
    row(
        Setting::new(
            "steer",
            "HOW",
            "Give a new connection to the worker on the CPU that received it: auto and cbpf do so where the network card's \
             queues and interrupts are one to one with the workers, off never does",
            Form::Word(&["auto", "off", "cbpf"]),
            Preset::Text("auto"),
        ),
        |config, value| {
            let named = Steer::NAMES.iter().find(|(name, _)| Some(*name) == value.text());
            config.settings.steer = named.map_or(Steer::Auto, |(_, steer)| *steer);
        },
    ),
    row(
        Setting::new(
            "job_threads",
            "N",
            "Threads that stream lists and do other slow work",
            Form::Number(1, JOB_THREADS_MAX),
            Preset::Number(2),
        ),
        |config, value| whole(value, &mut config.settings.job_threads),
    ),
    row(
        Setting::new(
            "disk_reserve",
            "SIZE",
            "Free space below which writes are refused with 507",
            Form::Or("auto", "the larger of 1GiB and 5 %", &ANY_SIZE),
            Preset::Text("auto"),
        ),
        |config, value| config.settings.reserve = value.number().map_or(Reserve::Usual, Reserve::Bytes),
    ),
    row(
        Setting::new(
            "segment_size",
            "SIZE",
            "Size of a journal segment in a new data directory",
            Form::Size(SEGMENT_BYTES_MIN, 1 << 30, BLOCK_BYTES as u64),
            Preset::Number(SEGMENT_BYTES_DEFAULT),
        ),
        |config, value| whole(value, &mut config.settings.segment_bytes),
    ),
    row(
        Setting::switch(
            "accept_loss",
            "Start although acknowledged data is damaged, and say what is missing",
        ),
        |config, value| config.settings.accept_loss = value.is_true(),
    ),
    row(
        Setting::new(
            "durability_timeout",
            "DURATION",
            "How long an answer waits for the peer, or for the log",
            TIMEOUT,
            Preset::Number(1_000),
        ),
        |config, value| config.settings.durability_timeout = value.duration(),
    ),
    row(
        Setting::new(
            "peer_listen",
            "ADDR",
            "Address at which the peer may dial this host",
            peer::ADDRESS,
            Preset::Text("none"),
        ),
        |config, value| config.peer.listen = value.text().and_then(Address::parse),
    ),
    row(
        Setting::new(
            "peer",
            "ADDR",
            "Address at which this host dials the peer",
            peer::ADDRESS,
            Preset::Text("none"),
        ),
        |config, value| config.peer.dial = value.text().and_then(Address::parse),
    ),
    row(
        Setting::new(
            "peer_key",
            "sha256:...",
            "The peer's key, as `pixeld init --show key` prints it there",
            peer::KEY,
            Preset::Text("none"),
        ),
        |config, value| config.peer.key = value.text().and_then(|text| text.parse().ok()),
    ),
    row(
        Setting::switch("insecure_peer", "No keys and no encryption between two hosts on this machine"),
        |config, value| config.peer.insecure = value.is_true(),
    ),
    row(
        Setting::new(
            "peer_retention",
            "SIZE",
            "How much of the journal is kept for a peer, or a log, that is away",
            Form::Or("auto", "half of the free space", &ANY_SIZE),
            Preset::Text("auto"),
        ),
        |config, value| config.peer.retention = value.number().map_or(Retention::Usual, Retention::Bytes),
    ),
    row(
        Setting::new(
            "shutdown_timeout",
            "DURATION",
            "How long a stop waits for requests in flight",
            TIMEOUT,
            Preset::Number(10_000),
        ),
        |config, value| config.settings.shutdown_timeout = value.duration(),
    ),
    row(
        Setting::new(
            "log_level",
            "LEVEL",
            "Events that are logged",
            Form::Word(&LOG_LEVELS),
            Preset::Text("info"),
        )
        .reloads(),
        |config, value| {
            let level = LOG_LEVELS.iter().find(|level| Some(**level) == value.text());
            config.log_level = level.copied().unwrap_or(config.log_level);
        },
    ),
    row(
        Setting::new(
            "log_format",
            "FORM",
            "Form of log lines",
            Form::Word(&["text", "json"]),
            Preset::Text("text"),
        ),
        |config, value| {
            let is_json = value.text() == Some("json");
            config.log_format = if is_json { LogFormat::Json } else { LogFormat::Text };
        },
    ),
    row(
        Setting::new(
            "blobs.store",
            "PLACE",
            "Where pictures are kept: files in the data directory, or s3://BUCKET/PREFIX",
            Form::Text(place::ALLOWED, |text| place::read(text).is_some()),
            Preset::Text("files"),
        ),
        |config, value| config.settings.blobs = value.text().and_then(place::read).unwrap_or_default(),
    ),
];

const CORES: Setting = Setting::new(
    "cores",
    "LIST",
    "Cores that the workers are pinned to, such as 0,2-3",
    Form::Or("all", "each core that the process may use", &Form::Cores),
    Preset::Text("all"),
);

fn usual_workers(read: &Values, cores: usize) -> String {
    let cores = read.get(&CORES).text().and_then(units::cores).map_or(cores, |cores| cores.len());
    (cores as u64).clamp(1, WORKERS_MAX).to_string()
}

fn apps_form() -> String {
    format!("one or more of {}", registry::names().join(", "))
}

/// Puts a number into a place that may be narrower.
pub(super) fn whole<T: TryFrom<u64>>(value: &Value, place: &mut T) {
    if let Some(number) = value.number().and_then(|number| T::try_from(number).ok()) {
        *place = number;
    }
}

fn parsed<T: std::str::FromStr>(value: &Value, place: &mut T) {
    if let Some(read) = value.text().and_then(|text| text.parse().ok()) {
        *place = read;
    }
}
