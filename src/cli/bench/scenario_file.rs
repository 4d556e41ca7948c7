//! `--scenario FILE`: options of a measurement kept in a file, which the command line overrules.

use super::measure::Measure;
use clap::Parser;
use pixeld_bench::input;
use pixeld_bench::scenario::options;
use std::env;
use std::ffi::OsString;
use std::path::Path;

/// A measurement without the rest of the command line. Of an option that is given twice the last value counts.
#[derive(Debug, Parser)]
#[command(name = "pixeld bench", args_override_self = true, disable_help_flag = true)]
struct Alone {
    #[command(flatten)]
    measure: Measure,
}

/// Returns the measurement that the file and, with the last word, the arguments of this process describe.
///
/// # Errors
/// Returns a sentence that names the file and what is wrong in it; conflicts and values as clap tells them.
pub(super) fn measurement(file: &Path) -> Result<Measure, String> {
    let text =
        input::text(file, input::SETTINGS_BYTES_MAX).map_err(|error| format!("--scenario: {error}"))?;
    let own: Vec<OsString> = env::args_os().skip_while(|word| word != "bench").skip(1).collect();
    let words = options::words(&text, |name| options::is_given(name, &own))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let line = ["pixeld bench".into()].into_iter().chain(words.into_iter().map(OsString::from)).chain(own);
    Alone::try_parse_from(line)
        .map(|alone| alone.measure)
        .map_err(|error| format!("{}: {}", file.display(), error.render().to_string().trim_end()))
}
