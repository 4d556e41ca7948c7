//! Where requests and bodies are read from: the command line, files, stdin.

use pixeld_bench::quantity::whole;
use pixeld_bench::scenario::mix::Mix;
use pixeld_bench::scenario::requests_file;
use pixeld_bench::scenario::template::Template;
use std::io::Read;
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

/// Reads a file of requests, to each of which `headers` are added.
pub(super) fn mix(file: &Path, headers: &[(String, String)]) -> Result<Mix, String> {
    requests_file::parse(&text(file)?, headers).map_err(|error| format!("{}: {error}", file.display()))
}

/// Compiles a template.
pub(super) fn compile(text: &str) -> Result<Template, String> {
    Template::compile(text).map_err(|error| error.to_string())
}

/// Makes a template of a body, or of the file that it names with `@`.
pub(super) fn body_template(body: &str) -> Result<Template, String> {
    let Some(file) = body.strip_prefix('@') else { return compile(body) };
    let bytes = read(Path::new(file))?;
    match String::from_utf8(bytes) {
        Ok(text) => compile(&text).map_err(|error| format!("{file}: {error}")),
        Err(binary) => Ok(Template::literal(binary.into_bytes())),
    }
}

/// Makes a template of each line of a file.
pub(super) fn line_templates(file: &Path) -> Result<Vec<Template>, String> {
    let lines: Vec<Template> = text(file)?
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

fn text(file: &Path) -> Result<String, String> {
    String::from_utf8(read(file)?).map_err(|_| format!("{} is no text", file.display()))
}

/// Reads a file, or stdin for `-`.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        return read.map(|_| bytes).map_err(|error| format!("cannot read stdin: {error}"));
    }
    std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}
