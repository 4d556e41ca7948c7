//! Where a value came from, and what is wrong with one.

use std::fmt;
use std::path::PathBuf;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nowhere: it is the built-in value.
    Default,
    /// In the configuration file, on this line (counted from 1).
    File(PathBuf, usize),
    /// In this environment variable.
    Environment(String),
    /// On the command line, by this flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that its key does not take.
    #[error("{origin}: {key} = {value:?}: allowed is {allowed}")]
    Value {
        /// Where it was set.
        origin: Origin,
        /// The key as the file spells it.
        key: String,
        /// The value as it was written.
        value: String,
        /// What may stand there instead.
        allowed: String,
    },
    /// A key that there is not.
    #[error("{origin}: unknown key {key:?}; {hint}")]
    Key {
        /// Where it was set.
        origin: Origin,
        /// The key as it was written.
        key: String,
        /// The key that was probably meant, or all of them.
        hint: String,
    },
    /// A file that is not TOML.
    #[error("{origin}: {reason}")]
    Syntax {
        /// File and line.
        origin: Origin,
        /// What the parser says.
        reason: String,
    },
    /// A file of tokens that is not sound.
    #[error("{path}{line}: {reason}", path = path.display(), line = at(*line))]
    Tokens {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1; 0 for the file as a whole.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that cannot be read.
    #[error("{origin}: {path} cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// What named the file.
        origin: Origin,
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// Returns a line as it stands behind the name of its file.
fn at(line: usize) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

/// Everything that is wrong with a configuration, in the order of the keys; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
