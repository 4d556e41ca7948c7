//! Settings as data: a row for each key, with its form, its default and its meaning.
//!
//! Everything that speaks of settings is made from such rows: flags and their help, variables, the file, the printed
//! configuration and `docs/configuration.md`. An application keeps its rows in its own folder, the server's own stand in
//! `config/table.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::units;

/// A row of the table of settings.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key as the file spells it, with its table before a dot: `workers`, `blobs.store`.
    pub key: &'static str,
    /// The word that stands for a value in the help: `N`, `SIZE`.
    pub value_name: &'static str,
    /// What it means, without a full stop: the flag's help and the line of the documents.
    pub help: &'static str,
    /// What may be written.
    pub form: Form,
    /// The value where nobody has set one.
    pub default: Preset,
    /// How it is set on the command line.
    pub flag: Flag,
    /// The flag's letter, if it has one.
    pub short: Option<char>,
    /// The flag's name, and the variable's behind its prefix, where they are not the key's.
    pub long: Option<&'static str>,
    /// Whether a running server takes a new value over on SIGHUP; otherwise it needs a restart.
    pub reloads: bool,
}

/// How a setting is set on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// By a flag of its name and a value.
    Value,
    /// By a flag of its name alone, which says `true`.
    Switch,
    /// By `--limit NAME=VALUE`.
    Limit,
    /// By `--keep NAME=VALUE`, repeatable.
    Keep,
}

/// The value of a setting that nobody has set.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// A text, as it might be written.
    Text(&'static str),
    /// A number in the unit of the form: bytes, milliseconds, a count.
    Number(u64),
    /// Depends on the machine or on what this program is made of.
    Made {
        /// What it is, for the help and the documents.
        words: &'static str,
        /// Makes the text from the settings read so far and the number of cores that the process may use.
        make: fn(&Values, usize) -> String,
    },
}

/// What a value may look like.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// `true` or `false`.
    Truth,
    /// A whole number between two bounds, both of which are allowed.
    Number(u64, u64),
    /// A number of bytes between two bounds, a multiple of the third number.
    Size(u64, u64, u64),
    /// Bytes per second between two bounds, written as a size.
    Rate(u64, u64),
    /// A duration between two bounds in milliseconds; its unit has to be written.
    Duration(u64, u64),
    /// A duration between two bounds in milliseconds, for a key that names the unit: a number alone is milliseconds.
    Millis(u64, u64),
    /// One of some words, in letters of either case.
    Word(&'static [&'static str]),
    /// A text that a function accepts, and what such a text looks like.
    Text(&'static str, fn(&str) -> bool),
    /// Numbers of cores, with ranges.
    Cores,
    /// Texts in a list, each once and at least one, as [`Form::Text`].
    List(fn() -> String, fn(&str) -> bool),
    /// A word that stands for no value, with what that means, or another form.
    Or(&'static str, &'static str, &'static Form),
}

/// A value that its form has allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A truth.
    Truth(bool),
    /// A number, in the unit of the form.
    Number(u64),
    /// A text or a word.
    Text(String),
    /// The elements of a list.
    List(Vec<String>),
    /// The word that stands for no value.
    Nothing,
}

impl Setting {
    /// Returns a row that has a flag with a value and needs a restart.
    #[must_use]
    pub const fn new(
        key: &'static str,
        value_name: &'static str,
        help: &'static str,
        form: Form,
        default: Preset,
    ) -> Self {
        Self {
            key,
            value_name,
            help,
            form,
            default,
            flag: Flag::Value,
            short: None,
            long: None,
            reloads: false,
        }
    }

    /// Returns the row of a bound: it is set by `--limit`, and a running server takes over a new one.
    #[must_use]
    pub const fn limit(key: &'static str, help: &'static str, form: Form, default: u64) -> Self {
        let row = Self::new(key, "VALUE", help, form, Preset::Number(default));
        Self { flag: Flag::Limit, reloads: true, ..row }
    }

    /// Returns the row of how much of something is kept: it is set by `--keep`, and needs a restart.
    #[must_use]
    pub const fn keep(key: &'static str, help: &'static str, form: Form, default: &'static str) -> Self {
        let row = Self::new(key, "LIMIT", help, form, Preset::Text(default));
        Self { flag: Flag::Keep, ..row }
    }

    /// Returns the row of a truth that is false unless its flag, which takes no value, is there.
    #[must_use]
    pub const fn switch(key: &'static str, help: &'static str) -> Self {
        Self { flag: Flag::Switch, ..Self::new(key, "", help, Form::Truth, Preset::Text("false")) }
    }

    /// Returns the row with a letter for its flag.
    #[must_use]
    pub const fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }

    /// Returns the row with a flag of another name than the key's.
    #[must_use]
    pub const fn named(self, long: &'static str) -> Self {
        Self { long: Some(long), ..self }
    }

    /// Returns the row of a setting that a running server takes over.
    #[must_use]
    pub const fn reloads(self) -> Self {
        Self { reloads: true, ..self }
    }

    /// Returns the default as text, for `cores` cores and beside what has been `read`.
    #[must_use]
    pub fn preset(&self, read: &Values, cores: usize) -> String {
        match self.default {
            Preset::Text(text) => text.to_owned(),
            Preset::Number(number) => self.form.show(&Value::Number(number)),
            Preset::Made { make, .. } => make(read, cores),
        }
    }

    /// Returns the default in words for the help and the documents, nothing where the default is that there is no value.
    #[must_use]
    pub fn default_words(&self) -> Option<String> {
        match (self.default, self.form) {
            (Preset::Made { words, .. }, _) => Some(words.to_owned()),
            (Preset::Text(text), Form::Or(word, "", _)) if text == word => None,
            (Preset::Text(text), Form::Or(word, meaning, _)) if text == word => {
                Some(format!("{text}, {meaning}"))
            }
            _ => Some(self.preset(&Values::default(), 1)),
        }
    }

    /// Returns the table that the key stands in; empty for the file itself.
    #[must_use]
    pub fn table(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(table, _)| table)
    }

    fn usual(&self) -> Value {
        match self.default {
            Preset::Number(number) => Value::Number(number),
            _ => self.form.read(&self.preset(&Values::default(), 1)).unwrap_or(Value::Nothing),
        }
    }
}

impl Form {
    /// Returns what `text` says, or nothing where it has another form or is out of bounds. A list is one text with commas.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Value> {
        let bounded = |number: Option<u64>, least: u64, most: u64| {
            number.filter(|number| (least..=most).contains(number)).map(Value::Number)
        };
        match *self {
            Self::Truth => text.parse().ok().map(Value::Truth),
            Self::Number(least, most) => bounded(text.parse().ok(), least, most),
            Self::Size(least, most, multiple) => {
                bounded(units::size(text).filter(|bytes| bytes.is_multiple_of(multiple)), least, most)
            }
            Self::Rate(least, most) => bounded(units::size(text), least, most),
            Self::Duration(least, most) => bounded(units::duration_ms(text), least, most),
            Self::Millis(least, most) => {
                bounded(text.parse().ok().or_else(|| units::duration_ms(text)), least, most)
            }
            Self::Word(words) => {
                let word = words.iter().find(|word| word.eq_ignore_ascii_case(text))?;
                Some(Value::Text((*word).to_owned()))
            }
            Self::Cores => units::cores(text).map(|_| Value::Text(text.to_owned())),
            Self::Text(_, is_allowed) => is_allowed(text).then(|| Value::Text(text.to_owned())),
            Self::List(_, is_allowed) => {
                let elements: Vec<String> =
                    text.split(',').map(|element| element.trim().to_owned()).collect();
                elements.iter().all(|element| is_allowed(element)).then_some(Value::List(elements))
            }
            Self::Or(word, _, _) if text == word => Some(Value::Nothing),
            Self::Or(_, _, form) => form.read(text),
        }
    }

    /// Returns what is allowed, for errors and documents.
    #[must_use]
    pub fn allowed(&self) -> String {
        let sizes = |least, most| (units::show_size(least), units::show_size(most));
        let times = |least, most| (units::show_duration(least), units::show_duration(most));
        let (form, (least, most)) = match *self {
            Self::Truth => return "true or false".to_owned(),
            Self::Word(words) => return alternatives(words),
            Self::Text(form, _) => return form.to_owned(),
            Self::Cores => return units::CORES_FORM.to_owned(),
            Self::List(form, _) => return form(),
            Self::Or(word, "", form) => return format!("{word}, or {}", form.allowed()),
            Self::Or(word, meaning, form) => return format!("{word} ({meaning}), or {}", form.allowed()),
            Self::Size(_, u64::MAX, _) => return units::SIZE_FORM.to_owned(),
            Self::Number(least, most) => ("a number", (least.to_string(), most.to_string())),
            Self::Size(least, most, _) => ("a size", sizes(least, most)),
            Self::Rate(least, most) => ("bytes per second", sizes(least, most)),
            Self::Duration(least, most) => (units::DURATION_FORM, times(least, most)),
            Self::Millis(least, most) => ("a duration (a number alone is milliseconds)", times(least, most)),
        };
        let multiple = match *self {
            Self::Size(_, _, multiple) if multiple > 1 => {
                format!(", a multiple of {}", units::show_size(multiple))
            }
            _ => String::new(),
        };
        format!("{form} from {least} to {most}{multiple}")
    }

    /// Returns a value as it may be written.
    #[must_use]
    pub fn show(&self, value: &Value) -> String {
        match (self, value) {
            (Self::Or(word, _, _), Value::Nothing) => (*word).to_owned(),
            (Self::Or(_, _, form), value) => form.show(value),
            (Self::Size(..) | Self::Rate(..), Value::Number(bytes)) => units::show_size(*bytes),
            (Self::Duration(..) | Self::Millis(..), Value::Number(ms)) => units::show_duration(*ms),
            (_, Value::Number(number)) => number.to_string(),
            (_, Value::Truth(truth)) => truth.to_string(),
            (_, Value::Text(text)) => text.clone(),
            (_, Value::List(elements)) => elements.join(","),
            (_, Value::Nothing) => String::new(),
        }
    }

    /// Returns whether the file may have a list where flags have one text.
    #[must_use]
    pub fn joins(&self) -> bool {
        match self {
            Self::Cores | Self::List(..) => true,
            Self::Or(_, _, form) => form.joins(),
            _ => false,
        }
    }

    /// Returns the words that may be written, for completions; none where there are too many.
    #[must_use]
    pub fn words(&self) -> &'static [&'static str] {
        match self {
            Self::Truth => &["true", "false"],
            Self::Word(words) => words,
            _ => &[],
        }
    }
}

/// Returns words as alternatives: `a, b or c`.
fn alternatives(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}

impl Value {
    /// Returns the number, or nothing for a value that is no number.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the text, or nothing for a value that is no text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a number of milliseconds as a duration; zero for a value that is no number.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.number().unwrap_or(0))
    }

    /// Returns the elements of a list; an empty slice for a value that is no list.
    #[must_use]
    pub fn elements(&self) -> &[String] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }

    /// Returns whether it says `true`.
    #[must_use]
    pub fn is_true(&self) -> bool {
        *self == Self::Truth(true)
    }
}

/// Values of settings by their keys. A setting that is not among them has its default, so that an empty one is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<&'static str, Value>);

impl Values {
    /// Makes values of which none is set: every setting has its default.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets the value of a setting, which its form has allowed.
    pub fn set(&mut self, setting: &Setting, value: Value) {
        self.0.insert(setting.key, value);
    }

    /// Returns the value of a setting.
    #[must_use]
    pub fn get(&self, setting: &Setting) -> Value {
        self.0.get(setting.key).cloned().unwrap_or_else(|| setting.usual())
    }

    /// Returns a number in its form's unit; 0 for a setting that has none.
    #[must_use]
    pub fn number(&self, setting: &Setting) -> u64 {
        match (self.0.get(setting.key), setting.default) {
            (Some(value), _) => value.number().unwrap_or(0),
            (None, Preset::Number(number)) => number,
            (None, _) => setting.usual().number().unwrap_or(0),
        }
    }

    /// Returns a number of bytes or of things.
    #[must_use]
    pub fn size(&self, setting: &Setting) -> usize {
        usize::try_from(self.number(setting)).unwrap_or(usize::MAX)
    }

    /// Returns a number of milliseconds as a duration.
    #[must_use]
    pub fn duration(&self, setting: &Setting) -> Duration {
        Duration::from_millis(self.number(setting))
    }

    /// Returns whether the setting is `true`.
    #[must_use]
    pub fn is_true(&self, setting: &Setting) -> bool {
        self.get(setting).is_true()
    }

    /// Returns a text; empty for a setting that has none.
    #[must_use]
    pub fn text(&self, setting: &Setting) -> String {
        self.get(setting).text().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_reads_what_it_shows_and_refuses_what_is_beyond_its_bounds() {
        const SIZE: Form = Form::Size(4096, 1 << 20, 4096);
        for (form, right, wrong) in [
            (Form::Truth, &["true", "false"][..], &["yes", "", "1"][..]),
            (Form::Number(2, 9), &["2", "9"], &["1", "10", "-3", "2s", ""]),
            (SIZE, &["4KiB", "1MiB"], &["5000", "2MiB", "0"]),
            (Form::Rate(0, 1024), &["0", "1KiB"], &["1025", "fast"]),
            (Form::Duration(0, 60_000), &["0ms", "1m"], &["5", "61s"]),
            (Form::Millis(10, 60_000), &["10ms", "1m"], &["9", "61s"]),
            (Form::Word(&["a", "b"]), &["a", "b"], &["c", ""]),
            (Form::Cores, &["0,2-3", "7"], &["3-1", "a", ""]),
            (Form::Or("auto", "as many", &SIZE), &["auto", "8KiB"], &["none", "5000"]),
            (Form::List(String::new, |text| text.len() == 1), &["a,b", "c"], &["ab", ""]),
        ] {
            for text in right {
                let value = form.read(text).unwrap_or_else(|| panic!("{form:?} takes {text}"));
                assert_eq!(form.show(&value), *text);
            }
            for text in wrong {
                assert_eq!(form.read(text), None, "{form:?} refuses {text:?}");
            }
        }
        assert_eq!(Form::Millis(10, 60_000).read("250"), Some(Value::Number(250)), "a number alone");
    }

    #[test]
    fn what_is_allowed_is_said_with_bounds() {
        assert_eq!(Form::Number(1, 64).allowed(), "a number from 1 to 64");
        assert_eq!(Form::Size(4096, 1 << 30, 4096).allowed(), "a size from 4KiB to 1GiB, a multiple of 4KiB");
        assert_eq!(Form::Word(&["memory", "disk", "both"]).allowed(), "memory, disk or both");
        assert_eq!(
            Form::Or("auto", "half", &Form::Number(1, 2)).allowed(),
            "auto (half), or a number from 1 to 2"
        );
        assert_eq!(Form::Or("none", "", &Form::Truth).allowed(), "none, or true or false");
    }

    #[test]
    fn values_that_nobody_set_are_the_defaults() {
        const SIDE: Setting = Setting::limit("game.side", "Side of the board", Form::Number(3, 19), 8);
        const NAME: Setting =
            Setting::new("game.name", "NAME", "Its name", Form::Truth, Preset::Text("true"));
        let mut values = Values::default();
        assert_eq!((values.number(&SIDE), values.is_true(&NAME)), (8, true));
        values.set(&SIDE, Value::Number(19));
        assert_eq!(
            (values.size(&SIDE), SIDE.table(), SIDE.default_words().as_deref()),
            (19, "game", Some("8"))
        );
    }
}
