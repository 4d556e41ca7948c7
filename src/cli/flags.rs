//! The flags of `pixeld serve` that set something, made from the table of settings.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::base::setting::{Flag, Form, Setting};
use crate::config::keys;

/// Keys that flags have set, each with its values.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingFlags(pub Vec<(String, Vec<String>)>);

/// The flags for what has no flag of its own.
const LIMIT: &str = "limit";
const KEEP: &str = "keep";

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let has_own = |setting: &&Setting| matches!(setting.flag, Flag::Value | Flag::Switch);
        let limits =
            "A bound such as idle_ms=5s or board.max_picture=5MiB, repeatable; --print-config lists all";
        let keeps = "How much of an application's newest data is kept, such as pixel=30d, pixel=500GiB or board=100000, \
                     repeatable: what is beyond any of these limits is removed [default: everything]";
        command
            .args(keys::all().filter(has_own).map(arg))
            .arg(pairs(KEEP, "APP=LIMIT", keeps).value_parser(keep))
            .arg(pairs(LIMIT, "NAME=VALUE", limits).value_parser(limit))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in keys::all() {
            let values: Vec<String> = match setting.flag {
                Flag::Switch if matches.get_flag(setting.key) => vec!["true".to_owned()],
                Flag::Value => matches.get_many(setting.key).into_iter().flatten().cloned().collect(),
                Flag::Switch | Flag::Limit | Flag::Keep => Vec::new(),
            };
            if !values.is_empty() {
                self.0.push((setting.key.to_owned(), values));
            }
        }
        let limits = matches.get_many::<(String, String)>(LIMIT).into_iter().flatten();
        self.0.extend(limits.map(|(name, value)| (limit_key(name), vec![value.clone()])));
        for (name, value) in matches.get_many::<(String, String)>(KEEP).into_iter().flatten() {
            let key = format!("keep.{name}");
            match self.0.iter_mut().find(|(other, _)| *other == key) {
                Some((_, values)) => values.push(value.clone()),
                None => self.0.push((key, vec![value.clone()])),
            }
        }
        Ok(())
    }
}

/// Returns the flag of one setting. Values are read with those of the file and the environment, so that all errors are reported
/// at once.
fn arg(setting: &Setting) -> Arg {
    // The command line is built once in the life of a process.
    let long: &'static str = keys::long(setting.key).leak();
    let arg = Arg::new(setting.key).long(long).help(help(setting));
    let arg = if let Some(letter) = setting.short { arg.short(letter) } else { arg };
    match (setting.flag, setting.form) {
        (Flag::Switch, _) => arg.action(ArgAction::SetTrue),
        (_, Form::List(..) | Form::Or(_, _, &Form::List(..))) => {
            arg.value_name(setting.value_name).action(ArgAction::Append)
        }
        _ => arg.value_name(setting.value_name),
    }
}

fn help(setting: &Setting) -> String {
    let words = setting.form.words();
    let is_said = words.is_empty()
        || setting.flag == Flag::Switch
        || words.iter().all(|word| setting.help.contains(word));
    let allowed = if is_said { String::new() } else { format!(": {}", setting.form.allowed()) };
    match setting.default_words().filter(|_| setting.flag != Flag::Switch) {
        Some(default) => format!("{}{allowed} [default: {default}]", setting.help),
        None => format!("{}{allowed}", setting.help),
    }
}

/// Returns a repeatable flag whose values have a name.
fn pairs(long: &'static str, value_name: &'static str, help: &'static str) -> Arg {
    Arg::new(long).long(long).value_name(value_name).help(help).action(ArgAction::Append)
}

fn limit(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "NAME=VALUE is needed, such as idle_ms=5s".to_owned())
}

fn keep(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "APP=LIMIT is needed, such as pixel=30d".to_owned())
}

fn pair(text: &str) -> Option<(String, String)> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// Returns the key of a limit; those of applications stand in tables of their own.
fn limit_key(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("limits.{name}") }
}

/// Returns `serve` with the words that its flags take, for completions.
pub(super) fn with_words(serve: Command) -> Command {
    let with_words =
        keys::all().filter(|setting| setting.flag == Flag::Value && !setting.form.words().is_empty());
    with_words.fold(serve, |serve, setting| {
        let words = PossibleValuesParser::new(setting.form.words());
        serve.mut_arg(setting.key, |arg| arg.value_parser(words))
    })
}
