//! The tables of `docs/configuration.md`, made from the settings.

use std::fmt::Write as _;

use super::keys;
use crate::base::setting::{Flag, Setting};

/// Stands in the document in front of what is made here.
pub const MARK: &str =
    "<!-- Made from the table of settings; tests/documents says how to make it again. -->\n";

/// Returns the document's part about the single settings, in Markdown: a table for each table of the file.
#[must_use]
pub fn settings() -> String {
    let mut tables: Vec<&str> = keys::all().map(Setting::table).collect();
    tables.sort_unstable();
    tables.dedup();
    let mut text = String::new();
    for table in tables {
        let title = if table.is_empty() { "Outside of tables".to_owned() } else { format!("`[{table}]`") };
        let _ = write!(
            text,
            "\n## {title}\n\n| key | meaning | default | allowed | on SIGHUP |\n|---|---|---|---|---|\n"
        );
        keys::all().filter(|setting| setting.table() == table).for_each(|setting| line(setting, &mut text));
    }
    text
}

/// Appends a setting's line.
fn line(setting: &Setting, text: &mut String) {
    let name = setting.key.split_once('.').map_or(setting.key, |(_, name)| name);
    let default = setting.default_words().unwrap_or_else(|| "none".to_owned());
    let taken = if setting.reloads { "taken over" } else { "needs a restart" };
    let cells = [setting.help, &default, &setting.form.allowed()].map(escaped);
    let flag = match setting.flag {
        Flag::Limit => format!("`{name}`, a limit"),
        Flag::Keep => format!("`{name}`, by `--keep`"),
        Flag::Value | Flag::Switch => match setting.long {
            Some(long) => format!("`{name}`, by `--{long}`"),
            None => format!("`{name}`"),
        },
    };
    let _ = writeln!(text, "| {flag} | {} | {taken} |", cells.join(" | "));
}

/// Returns a text that stays in its cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}
