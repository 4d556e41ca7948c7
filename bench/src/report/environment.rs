//! Where a run took place. Two runs are comparable only when these figures agree.

use serde_json::{Value, json};
use std::fs;
use std::time::SystemTime;

/// Keys that have to agree before two reports are compared.
const COMPARED: [&str; 7] = ["host", "kernel", "cpu", "cpus", "governor", "arch", "build"];

/// Returns the environment as reports keep it.
#[must_use]
pub fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_string();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg");
    json!({
        "time": time_text(SystemTime::now()),
        "pixeld": env!("CARGO_PKG_VERSION"),
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        "host": read("/proc/sys/kernel/hostname"),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "arch": std::env::consts::ARCH,
        "cpu": cpu_model(&read("/proc/cpuinfo")),
        "cpus": cpus,
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_before": load.split(' ').next().and_then(|text| text.parse::<f64>().ok()),
    })
}

fn cpu_model(cpuinfo: &str) -> String {
    let named = |name: &str| {
        cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_string())
        })
    };
    named("model name").or_else(|| named("CPU part")).unwrap_or_default()
}

/// Returns a time as `2026-11-21T01:30:00Z`.
#[must_use]
pub fn time_text(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Civil date from a day number, counting years from March so that the leap day is a year's last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// Returns the first key in which two environments differ, with both values.
#[must_use]
pub fn difference(one: &Value, other: &Value) -> Option<(&'static str, String, String)> {
    COMPARED
        .into_iter()
        .find(|key| one[key] != other[key])
        .map(|key| (key, one[key].to_string(), other[key].to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_host_is_the_same_environment() {
        let mut other = describe();
        assert_eq!(difference(&describe(), &other), None);
        other["kernel"] = "1.0".into();
        assert_eq!(difference(&describe(), &other).map(|d| d.0), Some("kernel"));
    }

    #[test]
    fn times_by_table() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_795_224_600, "2026-11-21T01:30:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time_text(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn models() {
        assert_eq!(cpu_model("processor : 0\nmodel name\t: AMD EPYC\n"), "AMD EPYC");
        assert_eq!(cpu_model(""), "");
    }
}
