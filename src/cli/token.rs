//! `pixeld token`.

use std::process::ExitCode;

use super::CliError;
use crate::app::access::Scopes;
use crate::apps::registry;
use crate::base::limits::TOKEN_NAME_BYTES_MAX;
use crate::base::rate::{RATE_FORM, Rate};
use crate::engine::shared::access::tokens;
use crate::os::{output, random};

/// Make a token that lets a client in
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(New),
}

/// Print a new token, and the line that a server needs to know it
///
/// The first line is the token, for the client; it can't be derived from the second one, which goes into the file of
/// the server's --tokens. SIGHUP makes a server read that file again.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
struct New {
    /// Its name: letters, digits and - _ . @
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// What it allows: read, write, delete and admin, with commas in between; of one application pixel:write
    #[arg(long, value_name = "SCOPE,...", value_parser = scopes)]
    scope: Scopes,
    /// How many requests it allows: 100/s, 600/m, or 600/m:50 for at most 50 at once
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<Rate>,
}

const AFTER: &str = "\
Exit: 0 printed, 2 usage.

Examples:
  pixeld token new --name ci --scope read,pixel:write
  pixeld token new --name ops --scope read,admin | { read -r token; echo \"$token\" > ops.token; cat >> /etc/pixeld/tokens; }";

fn name(text: &str) -> Result<String, String> {
    let wrong = || format!("allowed are 1 to {TOKEN_NAME_BYTES_MAX} letters, digits and - _ . @");
    tokens::is_name(text).then(|| text.to_owned()).ok_or_else(wrong)
}

fn scopes(text: &str) -> Result<Scopes, String> {
    Scopes::parse(text, &registry::names())
}

fn rate(text: &str) -> Result<Rate, String> {
    Rate::parse(text).ok_or_else(|| RATE_FORM.to_owned())
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let Command::New(New { name, scope, rate }) = self.command;
        let secret = random::token();
        let line = tokens::line_of(&name, &scope, &secret, rate);
        output::print(&format!("{secret}\n{line}\n")).map_err(CliError::Output)?;
        Ok(ExitCode::SUCCESS)
    }
}
