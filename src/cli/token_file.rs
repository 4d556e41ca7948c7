//! `--token-file`, of every command that asks a server.

use std::path::PathBuf;

use pixeld_bench::client::token::Token;

/// Where the token is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct TokenFile {
    /// File with the token in its first line, for a server that asks for one
    #[arg(long, value_name = "FILE", env = "PIXELD_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl TokenFile {
    /// Returns the token, if there is one.
    ///
    /// # Errors
    /// Returns a sentence for a file that can't be read or has no token.
    pub(super) fn read(&self) -> Result<Option<Token>, String> {
        self.token_file.as_deref().map(Token::read).transpose()
    }
}
