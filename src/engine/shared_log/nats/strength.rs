//! How much a stream and the servers under it are worth: a quorum's word is only as good as what each of them keeps.

use async_nats::ServerInfo;
use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};

use crate::base::ids::NodeId;
use crate::base::limits::{SHARED_LOG_PAYLOAD_BYTES_MIN, SHARED_LOG_REPLICAS_SAFE};
use crate::engine::shared::settings::SharedLogSettings;

use super::names::Names;

/// The oldest server that has what this program relies on.
const OLDEST: (i64, i64) = (2, 14);
/// Bytes of the largest message that a stream takes: one batch of any length, with its header and those of NATS.
const MESSAGE_BYTES_MAX: i32 = 1_280 * 1024;

/// Returns the configuration of a node's stream.
pub(super) fn wanted(names: &Names, node: NodeId, settings: &SharedLogSettings) -> Config {
    Config {
        name: names.stream(node),
        description: Some("pixeld: the records of one host".to_owned()),
        subjects: vec![names.messages(node)],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        max_age: settings.window,
        max_bytes: i64::try_from(settings.window_bytes).unwrap_or(i64::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: MESSAGE_BYTES_MAX,
        // No message has an id, so nothing is looked up in it.
        duplicate_window: std::time::Duration::from_millis(100),
        deny_delete: true,
        allow_direct: true,
        ..Config::default()
    }
}

/// Returns what is weaker about a stream than a word at `cluster` needs, in words for an operator; nothing for a sound one.
pub(super) fn weakness(stream: &Config) -> Option<String> {
    let name = &stream.name;
    let remedy = "mend it (`nats stream edit`), or start with --log-allow-weak";
    if stream.num_replicas < SHARED_LOG_REPLICAS_SAFE {
        let replicas = stream.num_replicas;
        return Some(format!(
            "the stream {name} has {replicas} replica(s), so what one server loses may be lost: at least {SHARED_LOG_REPLICAS_SAFE} are \
             needed; {remedy}"
        ));
    }
    if stream.storage == StorageType::Memory {
        return Some(format!(
            "the stream {name} is kept in memory only, so a power cut takes it: it has to be made anew with file storage, or start \
             with --log-allow-weak"
        ));
    }
    if stream.persist_mode == Some(PersistenceMode::Async) {
        return Some(format!(
            "the stream {name} acknowledges before it is written (persist_mode async): {remedy}"
        ));
    }
    None
}

/// Returns why a stream can't be used at all, in words for an operator; nothing for one that can.
pub(super) fn misfit(stream: &Config) -> Option<String> {
    let name = &stream.name;
    let foreign = |what: &str| {
        Some(format!(
            "the stream {name} {what}, so this host can't append to it: remove it (`nats stream rm {name}`), and it is made anew"
        ))
    };
    if stream.max_message_size > 0 && stream.max_message_size < MESSAGE_BYTES_MAX {
        return foreign("takes messages of less than 1.25 MiB");
    }
    if stream.retention != RetentionPolicy::Limits || stream.sealed || stream.no_ack {
        return foreign("is sealed, acknowledges nothing, or forgets what was read");
    }
    None
}

/// Returns why a server can't be used, in words for an operator; nothing for one that can.
pub(super) fn unfit(server: &ServerInfo, allow_weak: bool) -> Option<String> {
    let (name, version) = (&server.server_name, &server.version);
    if server.max_payload < SHARED_LOG_PAYLOAD_BYTES_MIN {
        return Some(format!(
            "the server {name} takes messages of at most {} bytes, needed are {SHARED_LOG_PAYLOAD_BYTES_MIN}: set `max_payload: 2MB` in \
             its configuration, on every server",
            server.max_payload
        ));
    }
    if !server.headers {
        return Some(format!("the server {name} takes no headers: start it without `no_header_support`"));
    }
    if !allow_weak && version_of(version).is_some_and(|version| version < OLDEST) {
        return Some(format!(
            "the server {name} is version {version}, needed is {}.{} or later, which mends what loses acknowledged messages; \
             --log-allow-weak takes it all the same",
            OLDEST.0, OLDEST.1
        ));
    }
    None
}

/// Returns the first two numbers of a version; nothing where it has none, as a build of one's own may.
fn version_of(text: &str) -> Option<(i64, i64)> {
    let mut numbers = text.trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ClusterId;

    #[test]
    fn the_streams_that_this_program_makes_are_sound_and_each_weakness_is_named() {
        let settings = SharedLogSettings::default();
        let sound = wanted(&Names::new(ClusterId([1; 16]), 0), NodeId(7), &settings);
        assert_eq!((weakness(&sound), misfit(&sound)), (None, None));
        let told = |weak: Config| weakness(&weak).expect("a weakness");
        assert!(told(Config { num_replicas: 1, ..sound.clone() }).contains("1 replica(s)"));
        assert!(told(Config { storage: StorageType::Memory, ..sound.clone() }).contains("memory"));
        let lazy = Config { persist_mode: Some(PersistenceMode::Async), ..sound.clone() };
        assert!(told(lazy).contains("persist_mode async"));
        assert!(misfit(&Config { max_message_size: 1_024, ..sound.clone() }).is_some());
        assert!(misfit(&Config { max_message_size: -1, ..sound.clone() }).is_none());
        assert!(misfit(&Config { retention: RetentionPolicy::WorkQueue, ..sound }).is_some());
    }

    #[test]
    fn servers_that_can_not_be_used_are_told_apart() {
        let server = ServerInfo {
            server_name: "a".to_owned(),
            version: "2.15.1".to_owned(),
            max_payload: 2 << 20,
            headers: true,
            ..ServerInfo::default()
        };
        assert_eq!(unfit(&server, false), None);
        let small = ServerInfo { max_payload: 1 << 20, ..server.clone() };
        assert!(unfit(&small, true).expect("too small").contains("max_payload: 2MB"));
        let old = ServerInfo { version: "2.9.10".to_owned(), ..server.clone() };
        assert!(unfit(&old, false).expect("too old").contains("2.14"));
        assert_eq!(unfit(&old, true), None);
        let own = ServerInfo { version: "main".to_owned(), ..server };
        assert_eq!(unfit(&own, false), None);
    }
}
