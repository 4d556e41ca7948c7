//! Which pixeld this is.

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, or `unknown` when it was built outside of a repository.
pub const COMMIT: &str = env!("COMMIT_OF_BUILD");
/// Both, as `--version` shows them.
pub const FULL: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("COMMIT_OF_BUILD"), ")");

/// Returns when that commit was made, seconds since 1970; nothing when it is not known.
#[must_use]
pub fn commit_time_s() -> Option<u64> {
    env!("COMMIT_TIME_OF_BUILD").parse().ok().filter(|time| *time > 0)
}
