//! The keys about who may do what: a row for each, and the rules that they come to.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::effective::Config;
use super::error::{ConfigError, Origin};
use super::table::{Row, row};
use crate::apps::registry;
use crate::base::limits::TOKENS_FILE_BYTES_MAX;
use crate::base::setting::{Form, Preset, Setting};
use crate::engine::shared::access::Rules;
use crate::engine::shared::access::tokens::Tokens;

const PATH: Form = Form::Or("none", "", &Form::Text("a path", |text| !text.is_empty()));

/// Every setting about who may do what.
pub static ROWS: [Row; 2] = [
    row(
        Setting::new(
            "tokens",
            "FILE",
            "File of the tokens that requests need, a line NAME SCOPES SHA256 for each, as `pixeld token new` prints it; \
             without one everybody may do everything",
            PATH,
            Preset::Text("none"),
        )
        .reloads(),
        |config, value| config.access.tokens = value.text().map(|path| Path::new(path).into()),
    ),
    row(
        Setting::switch("open", "Say nothing of it at the start that everybody may do everything"),
        |config, value| config.access.open = value.is_true(),
    ),
];

/// Returns the rules that this configuration comes to. Reads the files that it names.
///
/// # Errors
/// Returns what is wrong with a file; `origin` says where a key was set.
pub(super) fn rules(config: &Config, origin: impl Fn(&str) -> Origin) -> Result<Arc<Rules>, ConfigError> {
    let tokens = match &config.access.tokens {
        None => None,
        Some(path) => Some(tokens(path, origin("tokens"))?),
    };
    Ok(Arc::new(Rules { tokens }))
}

fn tokens(path: &Path, origin: Origin) -> Result<Tokens, ConfigError> {
    let unreadable =
        |reason: String| ConfigError::Unreadable { origin: origin.clone(), path: path.into(), reason };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    file.take(TOKENS_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > TOKENS_FILE_BYTES_MAX {
        return Err(unreadable(format!("it has more than {TOKENS_FILE_BYTES_MAX} bytes")));
    }
    Tokens::parse(&text, &registry::names()).map_err(|bad| ConfigError::Tokens {
        path: path.into(),
        line: bad.line,
        reason: bad.reason,
    })
}
