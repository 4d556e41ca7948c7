//! From merged texts to the typed [`Config`].

use super::access::Access;
use super::effective::{Config, Entry, INDEX, LogFormat};
use super::error::{ConfigError, ConfigErrors, Origin};
use super::guards;
use super::https;
use super::https_files::HttpsFiles;
use super::keys;
use super::peer::Peer;
use super::shared_log;
use super::sources::{Merged, Raw, Sources, merge};
use crate::apps::registry;
use crate::base::durability::Durability;
use crate::base::setting::{Flag, Form, Setting, Value, Values};
use crate::engine::shared::settings::{Settings, SharedLogSettings};

/// Reads the configuration from all sources; `cores` is the number of cores that this process may use.
///
/// # Errors
/// Returns everything that is wrong, not only the first thing.
pub fn load(sources: &Sources, cores: usize) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let merged = merge(sources, &mut errors);
    let mut reader = Reader { merged, errors, values: Values::default(), entries: Vec::new() };
    keys::all().for_each(|setting| reader.take(setting, cores));
    // Tables are printed one behind the other.
    reader.entries.sort_by_key(|entry| table_of(entry.key));
    let mut config = config_of(&reader.values);
    reader.relations(&config);
    let entries = &reader.entries;
    let origin_of = |key: &str| {
        entries.iter().find(|entry| entry.key == key).map_or(Origin::Default, |entry| entry.origin.clone())
    };
    match guards::rules(&config, origin_of) {
        Ok(rules) => config.settings.rules = rules,
        Err(error) => reader.errors.push(error),
    }
    if reader.errors.is_empty() {
        debug_assert!(!config.listen.is_empty() && config.settings.workers > 0);
        config.entries = reader.entries;
        Ok(config)
    } else {
        Err(ConfigErrors(reader.errors))
    }
}

/// Returns the configuration that these values make; one that has no entries yet.
fn config_of(values: &Values) -> Config {
    let mut config = Config {
        settings: Settings::base("".into()),
        listen: Vec::new(),
        admin_listen: Vec::new(),
        apps: Vec::new(),
        access: Access::default(),
        peer: Peer::default(),
        https: HttpsFiles::default(),
        shared_log: SharedLogSettings::default(),
        log_level: "info",
        log_format: LogFormat::Text,
        values: values.clone(),
        entries: Vec::new(),
    };
    for row in keys::rows() {
        (row.goes)(&mut config, &values.get(&row.setting));
    }
    for setting in registry::settings().filter(|setting| setting.flag == Flag::Limit) {
        config.settings.limits.apps.set(setting, values.get(setting));
    }
    config
}

/// Takes over what a running server may take over of a configuration read later.
pub(super) fn take_over(config: &mut Config, later: &Config) {
    let mut values = config.values.clone();
    for setting in keys::all().filter(|setting| setting.reloads) {
        values.set(setting, later.values.get(setting));
    }
    let entries = std::mem::take(&mut config.entries);
    *config = Config { entries, ..config_of(&values) };
    // A file that is named may say something else now, although its name is the same.
    config.settings.rules = later.settings.rules.clone();
}

/// Takes the values key by key, and notes what is wrong and what is in force.
struct Reader {
    merged: Merged,
    errors: Vec<ConfigError>,
    values: Values,
    entries: Vec<Entry>,
}

impl Reader {
    /// Takes the value of one setting. One that is refused leaves the default, so that reading goes on.
    fn take(&mut self, setting: &'static Setting, cores: usize) {
        let raw = self.merged.remove(setting.key).unwrap_or_else(|| Raw {
            values: vec![setting.preset(&self.values, cores)],
            origin: Origin::Default,
        });
        let (value, shown) = match setting.form {
            Form::List(_, is_allowed) => self.list(setting, &raw, is_allowed),
            _ => self.one(setting, &raw),
        };
        self.entries.push(Entry { key: setting.key, value: shown, origin: raw.origin });
        if let Some(value) = value {
            self.values.set(setting, value);
        }
    }

    /// Returns the value of a setting that is no list, and its text.
    fn one(&mut self, setting: &Setting, raw: &Raw) -> (Option<Value>, String) {
        let text = raw.values.join(",");
        let is_one = raw.values.len() == 1 || setting.form.joins();
        let value = Some(&text).filter(|_| is_one).and_then(|text| setting.form.read(text));
        if value.is_none() {
            self.wrong(setting.key, &raw.origin, &text, &setting.form.allowed());
        }
        let shown = match (setting.flag, &value) {
            (Flag::Limit, Some(value)) => setting.form.show(value),
            _ => text,
        };
        (value, spelled(&shown))
    }

    /// Returns the elements of a list, which may also be written with commas in between, and their texts.
    fn list(
        &mut self,
        setting: &Setting,
        raw: &Raw,
        is_allowed: fn(&str) -> bool,
    ) -> (Option<Value>, String) {
        let allowed = setting.form.allowed();
        let mut found: Vec<String> = Vec::new();
        let mut shown = Vec::new();
        for text in raw.values.iter().flat_map(|text| text.split(',')).map(str::trim) {
            shown.push(spelled(text));
            if is_allowed(text) && !found.iter().any(|other| other == text) {
                found.push(text.to_owned());
            } else {
                self.wrong(setting.key, &raw.origin, text, &format!("{allowed}, each once"));
            }
        }
        if shown.is_empty() {
            self.wrong(setting.key, &raw.origin, "[]", &allowed);
        }
        (Some(Value::List(found)), format!("[{}]", shown.join(", ")))
    }

    fn wrong(&mut self, key: &str, origin: &Origin, value: &str, allowed: &str) {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.errors.push(ConfigError::Value {
            origin: origin.clone(),
            key,
            value,
            allowed: allowed.to_owned(),
        });
    }

    /// Checks what no setting shows alone.
    fn relations(&mut self, config: &Config) {
        let settings = &config.settings;
        if settings.durability == Durability::Both
            && !config.peer.is_there()
            && config.shared_log.servers.is_empty()
        {
            let allowed = "memory or disk; both needs a peer: peer, peer_listen, peer_key";
            self.refuse("durability", allowed);
        }
        let of_peer = config.peer.contradiction();
        let of_others = shared_log::contradictions(config).into_iter().chain(https::contradictions(config));
        for (key, allowed) in of_peer.into_iter().chain(of_others).chain(guards::contradictions(config)) {
            self.refuse(key, allowed);
        }
        if let Some(listen) = config
            .listen
            .iter()
            .chain(&config.admin_listen)
            .find(|listen| !is_served(listen.root, &config.apps))
        {
            let allowed = format!("ADDR or ADDR=index; {} needs the application of that name", listen.root);
            self.refuse("listen", &allowed);
        }
        let cores = settings.cores.len();
        if cores > 0 && settings.workers > cores {
            self.refuse("workers", &format!("at most {cores}, one for each of the cores set"));
        }
    }

    /// Notes that the value in force for `key` will not do.
    fn refuse(&mut self, key: &str, allowed: &str) {
        let entry = self.entries.iter().find(|entry| entry.key == key).cloned();
        let (origin, value) =
            entry.map_or((Origin::Default, String::new()), |entry| (entry.origin, entry.value));
        self.wrong(key, &origin, value.trim_matches('"'), allowed);
    }
}

/// Returns the table that a key stands in; empty for the file itself.
fn table_of(key: &'static str) -> &'static str {
    key.split_once('.').map_or("", |(table, _)| table)
}

/// Returns whether a listener may show `root`: the index is always there, the others are applications' pages.
fn is_served(root: &str, apps: &[&str]) -> bool {
    root == INDEX || apps.contains(&root)
}

/// Returns a value as TOML spells it: numbers and truths bare, all else quoted.
fn spelled(value: &str) -> String {
    let bare = value == "true" || value == "false" || value.parse::<u64>().is_ok();
    if bare { value.to_owned() } else { toml::Value::String(value.to_owned()).to_string() }
}
