//! A configuration file is refused with the place of each mistake, or read, and then what is printed of it is read as the
//! same again.

use std::fs;
use std::path::PathBuf;

use pixeld::config::effective::Config;
use pixeld::config::error::ConfigErrors;
use pixeld::config::read::load;
use pixeld::config::sources::Sources;

pub fn check(input: &[u8]) {
    // A thread of its own has a file of its own.
    let name = format!("pixeld-{}-{:?}.toml", std::process::id(), std::thread::current().id());
    let file = std::env::temp_dir().join(name);
    let checked = std::panic::catch_unwind(|| judge(input, &file));
    let _ = fs::remove_file(&file);
    if let Err(panic) = checked {
        std::panic::resume_unwind(panic);
    }
}

fn judge(input: &[u8], file: &PathBuf) {
    let is_toml = std::str::from_utf8(input).is_ok_and(|text| text.parse::<toml::Table>().is_ok());
    match read(input, file) {
        Ok(config) => {
            assert!(is_toml, "no TOML, and it was read");
            let printed = config.print();
            let again = read(printed.as_bytes(), file);
            let again = again.unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
            assert_eq!(values(&config), values(&again), "{printed}");
        }
        Err(ConfigErrors(errors)) => {
            assert!(!errors.is_empty(), "refused for nothing");
            assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            let is_named = |error: &dyn std::fmt::Display| error.to_string().contains(".toml");
            assert!(is_toml || errors.iter().any(|error| is_named(error)), "{errors:?}");
        }
    }
}

fn read(input: &[u8], file: &PathBuf) -> Result<Config, ConfigErrors> {
    fs::write(file, input).expect("a file");
    load(&Sources { file: Some(file.clone()), ..Sources::default() }, 2)
}

fn values(config: &Config) -> Vec<(&str, &str)> {
    config.entries.iter().map(|entry| (entry.key, &*entry.value)).collect()
}
