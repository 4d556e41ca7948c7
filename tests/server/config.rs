//! The configuration as an operator meets it: precedence, origins, errors, reload.

use std::fs;
use std::path::{Path, PathBuf};

use pixeld::apps::pex::settings::PexSettings;
use pixeld::apps::registry;
use pixeld::apps::toys::settings::ToysSettings;
use pixeld::base::durability::Durability;
use pixeld::base::limits::Limits;
use pixeld::base::setting::{Flag, Form, Setting, Value, Values};
use pixeld::config::effective::{Config, LogFormat};
use pixeld::config::error::Origin;
use pixeld::config::keys;
use pixeld::config::read::load;
use pixeld::config::reload::reload;
use pixeld::config::sources::Sources;
use pixeld::engine::shared::settings::{Reserve, Retention, Settings};

const CORES: usize = 4;

fn file(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("pixeld.toml");
    fs::write(&path, text).expect("a file");
    path
}

fn flags(pairs: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect()
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn origin(config: &Config, key: &str) -> String {
    let entry = config.entries.iter().find(|entry| entry.key == key).expect("an entry");
    let full = entry.origin.to_string();
    full.rsplit('/').next().expect("a name").to_owned()
}

/// The errors of a configuration file, one a line, without its directory.
fn refused(text: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), text);
    let sources = Sources { file: Some(path.clone()), ..Sources::default() };
    let errors = load(&sources, CORES).err().expect("refused").to_string();
    errors.replace(&path.display().to_string(), "pixeld.toml")
}

#[test]
fn defaults() {
    let config = load(&Sources::default(), CORES).expect("defaults are sound");
    assert_eq!(config.listen[0].address.to_string(), "127.0.0.1:8000");
    let settings = &config.settings;
    assert_eq!(settings.data_dir, Path::new("./pixeld-data"));
    assert_eq!((settings.durability, settings.workers, settings.cores.len()), (Durability::Disk, CORES, 0));
    assert_eq!(settings.reserve, Reserve::Usual);
    assert_eq!((config.apps, config.log_level), (vec!["pixel", "pex", "board", "toys", "thumbs"], "info"));
    assert!(config.entries.iter().all(|entry| entry.origin == Origin::Default));
    let known: Vec<&str> = keys::all().map(|setting| setting.key).collect();
    let mut told: Vec<&str> = config.entries.iter().map(|entry| entry.key).collect();
    told.sort_by_key(|key| known.iter().position(|known| known == key));
    assert_eq!(told, known, "every key is told once");
}

/// Each row: what the flag, the variable and the file say, who wins.
#[test]
fn precedence_is_flag_then_environment_then_file_then_default() {
    let rows = [
        (None, None, None, "disk", "default"),
        (None, None, Some("memory"), "memory", "pixeld.toml:2"),
        (None, Some("memory"), None, "memory", "environment PIXELD_DURABILITY"),
        (None, Some("disk"), Some("memory"), "disk", "environment PIXELD_DURABILITY"),
        (Some("memory"), None, None, "memory", "--durability"),
        (Some("memory"), None, Some("disk"), "memory", "--durability"),
        (Some("memory"), Some("disk"), None, "memory", "--durability"),
        (Some("disk"), Some("memory"), Some("memory"), "disk", "--durability"),
    ];
    for (flag, variable, in_file, value, from) in rows {
        let directory = tempfile::tempdir().expect("a directory");
        let text = in_file.map(|value| format!("# ours\ndurability = \"{value}\"\n"));
        let sources = Sources {
            flags: flag.map(|value| flags(&[("durability", value)])).unwrap_or_default(),
            environment: variable
                .map(|value| environment(&[("PIXELD_DURABILITY", value)]))
                .unwrap_or_default(),
            file: text.map(|text| file(directory.path(), &text)),
        };
        let config = load(&sources, CORES).expect("sound");
        assert_eq!(
            (config.settings.durability.as_str(), origin(&config, "durability").as_str()),
            (value, from)
        );
    }
}

#[test]
fn every_key_can_be_set_in_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = r#"
        listen = ["127.0.0.1:1", "[::1]:2=index"]
        data-dir = "/srv/pixels"
        durability = "memory"
        apps = ["pixel", "echo"]
        workers = 2
        cores = [1, 3]
        job_threads = 0x3
        disk_reserve = "64MiB"
        segment_size = 8_388_608
        accept_loss = true
        durability_timeout = "2s"
        peer_listen = "127.0.0.1:3"
        peer = "127.0.0.1:4"
        peer_key = "none"
        insecure_peer = true
        peer_retention = "1GiB"
        shutdown_timeout = "500ms"
        log_level = "debug"
        log_format = "json"
        [pex]
        max_position = 93
        limits.idle_ms = 250
        [limits]
        header_bytes = "32KiB"
    "#
    .replace("limits.idle_ms = 250\n        [limits]", "[limits]\n        idle_ms = 250");
    let sources = Sources { file: Some(file(directory.path(), &text)), ..Sources::default() };
    let config = load(&sources, CORES).expect("sound");
    assert_eq!(config.listen.len(), 2);
    let settings = &config.settings;
    assert_eq!(
        (settings.cores.as_slice(), settings.workers, settings.job_threads),
        ([1, 3].as_slice(), 2, 3)
    );
    assert_eq!((settings.reserve, settings.segment_bytes), (Reserve::Bytes(64 << 20), 8 << 20));
    assert!(settings.accept_loss && config.log_format == LogFormat::Json);
    let times = [settings.durability_timeout, settings.shutdown_timeout].map(|time| time.as_millis());
    assert_eq!(times, [2000, 500]);
    let peer = &config.peer;
    let addresses = [&peer.listen, &peer.dial].map(|at| at.as_ref().map(ToString::to_string));
    assert_eq!(addresses, [Some("127.0.0.1:3".to_owned()), Some("127.0.0.1:4".to_owned())]);
    assert!(peer.is_there() && peer.insecure && peer.key.is_none());
    assert_eq!(peer.retention, Retention::Bytes(1 << 30));
    assert_eq!((settings.limits.idle_ms, settings.limits.header_bytes), (250, 32 << 10));
    assert_eq!(origin(&config, "limits.header_bytes"), "pixeld.toml:25");
    assert_eq!(PexSettings::of(&config.values).max_position, 93);
}

#[test]
fn flags_and_variables_reach_lists_and_limits() {
    let sources = Sources {
        flags: vec![
            ("listen".to_owned(), vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()]),
            ("limits.connections".to_owned(), vec!["7".to_owned()]),
        ],
        environment: environment(&[
            ("PIXELD_APPS", "pixel, echo"),
            ("PIXELD_CORES", "0,2-3"),
            ("PIXELD_LIMITS_IDLE_MS", "3s"),
            ("PATH", "/bin"),
        ]),
        file: None,
    };
    let config = load(&sources, CORES).expect("sound");
    assert_eq!((config.listen.len(), config.apps.len(), config.settings.limits.connections), (2, 2, 7));
    assert_eq!(
        (config.settings.cores.as_slice(), config.settings.workers),
        ([0, 2, 3].as_slice(), 3),
        "a worker for each core"
    );
    assert_eq!(config.settings.limits.idle_ms, 3000);
    assert_eq!(origin(&config, "limits.connections"), "--limit connections");
}

#[test]
fn errors_name_place_key_value_and_what_is_allowed() {
    assert_eq!(
        refused("\ndurability = \"fast\""),
        "pixeld.toml:2: durability = \"fast\": allowed is memory, disk, both or cluster"
    );
    assert_eq!(
        refused("durabilty = \"disk\""),
        "pixeld.toml:1: unknown key \"durabilty\"; did you mean \"durability\"?"
    );
    assert_eq!(
        refused("[limits]\nheader_fields = 65"),
        "pixeld.toml:2: limits.header_fields = \"65\": allowed is a number from 8 to 64"
    );
    assert_eq!(
        refused("[limits]\nidle_ms = \"61m\""),
        "pixeld.toml:2: limits.idle_ms = \"61m\": allowed is a duration (a number alone is milliseconds) from 10ms to 1h"
    );
    assert!(refused("[limits]\nidle = 3").contains("pixeld.toml:2: unknown key \"limits.idle\""));
    assert!(refused("x = \n").starts_with("pixeld.toml:1: "));
    assert!(refused("durability = \"both\"").contains("both needs a peer"));
    assert!(refused("peer = \"10.0.0.1:1\"").starts_with("default: peer_key = \"none\": allowed is what"));
    assert!(refused("peer = \"10.0.0.1:1\"\ninsecure_peer = true").contains("pixeld.toml:2: insecure_peer"));
    assert!(refused("peer_key = \"sha256:12\"").contains("what `pixeld init --show key` prints"));
    assert!(
        refused("apps = \"pixel\"\nlisten = \"127.0.0.1:1=pex\"")
            .contains("pex needs the application of that name")
    );
    assert!(refused("listen = \"8000\"").contains("ADDRESS:PORT"));
    assert!(refused("listen = []").contains("listen"));
    assert!(refused("apps = [\"pixel\", \"pixel\"]").contains("each once"));
    assert!(refused("cores = \"0\"\nworkers = 2").contains("at most 1"));
    assert!(refused("workers = 0").contains("a number from 1 to 256"));
    assert!(refused("segment_size = 5000000").contains("multiple of 4KiB"));
    assert!(refused("durability = 1979-05-27").contains("datetime"));
    assert!(refused("durability = { a = 1 }").contains("table"));
}

#[test]
fn all_errors_are_reported_at_once() {
    let sources = Sources {
        flags: flags(&[("workers", "many")]),
        environment: environment(&[("PIXELD_LOG_LEVEL", "loud"), ("PIXELD_LISTENS", "x")]),
        file: Some(PathBuf::from("/nonexistent/pixeld.toml")),
    };
    let errors = load(&sources, CORES).err().expect("refused").to_string();
    for part in [
        "--config: /nonexistent/pixeld.toml cannot be read: ",
        "environment PIXELD_LISTENS: unknown key \"listens\"; did you mean \"listen\"?",
        "environment PIXELD_LOG_LEVEL: log_level = \"loud\": allowed is error, warn, info, debug or trace",
        "--workers: workers = \"many\": allowed is a number from 1 to 256",
    ] {
        assert!(errors.contains(part), "{part} in\n{errors}");
    }
    assert_eq!(errors.lines().count(), 4);
}

#[test]
fn what_is_printed_is_a_file_that_gives_the_same_configuration() {
    let sources = Sources {
        flags: flags(&[("data_dir", "/a \"b\""), ("limits.idle_ms", "3s"), ("workers", "2")]),
        ..Sources::default()
    };
    let config = load(&sources, CORES).expect("sound");
    let printed = config.print();
    assert!(printed.contains("workers = 2") && printed.contains("# --workers"), "{printed}");
    assert!(printed.contains("# --limit idle_ms") && printed.contains("# default"), "{printed}");
    let directory = tempfile::tempdir().expect("a directory");
    let again = Sources { file: Some(file(directory.path(), &printed)), ..Sources::default() };
    let again = load(&again, CORES).expect("what is printed is sound");
    let entries = |config: &Config| -> Vec<(&str, String)> {
        config.entries.iter().map(|entry| (entry.key, entry.value.clone())).collect()
    };
    assert_eq!(entries(&again), entries(&config));
    assert_eq!((again.values, again.settings.limits), (config.values, config.settings.limits));
}

#[test]
fn a_reload_tells_what_takes_effect_and_what_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let sources = Sources { file: Some(file(directory.path(), "workers = 2")), ..Sources::default() };
    let current = load(&sources, CORES).expect("sound");
    let unchanged = reload(&current, &sources, CORES).expect("sound");
    assert!(unchanged.changed.is_empty() && unchanged.restart.is_empty());

    file(directory.path(), "workers = 3\nlog_level = \"warn\"\n[limits]\nconnections = 9");
    let reloaded = reload(&current, &sources, CORES).expect("sound");
    assert_eq!(reloaded.changed, ["log_level", "limits.connections"]);
    assert_eq!(reloaded.restart, ["workers"]);
    assert_eq!((reloaded.config.settings.limits.connections, reloaded.config.log_level), (9, "warn"));
    assert_eq!(reloaded.config.settings.workers, 2, "what needs a restart stays in force");
    let again = reload(&reloaded.config, &sources, CORES).expect("sound");
    assert_eq!((again.changed, again.restart), (vec![], vec!["workers"]));

    file(directory.path(), "log_level = \"warn\"\nworkers = \"x\"");
    assert!(reload(&current, &sources, CORES).is_err(), "all or nothing");
}

#[test]
fn every_application_can_be_enabled() {
    let names: Vec<&str> = registry::all().iter().map(|app| app.name()).collect();
    let sources = Sources { flags: flags(&[("apps", &names.join(","))]), ..Sources::default() };
    assert_eq!(load(&sources, CORES).expect("sound").apps, names);
    assert!(refused("apps = \"fax\"").contains(&format!("one or more of {}", names.join(", "))));
}

/// Returns sources that set one setting at one place, and how that place is named in an error.
fn set_at(place: usize, setting: &Setting, value: &str, directory: &Path) -> (Sources, String) {
    let key = setting.key;
    match place {
        0 => (Sources { flags: flags(&[(key, value)]), ..Sources::default() }, keys::flag(key)),
        1 => {
            let name = keys::variable(key);
            let environment = environment(&[(&name, value)]);
            (Sources { environment, ..Sources::default() }, format!("environment {name}"))
        }
        _ => {
            let path = file(directory, &format!("{key} = {value:?}\n"));
            (Sources { file: Some(path), ..Sources::default() }, "pixeld.toml:1".to_owned())
        }
    }
}

#[test]
fn every_setting_is_known_at_each_place_and_refuses_there_what_it_does_not_take() {
    let directory = tempfile::tempdir().expect("a directory");
    // A directory, a file and a host may have any name.
    let is_any = |key: &str| ["data_dir", "tokens", "allow_host"].contains(&key);
    for setting in keys::all().filter(|setting| !is_any(setting.key)) {
        for place in 0..3 {
            let (sources, origin) = set_at(place, setting, "no-such-value", directory.path());
            let errors = load(&sources, CORES).err().expect("refused").to_string();
            assert!(errors.contains(&format!("{origin}: {} = \"no-such-value\"", setting.key)), "{errors}");
        }
    }
}

/// Returns values of a setting at its bounds.
fn bounds(setting: &Setting) -> Vec<String> {
    let form = if let Form::Or(_, _, form) = setting.form { *form } else { setting.form };
    match form {
        Form::Truth | Form::Word(_) => form.words().iter().map(|word| (*word).to_owned()).collect(),
        Form::Number(least, most)
        | Form::Size(least, most, _)
        | Form::Rate(least, most)
        | Form::Duration(least, most)
        | Form::Millis(least, most) => [least, most].map(|number| form.show(&Value::Number(number))).to_vec(),
        Form::Text(..) | Form::Cores | Form::List(..) => Vec::new(),
        Form::Or(..) => panic!("{}: an alternative of an alternative", setting.key),
    }
}

/// Settings that are refused on a host that is alone.
const ELSEWHERE: [&str; 3] = ["durability", "insecure_peer", "log.allow_weak"];

#[test]
fn every_setting_reaches_the_place_where_it_is_used() {
    let directory = tempfile::tempdir().expect("a directory");
    let shown = |config: &Config| {
        let (settings, peer) = (&config.settings, &config.peer);
        let numbers = (settings.workers, settings.job_threads, settings.segment_bytes, settings.accept_loss);
        let times =
            (settings.shutdown_timeout, settings.durability_timeout, settings.durability, settings.steer);
        let log = (config.log_level, config.log_format);
        let (reserve, limits, shared) = (settings.reserve, &settings.limits, &config.shared_log);
        let access = &config.access;
        format!("{numbers:?} {times:?} {log:?} {peer:?} {shared:?} {reserve:?} {limits:?} {access:?}")
    };
    let of_apps: Vec<&str> = registry::settings().map(|setting| setting.key).collect();
    // Both, cluster, no encryption and a weak log need other hosts; those are other tests.
    let alone = |setting: &&Setting| !ELSEWHERE.contains(&setting.key);
    for setting in keys::all().filter(alone) {
        for value in bounds(setting) {
            for place in 0..3 {
                let (sources, _) = set_at(place, setting, &value, directory.path());
                let config = load(&sources, CORES)
                    .unwrap_or_else(|errors| panic!("{} = {value}: {errors}", setting.key));
                let usual = load(&Sources::default(), CORES).expect("sound");
                let is_changed = config.values.get(setting) != usual.values.get(setting);
                assert_eq!(setting.form.show(&config.values.get(setting)), value);
                if setting.flag == Flag::Limit || !of_apps.contains(&setting.key) {
                    assert_eq!(shown(&config) != shown(&usual), is_changed, "{} = {value}", setting.key);
                }
            }
        }
    }
}

#[test]
fn the_base_of_tests_has_the_defaults() {
    let config = load(&Sources::default(), 1).expect("sound");
    let (base, usual) = (Settings::base("./pixeld-data".into()), config.settings);
    assert_eq!(
        (base.data_dir, base.durability, base.workers),
        (usual.data_dir, usual.durability, usual.workers)
    );
    assert_eq!((base.steer, base.cores, base.job_threads), (usual.steer, usual.cores, usual.job_threads));
    assert_eq!(
        (base.limits, base.reserve, base.blobs),
        (Limits { apps: Values::default(), ..usual.limits }, usual.reserve, usual.blobs)
    );
    assert_eq!((base.segment_bytes, base.accept_loss), (usual.segment_bytes, usual.accept_loss));
    assert_eq!(base.shutdown_timeout, usual.shutdown_timeout);
    assert_eq!(base.durability_timeout, usual.durability_timeout);
    assert_eq!(PexSettings::of(&config.values), PexSettings::default());
    assert_eq!(ToysSettings::of(&Values::default()), ToysSettings::of(&config.values));
}

#[test]
fn a_reload_takes_over_the_limits_of_applications_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let sources = Sources { file: Some(file(directory.path(), "")), ..Sources::default() };
    let current = load(&sources, CORES).expect("sound");
    for setting in keys::all().filter(|setting| setting.flag == Flag::Limit) {
        for value in bounds(setting) {
            let (changed, _) = set_at(2, setting, &value, directory.path());
            let reloaded = reload(&current, &changed, CORES).expect("sound");
            if setting.form.show(&current.values.get(setting)) != value {
                assert_eq!((reloaded.changed, reloaded.restart), (vec![setting.key], vec![]));
                assert_ne!(reloaded.config.settings.limits, current.settings.limits, "{}", setting.key);
            }
        }
    }
}
