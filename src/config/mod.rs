//! The configuration of `pixeld serve`: one typed [`effective::Config`], every value with its origin.
//!
//! A flag wins over a `PIXELD_*` variable, that over the TOML file, that over the default. Whatever is unknown or out
//! of bounds is an error that names the place, the key, the value and what is allowed; all of them are reported at once.
//! A key is spelled `data_dir` in the file, `--data-dir` as a flag and `PIXELD_DATA_DIR` as a variable.
//!
//! [`table`], [`limits`], [`guards`], [`shared_log`] and the applications hold a row for each setting; [`read`] makes the configuration of their values.

pub(crate) mod access;
pub mod document;
pub mod effective;
pub mod error;
pub(crate) mod guards;
pub mod https;
pub mod https_files;
pub mod keys;
pub(crate) mod limits;
pub(crate) mod peer;
pub(crate) mod place;
pub mod read;
pub mod reload;
pub(crate) mod settings;
pub(crate) mod shared_log;
pub mod sources;
pub(crate) mod table;
