//! Where requests and bodies are read from: the command line, files, stdin.

use crate::os::output;
use pixeld_bench::input::{self, REQUESTS_BYTES_MAX};
use pixeld_bench::quantity::whole;
use pixeld_bench::scenario::mix::Mix;
use pixeld_bench::scenario::requests_file;
use pixeld_bench::scenario::template::Template;
use std::path::{Path, PathBuf};

/// The value of `--requests`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Requests {
    /// A number, as `-n` takes it.
    Number(u64),
    /// A file of requests.
    File(PathBuf),
}

impl Requests {
    /// Reads a number or else a path.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match whole(text) {
            Ok(number) => Ok(Self::Number(number)),
            Err(error)
                if text.bytes().next().is_some_and(|b| b.is_ascii_digit()) && !Path::new(text).exists() =>
            {
                Err(error)
            }
            Err(_) => Ok(Self::File(text.into())),
        }
    }
}

/// Reads a file of requests, to each of which `headers` are added. Says how many lines of a log are left out.
pub(super) fn mix(file: &Path, headers: &[(String, String)]) -> Result<Mix, String> {
    let text = input::text(file, REQUESTS_BYTES_MAX)?;
    let (mix, left_out) =
        requests_file::parse(&text, headers).map_err(|error| format!("{}: {error}", file.display()))?;
    if left_out.lines > 0 {
        output::report(format_args!("pixeld bench: {}: {left_out}", file.display()));
    }
    Ok(mix)
}

/// Compiles a template.
pub(super) fn compile(text: &str) -> Result<Template, String> {
    Template::compile(text).map_err(|error| error.to_string())
}

/// Makes a template of a body, or of the file that it names with `@`.
pub(super) fn body_template(body: &str) -> Result<Template, String> {
    let Some(file) = body.strip_prefix('@') else { return compile(body) };
    let bytes = input::bytes(Path::new(file), input::BODY_BYTES_MAX)?;
    match String::from_utf8(bytes) {
        Ok(text) => compile(&text).map_err(|error| format!("{file}: {error}")),
        Err(binary) => Ok(Template::literal(binary.into_bytes())),
    }
}

/// Makes a template of each line of a file.
pub(super) fn line_templates(file: &Path) -> Result<Vec<Template>, String> {
    let lines: Vec<Template> = input::text(file, REQUESTS_BYTES_MAX)?
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(at, line)| {
            compile(line).map_err(|error| format!("{}, line {}: {error}", file.display(), at + 1))
        })
        .collect::<Result<_, _>>()?;
    if lines.is_empty() {
        return Err(format!("{} has no lines; write a body into each", file.display()));
    }
    Ok(lines)
}
