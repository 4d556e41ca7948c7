//! All settings there are, and how each is spelled in the three places.

use super::guards;
use super::https;
use super::limits::LIMITS;
use super::shared_log;
use super::table::{Row, TABLE};
use crate::apps::registry;
use crate::base::setting::{Flag, Setting};

/// Returns the rows of the server's own settings, in the order in which they are read.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().chain(&guards::ROWS).chain(&LIMITS).chain(&shared_log::ROWS).chain(&https::ROWS)
}

/// Returns every setting: the server's own, its limits, and those of applications.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    rows().map(|row| &row.setting).chain(registry::settings())
}

/// Returns the setting with this key.
#[must_use]
pub fn named(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key == key)
}

/// Returns the flag that sets `key`: `--data-dir`, `--toys-heavy-ms`, `--limit header_bytes`, `--limit board.max_picture`,
/// `--keep board`.
#[must_use]
pub fn flag(key: &str) -> String {
    if let Some(name) = key.strip_prefix("keep.") {
        return format!("--keep {name}");
    }
    match key.strip_prefix("limits.") {
        Some(limit) => format!("--limit {limit}"),
        None if named(key).is_some_and(|setting| setting.flag == Flag::Limit) => format!("--limit {key}"),
        None => format!("--{}", long(key)),
    }
}

/// Returns the name of the flag that sets `key`, without its hyphens: `data-dir`.
#[must_use]
pub fn long(key: &str) -> String {
    named(key).and_then(|setting| setting.long).map_or_else(|| key.replace(['_', '.'], "-"), str::to_owned)
}

/// Returns the environment variable that sets `key`: `PIXELD_DATA_DIR`, `PIXELD_LIMITS_HEADER_BYTES`.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("PIXELD_{}", long(key).replace('-', "_").to_uppercase())
}

/// Returns what helps with an unknown key: the nearest one, or where they are listed.
#[must_use]
pub fn hint(written: &str) -> String {
    let nearest = all().map(|setting| (distance(written, setting.key), setting.key)).min();
    match nearest {
        // A short word is near to any other: half of it has to be right.
        Some((distance, key)) if distance <= 2 + written.len() / 5 && 2 * distance <= written.len() => {
            format!("did you mean {key:?}?")
        }
        _ => "`pixeld serve --print-config` lists all keys".to_owned(),
    }
}

/// Returns Levenshtein's distance: insertions, deletions and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::setting::{Form, Values};

    #[test]
    fn every_key_is_there_once_and_spelled_in_one_way_at_each_place() {
        let spellings: [fn(&str) -> String; 3] = [str::to_owned, flag, variable];
        for spell in spellings {
            let mut spelled: Vec<String> = all().map(|setting| spell(setting.key)).collect();
            let count = spelled.len();
            spelled.sort();
            spelled.dedup();
            assert_eq!(spelled.len(), count, "{spelled:?}");
        }
    }

    #[test]
    fn every_default_is_allowed_and_every_help_is_one_sentence_without_its_full_stop() {
        for setting in all() {
            let preset = setting.preset(&Values::default(), 4);
            assert!(setting.form.read(&preset).is_some(), "{} = {preset}", setting.key);
            assert!(!setting.help.is_empty() && !setting.help.ends_with('.'), "{}", setting.key);
            assert_eq!(setting.flag == Flag::Switch, setting.value_name.is_empty(), "{}", setting.key);
        }
    }

    #[test]
    fn no_time_is_longer_than_an_hour() {
        for setting in all() {
            if let Form::Millis(_, most) | Form::Duration(_, most) = setting.form {
                assert!(most <= 3_600_000, "{}", setting.key);
            }
        }
    }

    #[test]
    fn spellings() {
        assert_eq!(flag("data_dir"), "--data-dir");
        assert_eq!(flag("toys.heavy_ms"), "--toys-heavy-ms");
        assert_eq!((flag("log.servers"), variable("log.servers")), ("--log".into(), "PIXELD_LOG".into()));
        assert_eq!(flag("limits.header_bytes"), "--limit header_bytes");
        assert_eq!(
            (flag("keep.pixel"), variable("keep.pixel")),
            ("--keep pixel".into(), "PIXELD_KEEP_PIXEL".into())
        );
        assert_eq!(variable("limits.header_bytes"), "PIXELD_LIMITS_HEADER_BYTES");
    }

    #[test]
    fn hints_name_what_was_meant() {
        assert_eq!(hint("durabilty"), "did you mean \"durability\"?");
        assert_eq!(hint("limits.header_byte"), "did you mean \"limits.header_bytes\"?");
        for far in ["bogus", "a", "", "xy"] {
            assert_eq!(hint(far), "`pixeld serve --print-config` lists all keys", "{far}");
        }
        assert_eq!(hint("core"), "did you mean \"cores\"?");
        assert_eq!(hint("paps"), "did you mean \"apps\"?");
        assert_eq!(hint("zzzzzzzzzz"), "`pixeld serve --print-config` lists all keys");
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
