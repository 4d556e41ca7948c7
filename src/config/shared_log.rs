//! The keys about the log that many hosts share: a row for each, and what they have to have to do with each other.

use std::time::Duration;

use super::effective::Config;
use super::place;
use super::table::{Row, row, whole};
use crate::base::durability::Durability;
use crate::base::limits::{SHARED_LOG_REPLICAS_SAFE, SHARED_LOG_SERVERS_MAX};
use crate::base::setting::{Form, Preset, Setting};
use crate::base::units;
use crate::os::address::Address;

/// The port that a server of NATS listens on, unless told otherwise.
const PORT: u16 = 4222;
/// Servers that a message may be kept by.
const REPLICAS_MAX: u64 = 5;
/// The shortest time that messages may be kept, milliseconds.
const WINDOW_MS_MIN: u64 = 60_000;
/// Bytes of messages that may be kept at least: what may be on its way at once, with room.
const WINDOW_BYTES_MIN: u64 = 64 << 20;

const SERVERS: Form = Form::Or("none", "", &Form::List(servers_form, |text| server(text).is_some()));
const PATH: Form = Form::Or("none", "", &Form::Text("a path", |text| !text.is_empty()));
const WINDOW: Form = Form::Text("a time such as 7d or 12h, at least 1m", |text| window(text).is_some());
const MONITOR: Form = Form::Or("none", "", &Form::List(monitor_form, |text| monitor(text).is_some()));

/// Every setting about a shared log.
pub static ROWS: [Row; 8] = [
    row(
        Setting::new(
            "log.servers",
            "SERVER,...",
            "NATS JetStream servers through which any number of hosts share their records, instead of a peer; or a bucket",
            SERVERS,
            Preset::Text("none"),
        )
        .named("log"),
        |config, value| config.shared_log.servers = value.elements().iter().filter_map(|text| server(text)).collect(),
    ),
    row(
        Setting::new(
            "log.credentials",
            "FILE",
            "File with this host's credentials at the log (.creds)",
            PATH,
            Preset::Text("none"),
        ),
        |config, value| config.shared_log.credentials = value.text().map(Into::into),
    ),
    row(
        Setting::new(
            "log.ca",
            "FILE",
            "Authorities (PEM) that signed the certificates of the log's servers; with it, connections to them use TLS",
            PATH,
            Preset::Text("none"),
        ),
        |config, value| config.shared_log.authority = value.text().map(Into::into),
    ),
    row(
        Setting::new(
            "log.replicas",
            "N",
            "Servers of the log that keep each record, where this host makes its stream",
            Form::Number(1, REPLICAS_MAX),
            Preset::Number(SHARED_LOG_REPLICAS_SAFE as u64),
        ),
        |config, value| whole(value, &mut config.shared_log.replicas),
    ),
    row(
        Setting::new(
            "log.window",
            "TIME",
            "How long the log keeps records, where this host makes its stream; hosts keep them for ever",
            WINDOW,
            Preset::Text("7d"),
        ),
        |config, value| {
            config.shared_log.window = value.text().and_then(window).unwrap_or(config.shared_log.window);
        },
    ),
    row(
        Setting::new(
            "log.window_bytes",
            "SIZE",
            "Bytes that each server of the log sets aside for this host's records, where this host makes its stream",
            Form::Size(WINDOW_BYTES_MIN, 1 << 60, 1),
            Preset::Number(1 << 30),
        ),
        |config, value| whole(value, &mut config.shared_log.window_bytes),
    ),
    row(
        Setting::new(
            "log.monitor",
            "ADDR,...",
            "Monitoring addresses of the log's servers (http_port), to check that each syncs before it acknowledges",
            MONITOR,
            Preset::Text("none"),
        ),
        |config, value| config.shared_log.monitor = value.elements().iter().filter_map(|text| monitor(text)).collect(),
    ),
    row(
        Setting::switch("log.allow_weak", "Accept a log that is weaker than cluster promises, and warn of it"),
        |config, value| config.shared_log.allow_weak = value.is_true(),
    ),
];

/// Returns every key whose value will not do beside the others, and what would.
pub(super) fn contradictions(config: &Config) -> Vec<(&'static str, &'static str)> {
    let log = &config.shared_log;
    let (durability, is_there) = (config.settings.durability, !log.servers.is_empty());
    let peer_key = if config.peer.dial.is_some() { "peer" } else { "peer_listen" };
    let is_bucket = log.servers.iter().any(|server| place::is_bucket(server));
    let sound_replicas = log.replicas >= SHARED_LOG_REPLICAS_SAFE || log.allow_weak;
    [
        (
            is_bucket && !cfg!(feature = "s3"),
            "log.servers",
            "no bucket in this build, which has no client for one: build with `--features s3`",
        ),
        (is_bucket && log.servers.len() > 1, "log.servers", "one bucket alone, or servers of NATS"),
        (is_bucket && log.credentials.is_some(), "log.credentials", "none beside a bucket: see AWS_ACCESS_KEY_ID"),
        (is_bucket && log.authority.is_some(), "log.ca", "none beside a bucket"),
        (is_bucket && !log.monitor.is_empty(), "log.monitor", "none beside a bucket"),
        (is_bucket && log.allow_weak, "log.allow_weak", "false beside a bucket: one that does not compare is of no use"),
        (
            is_there && !is_bucket && !cfg!(feature = "nats"),
            "log.servers",
            "none in this build, which has no client for a log: take a released program, or build with `--features nats`",
        ),
        (
            is_there && config.peer.is_there(),
            peer_key,
            "none beside log: a host shares its records with a peer or by a log, not both",
        ),
        (
            !is_there && durability == Durability::Cluster,
            "durability",
            "memory or disk; cluster needs a log: --log SERVER,...",
        ),
        (
            is_there && durability == Durability::Both,
            "durability",
            "memory, disk or cluster; both needs a peer, and there is a log in its place",
        ),
        (!is_there && log.credentials.is_some(), "log.credentials", "none without log"),
        (!is_there && log.authority.is_some(), "log.ca", "none without log"),
        (!is_there && !log.monitor.is_empty(), "log.monitor", "none without log"),
        (!is_there && log.allow_weak, "log.allow_weak", "false without log"),
        (
            is_there && !sound_replicas,
            "log.replicas",
            "3 to 5; fewer lose what one server loses, and need log.allow_weak",
        ),
        (is_there && log.servers.len() > SHARED_LOG_SERVERS_MAX, "log.servers", "at most 16 servers"),
    ]
    .into_iter()
    .filter_map(|(is_wrong, key, allowed)| is_wrong.then_some((key, allowed)))
    .collect()
}

/// Returns what servers may look like.
pub fn servers_form() -> String {
    "HOST:PORT, each with nats:// or tls:// before it or without, such as nats://a:4222,nats://b:4222,nats://c:4222; or, in a build \
     with `--features s3`, a bucket as s3://NAME/PREFIX"
        .to_owned()
}

fn monitor_form() -> String {
    "HOST:PORT such as a:8222,b:8222,c:8222".to_owned()
}

/// Reads a server, or a bucket, as a URL; without a port it is NATS' own.
pub fn server(text: &str) -> Option<String> {
    if place::is_bucket(text) {
        return place::bucket_of(text).map(|_| text.trim_end_matches('/').to_owned());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
    let address = Address::parse(rest).or_else(|| Address::parse(&format!("{rest}:{PORT}")))?;
    ["nats", "tls"].contains(&scheme).then(|| format!("{scheme}://{address}"))
}

fn monitor(text: &str) -> Option<Address> {
    Address::parse(text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/'))
}

fn window(text: &str) -> Option<Duration> {
    units::age_ms(text).filter(|ms| *ms >= WINDOW_MS_MIN).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_users_of_nats_write_them() {
        for (text, url) in [
            ("nats://a:4222", Some("nats://a:4222")),
            ("a:4223", Some("nats://a:4223")),
            ("tls://log-1.internal", Some("tls://log-1.internal:4222")),
            ("[::1]", Some("nats://[::1]:4222")),
            ("10.0.0.1", Some("nats://10.0.0.1:4222")),
            ("http://a:4222", None),
            ("nats://user:secret@a:4222", None),
            ("nats://", None),
            ("", None),
            ("s3://logs/a/b/", Some("s3://logs/a/b")),
            ("s3://logs", Some("s3://logs")),
            ("s3://Logs/a", None),
        ] {
            assert_eq!(server(text).as_deref(), url, "{text}");
        }
        assert_eq!(monitor("http://a:8222/").map(|address| address.to_string()).as_deref(), Some("a:8222"));
        assert_eq!(window("7d"), Some(Duration::from_secs(7 * 86_400)));
        assert_eq!((window("59s"), window("seven")), (None, None));
    }
}
