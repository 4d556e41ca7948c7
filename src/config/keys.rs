//! The names of all keys, and how each is spelled in the three places.

use super::limits;

/// Keys that are no bounds, those of tables with the table's name before a dot; bounds are in [`limits::LIMITS`].
pub const KEYS: [&str; 32] = [
    "listen",
    "data_dir",
    "durability",
    "apps",
    "workers",
    "cores",
    "steer",
    "job_threads",
    "disk_reserve",
    "segment_size",
    "accept_loss",
    "durability_timeout",
    "peer_listen",
    "peer",
    "peer_key",
    "insecure_peer",
    "peer_retention",
    "shutdown_timeout",
    "log_level",
    "log_format",
    "blobs.store",
    "board.public_base",
    "board.keep_metadata",
    "pex.max_position",
    "toys.heavy_ms",
    "toys.db_ms",
    "toys.order_ms",
    "thumbs.deadline",
    "thumbs.takeover",
    "thumbs.status_hold",
    "thumbs.max_pixels",
    "thumbs.workers",
];

/// Keys that a running server takes over on SIGHUP; the others need a restart.
#[must_use]
pub fn is_reloadable(key: &str) -> bool {
    key == "log_level" || limits::LIMITS.iter().any(|limit| limit.key() == key)
}

/// Every key that can be set, those of tables with the table's name before a dot.
pub fn all() -> impl Iterator<Item = String> {
    KEYS.iter().map(|key| (*key).to_owned()).chain(limits::LIMITS.iter().map(|limit| limit.key()))
}

/// The flag that sets `key`: `--data-dir`, `--toys-heavy-ms`, `--limit header_bytes`, `--limit board.max_picture`.
#[must_use]
pub fn flag(key: &str) -> String {
    match key.strip_prefix("limits.") {
        Some(limit) => format!("--limit {limit}"),
        None if limits::LIMITS.iter().any(|limit| limit.key() == key) => format!("--limit {key}"),
        None => format!("--{}", key.replace(['_', '.'], "-")),
    }
}

/// The environment variable that sets `key`: `PIXELD_DATA_DIR`, `PIXELD_LIMITS_HEADER_BYTES`.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("PIXELD_{}", key.replace('.', "_").to_uppercase())
}

/// What to tell about a key that there is not: the nearest one, or where they are listed.
#[must_use]
pub fn hint(written: &str) -> String {
    let nearest = all().map(|key| (distance(written, &key), key)).min();
    match nearest {
        // A short word is near to any other: half of it has to be right.
        Some((distance, key)) if distance <= 2 + written.len() / 5 && 2 * distance <= written.len() => {
            format!("did you mean {key:?}?")
        }
        _ => "`pixeld serve --print-config` lists all keys".to_owned(),
    }
}

/// Levenshtein's distance: insertions, deletions and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        assert_eq!(flag("data_dir"), "--data-dir");
        assert_eq!(flag("toys.heavy_ms"), "--toys-heavy-ms");
        assert_eq!(flag("limits.header_bytes"), "--limit header_bytes");
        assert_eq!(variable("limits.header_bytes"), "PIXELD_LIMITS_HEADER_BYTES");
    }

    #[test]
    fn hints_name_what_was_meant() {
        assert_eq!(hint("durabilty"), "did you mean \"durability\"?");
        assert_eq!(hint("limits.header_byte"), "did you mean \"limits.header_bytes\"?");
        for far in ["bogus", "a", "", "xy"] {
            assert_eq!(hint(far), "`pixeld serve --print-config` lists all keys", "{far}");
        }
        assert_eq!(hint("core"), "did you mean \"cores\"?");
        assert_eq!(hint("paps"), "did you mean \"apps\"?");
        assert_eq!(hint("zzzzzzzzzz"), "`pixeld serve --print-config` lists all keys");
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
