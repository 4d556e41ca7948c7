//! The command line: one file for each subcommand, and the events that go to stderr.
//!
//! Exit codes: 0 done, 1 it failed (or the picture is not identical), 2 the command line or the configuration is wrong,
//! 141 whoever read stdout has gone, as of any command that a closed pipe ends.

mod backup;
mod bench;
mod blobs;
mod compare;
mod decoder;
mod doctor;
mod error;
pub(crate) mod events;
mod film;
mod flags;
mod forget;
mod guard;
mod heal;
mod healthy;
mod import;
mod init;
mod inspect;
mod interrupt;
mod pages;
mod progress;
mod recovery;
mod restore;
mod running;
mod send;
mod serve;
mod succession;
mod token;
mod token_file;
mod top;
mod trusted;
mod watchdog;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::base::version;
use crate::os::output;
pub use error::CliError;
use pixeld_bench::redaction::shown_argument;

/// An HTTP server that keeps every write it acknowledged.
#[derive(Debug, Parser)]
#[command(name = "pixeld", version = version::FULL, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pixeld serve                     # on 127.0.0.1:8000, data in ./pixeld-data
  pixeld send photo.jpg            # post every pixel of a picture, read it back, compare
  pixeld film ./pixeld-data -o a.gif  # the canvas as a time lapse
  pixeld bench                     # measure that server, and name the bottleneck
  pixeld init --join CLUSTER_ID    # become the second host of a pair; see `pixeld init --help`
  pixeld top                       # what that server does, live
  pixeld token new --name ci --scope write  # let a client in, where the server has --tokens
  pixeld doctor                    # say what holds this machine back
  pixeld backup ./pixeld-data /mnt/backup   # while it runs; `pixeld restore` puts it back
  pixeld inspect ./pixeld-data     # verify every checksum, number, chain and picture

`pixeld COMMAND --help` says more about each.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Arguments>),
    Init(init::Arguments),
    ForgetPeer(forget::PeerArguments),
    ForgetHost(forget::HostArguments),
    HealTime(heal::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    Inspect(inspect::Arguments),
    Send(send::Arguments),
    Film(film::Arguments),
    Bench(Box<bench::Arguments>),
    Top(top::Arguments),
    Token(token::Arguments),
    Doctor(Box<doctor::Arguments>),
    Healthy(healthy::Arguments),
    #[command(hide = true, name = decoder::SUBCOMMAND)]
    Decoder(decoder::Arguments),
    #[command(hide = true)]
    Pages(pages::Arguments),
}

/// Runs the process's command line. A usage error is printed on stderr, with exit code 2.
///
/// # Errors
/// Returns what stopped the command.
pub fn run() -> Result<ExitCode, CliError> {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(mut answer) => {
            hide_secrets(&mut answer);
            return say(&answer);
        }
    };
    match arguments.command {
        Command::Serve(arguments) => arguments.run(),
        Command::Init(arguments) => arguments.run(),
        Command::ForgetPeer(arguments) => arguments.run(),
        Command::ForgetHost(arguments) => arguments.run(),
        Command::HealTime(arguments) => arguments.run(),
        Command::Backup(arguments) => arguments.run(),
        Command::Restore(arguments) => arguments.run(),
        Command::Inspect(arguments) => arguments.run(),
        Command::Send(arguments) => arguments.run(),
        Command::Film(arguments) => arguments.run(),
        Command::Bench(arguments) => arguments.run(),
        Command::Top(arguments) => arguments.run(),
        Command::Token(arguments) => arguments.run(),
        Command::Doctor(arguments) => arguments.run(),
        Command::Healthy(arguments) => arguments.run(),
        Command::Decoder(arguments) => arguments.run(),
        Command::Pages(arguments) => arguments.run(Arguments::command()),
    }
}

/// Takes values of secret header fields, and users of URLs, out of what clap repeats of the command line.
fn hide_secrets(answer: &mut clap::Error) {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(text)) = answer.get(kind) {
            let shown = shown_argument(text);
            answer.insert(kind, ContextValue::String(shown));
        }
    }
}

/// Prints what the command line asked for by itself, such as --help and --version, or what is wrong with it.
fn say(answer: &clap::Error) -> Result<ExitCode, CliError> {
    let written = answer.print().and_then(|()| io::stdout().flush());
    let has_guess = answer.get(ContextKind::SuggestedSubcommand).is_some();
    if answer.kind() == ErrorKind::InvalidSubcommand && !has_guess {
        let all = Arguments::command();
        let names =
            all.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
        output::report(format!("Commands: {}", names.collect::<Vec<_>>().join(", ")));
    }
    if answer.use_stderr() {
        // The exit code tells it too, should stderr be gone.
        return Ok(ExitCode::from(2));
    }
    written.map(|()| ExitCode::SUCCESS).map_err(CliError::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
