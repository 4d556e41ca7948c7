//! `pixeld pages`: man pages and completions, made from the command line's own definition; for packages.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::Shell;

use super::{CliError, flags};
use crate::doctor::profile::Profile;

/// Write the man pages and the completions of bash, fish and zsh
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The directory, made if it is not there
    dir: PathBuf,
}

/// Returns what completions offer: nothing that is hidden, and words where words are wanted.
fn completed(command: &clap::Command) -> clap::Command {
    let shown = visible(command).mut_subcommand("doctor", |doctor| {
        doctor.mut_arg("profile", |arg| arg.value_parser(Profile::NAMES.map(|(name, _)| name)))
    });
    shown.mut_subcommand("serve", flags::with_words)
}

/// Returns the command without what is hidden; clap takes nothing away from one that is made.
fn visible(command: &clap::Command) -> clap::Command {
    let name: &'static str = command.get_name().to_owned().leak();
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    let mut shown = clap::Command::new(name).args(arguments.cloned()).subcommands(subcommands.map(visible));
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(&*version.to_owned().leak());
    }
    shown
}

impl Arguments {
    pub(super) fn run(self, command: clap::Command) -> Result<ExitCode, CliError> {
        let failed = |error: std::io::Error| CliError::Usage(format!("{}: {error}", self.dir.display()));
        fs::create_dir_all(&self.dir).map_err(failed)?;
        clap_mangen::generate_to(command.clone(), &self.dir).map_err(failed)?;
        let mut command = completed(&command);
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            clap_complete::generate_to(shell, &mut command, "pixeld", &self.dir).map_err(failed)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
