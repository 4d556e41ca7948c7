//! What was set where, as text: the flags, the environment and the file, merged by precedence.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use super::keys;
use crate::os::regular;

/// The variable that names the configuration file, beside the flag `--config`.
const CONFIG_VARIABLE: &str = "PIXELD_CONFIG";
/// Begins the names of variables that are for this project's tests, which servers that a test starts inherit.
const TESTS_PREFIX: &str = "PIXELD_TESTS_";
/// Begins the names of variables of the load generator, which a shell may have beside those of a server.
const BENCH_PREFIX: &str = "PIXELD_BENCH_";
/// The cluster that `pixeld init` joins, which what runs before a server may share with it.
const JOIN_VARIABLE: &str = "PIXELD_JOIN";

/// The variable that names a client's token; a shell may have it beside those of a server.
const TOKEN_FILE_VARIABLE: &str = "PIXELD_TOKEN_FILE";

/// A variable that is there in every pod of Kubernetes.
const POD_VARIABLE: &str = "KUBERNETES_SERVICE_HOST";

/// Everything a configuration is made from; kept by the server, which reads the file again on SIGHUP.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Keys set by flags, with their values.
    pub flags: Vec<(String, Vec<String>)>,
    /// The environment; variables that do not start with `PIXELD_` are passed over.
    pub environment: Vec<(String, String)>,
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
}

/// The values of one key at the place that won.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// One for each element; keys that are no lists have one.
    pub values: Vec<String>,
    /// Where they were set.
    pub origin: Origin,
}

/// The winning values of all keys that were set anywhere.
pub type Merged = BTreeMap<String, Raw>;

/// Collects the three sources. Keys that there are not are added to `errors`, as is a file that cannot be read.
pub fn merge(sources: &Sources, errors: &mut Vec<ConfigError>) -> Merged {
    let mut merged = Merged::new();
    if let Some((path, origin)) = file_named(sources) {
        match regular::read_text(&path, u64::MAX) {
            Ok(text) => from_file(&path, &text, &mut merged, errors),
            Err(error) => errors.push(ConfigError::Unreadable { origin, path, reason: error.to_string() }),
        }
    }
    from_environment(&sources.environment, &mut merged, errors);
    for (key, values) in &sources.flags {
        let origin = Origin::Flag(keys::flag(key));
        if keys::named(key).is_some() {
            merged.insert(key.clone(), Raw { values: values.clone(), origin });
        } else {
            errors.push(unknown(origin, key));
        }
    }
    merged
}

fn file_named(sources: &Sources) -> Option<(PathBuf, Origin)> {
    let flag = sources.file.clone().map(|path| (path, Origin::Flag("--config".to_owned())));
    flag.or_else(|| {
        let (_, path) = sources.environment.iter().find(|(name, _)| name == CONFIG_VARIABLE)?;
        Some((path.into(), Origin::Environment(CONFIG_VARIABLE.to_owned())))
    })
}

fn unknown(origin: Origin, key: &str) -> ConfigError {
    ConfigError::Key { origin, key: key.to_owned(), hint: keys::hint(key) }
}

/// Returns whether Kubernetes made this variable for a Service whose name begins with `pixeld`: it puts the Service's address and
/// ports into every pod of the namespace, which says nothing about our configuration.
fn is_of_a_service(name: &str) -> bool {
    let is_port = |rest: &str| rest.is_empty() || rest.starts_with('_');
    let behind = |word: &str| name.find(word).is_some_and(|at| is_port(&name[at + word.len()..]));
    name.ends_with("_SERVICE_HOST") || behind("_SERVICE_PORT") || behind("_PORT")
}

fn from_environment(environment: &[(String, String)], merged: &mut Merged, errors: &mut Vec<ConfigError>) {
    let in_pod = environment.iter().any(|(name, _)| name == POD_VARIABLE);
    for (name, value) in environment {
        let is_of_another = [TOKEN_FILE_VARIABLE, JOIN_VARIABLE].contains(&name.as_str())
            || name.starts_with(TESTS_PREFIX)
            || name.starts_with(BENCH_PREFIX);
        let is_foreign = is_of_another || (in_pod && is_of_a_service(name));
        if !name.starts_with("PIXELD_") || name == CONFIG_VARIABLE || is_foreign {
            continue;
        }
        let origin = Origin::Environment(name.clone());
        match keys::all().find(|setting| keys::variable(setting.key) == *name) {
            Some(setting) => {
                drop(merged.insert(setting.key.to_owned(), Raw { values: vec![value.clone()], origin }));
            }
            None => {
                let written = name.trim_start_matches("PIXELD_").to_lowercase();
                errors.push(unknown(origin, &written.replacen("limits_", "limits.", 1)));
            }
        }
    }
}

fn from_file(path: &Path, text: &str, merged: &mut Merged, errors: &mut Vec<ConfigError>) {
    let at = |span: Range<usize>| {
        let before = &text.as_bytes()[..span.start.min(text.len())];
        Origin::File(path.to_owned(), 1 + before.iter().filter(|byte| **byte == b'\n').count())
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let origin = at(error.span().unwrap_or_default());
            errors.push(ConfigError::Syntax { origin, reason: error.message().to_owned() });
            return;
        }
    };
    collect("", table.get_ref(), &at, merged, errors);
}

/// Adds the keys of `table`, whose own name is `prefix` with a dot, or empty for the file itself.
fn collect(
    prefix: &str,
    table: &DeTable<'_>,
    at: &dyn Fn(Range<usize>) -> Origin,
    merged: &mut Merged,
    errors: &mut Vec<ConfigError>,
) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref().replace('-', "_"));
        let origin = at(name.span());
        if let DeValue::Table(inner) = value.get_ref()
            && keys::all().any(|setting| setting.table() == key)
        {
            collect(&format!("{key}."), inner, at, merged, errors);
        } else if keys::named(&key).is_none() {
            errors.push(unknown(origin, &key));
        } else {
            match texts(value.get_ref()) {
                Some(values) => drop(merged.insert(key, Raw { values, origin })),
                None => errors.push(ConfigError::Value {
                    origin,
                    key,
                    value: value.get_ref().type_str().to_owned(),
                    allowed: "a string, a number, true or false, or a list of those".to_owned(),
                }),
            }
        }
    }
}

/// Returns a value of the file as texts, one for each element of a list.
fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::Array(items) => {
            let inner = items.iter().map(|item| texts(item.get_ref()).filter(|texts| texts.len() == 1));
            Some(inner.collect::<Option<Vec<_>>>()?.concat())
        }
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Boolean(truth) => Some(vec![truth.to_string()]),
        DeValue::Integer(number) => {
            Some(vec![i64::from_str_radix(number.as_str(), number.radix()).ok()?.to_string()])
        }
        DeValue::Float(number) => Some(vec![number.as_str().to_owned()]),
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_tests_of_the_load_generator_and_of_init_are_no_settings() {
        let (mut errors, mut merged) = (Vec::new(), Merged::new());
        let environment = ["PIXELD_TESTS_STRICT", "PIXELD_BENCH_TOKEN", TOKEN_FILE_VARIABLE, JOIN_VARIABLE]
            .map(|name| (name.to_owned(), "1".to_owned()));
        from_environment(&environment, &mut merged, &mut errors);
        assert!(errors.is_empty() && merged.is_empty());
        let is_ours = |name: String| {
            name == JOIN_VARIABLE
                || [TESTS_PREFIX, BENCH_PREFIX].iter().any(|prefix| name.starts_with(prefix))
        };
        assert!(!keys::all().any(|setting| is_ours(keys::variable(setting.key))));
    }

    #[test]
    fn in_a_pod_variables_of_services_are_not_ours() {
        let foreign = [
            "PIXELD_SERVICE_HOST",
            "PIXELD_SERVICE_PORT",
            "PIXELD_SERVICE_PORT_HTTP",
            "PIXELD_PORT",
            "PIXELD_PORT_8000_TCP_ADDR",
            "PIXELD_0_SERVICE_HOST",
        ];
        let all = foreign.iter().chain(&["PIXELD_DATADIR"]).map(|name| ((*name).to_owned(), "x".to_owned()));
        let mut environment: Vec<_> = all.collect();
        let unknown = |environment: &[(String, String)]| {
            let (mut errors, mut merged) = (Vec::new(), Merged::new());
            from_environment(environment, &mut merged, &mut errors);
            assert!(merged.is_empty());
            errors.len()
        };
        assert_eq!(unknown(&environment), 7, "elsewhere a mistake is told");
        environment.push((POD_VARIABLE.to_owned(), "10.0.0.1".to_owned()));
        assert_eq!(unknown(&environment), 1, "a mistake is told in a pod too");
        assert!(
            keys::all().all(|setting| !is_of_a_service(&keys::variable(setting.key))),
            "no key of ours is passed over"
        );
    }
}
