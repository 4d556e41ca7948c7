//! `pixeld pages`: man pages and completions, made from the command line's own definition; for packages.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::Shell;

use super::CliError;

/// Write the man pages and the completions of bash, fish and zsh
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The directory, made if it is not there
    dir: PathBuf,
}

impl Arguments {
    pub(super) fn run(self, mut command: clap::Command) -> Result<ExitCode, CliError> {
        let failed = |error: std::io::Error| CliError::Usage(format!("{}: {error}", self.dir.display()));
        fs::create_dir_all(&self.dir).map_err(failed)?;
        clap_mangen::generate_to(command.clone(), &self.dir).map_err(failed)?;
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            clap_complete::generate_to(shell, &mut command, "pixeld", &self.dir).map_err(failed)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
