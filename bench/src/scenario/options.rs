//! Options of a measurement that are kept in a file: a key is the long name of an option.

use std::ffi::OsString;
use toml::{Table, Value};

/// Returns whether the command line has this option too. Only lists need that: clap adds theirs up and takes the last of others,
/// so of the short names only the one of a list counts.
#[must_use]
pub fn is_given(name: &str, own: &[OsString]) -> bool {
    let long = format!("--{name}");
    own.iter().filter_map(|word| word.to_str()).any(|word| {
        word.strip_prefix(&long).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            || (name == "header" && word.starts_with("-H"))
    })
}

/// Returns the options of a file as words: `pipeline = 16` is `--pipeline=16`, `poisson = true` is `--poisson`, and each value of a
/// list stands for itself. Those for which `is_given` holds are left out.
///
/// # Errors
/// Returns a sentence for what is not a TOML, or a value that no option takes.
pub fn words(text: &str, is_given: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    if table.contains_key("scenario") {
        return Err("a scenario names no further one; leave `scenario` out".into());
    }
    let mut words = Vec::new();
    for (name, value) in table.iter().filter(|(name, _)| !is_given(name)) {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        for value in values {
            match value {
                Value::Boolean(true) => words.push(format!("--{name}")),
                Value::Boolean(false) => {}
                Value::String(text) => words.push(format!("--{name}={text}")),
                Value::Integer(number) => words.push(format!("--{name}={number}")),
                Value::Float(number) => words.push(format!("--{name}={number}")),
                _ => return Err(format!("`{name}` is neither text, number, true, false nor a list of them")),
            }
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_by_table() {
        for (text, expected) in [
            ("", &[][..]),
            ("duration = \"3s\"\npipeline = 16", &["--duration=3s", "--pipeline=16"]),
            ("poisson = true\nverify = false", &["--poisson"]),
            (
                "goal = [\"p99<2ms\", \"errors=0\"]\nsteps = [100, 200]",
                &["--goal=p99<2ms", "--goal=errors=0", "--steps=100", "--steps=200"],
            ),
        ] {
            assert_eq!(words(text, |_| false).unwrap(), expected, "{text}");
        }
        assert!(words("[load]\nrate = 1", |_| false).unwrap_err().contains("`load`"));
        assert!(words("rate =", |_| false).is_err());
    }

    #[test]
    fn the_command_line_replaces_a_list() {
        let own = ["--steps=5", "-H", "a: b", "--goals-of-others"].map(OsString::from);
        for (name, expected) in [("steps", true), ("header", true), ("goal", false), ("step-duration", false)]
        {
            assert_eq!(is_given(name, &own), expected, "{name}");
        }
        let kept = words("steps = [1, 2]\ngoal = \"errors=0\"", |name| is_given(name, &own)).unwrap();
        assert_eq!(kept, ["--goal=errors=0"]);
    }
}
