//! Where blobs are kept, as it is written in a configuration; how a bucket is named there.

use crate::engine::shared::settings::BlobPlace;

/// What may be written.
pub const ALLOWED: &str = "files, or, in a build with `--features s3`, a bucket as s3://NAME/PREFIX";

/// Reads it; nothing for what is not allowed.
#[must_use]
pub fn read(text: &str) -> Option<BlobPlace> {
    match text {
        "files" => Some(BlobPlace::Files),
        text if cfg!(feature = "s3") => bucket_of(text),
        _ => None,
    }
}

/// Returns whether a text is meant to name a bucket.
pub(super) fn is_bucket(text: &str) -> bool {
    text.starts_with("s3://")
}

/// Reads `s3://NAME/PREFIX`; the prefix may be missing.
pub(super) fn bucket_of(text: &str) -> Option<BlobPlace> {
    let (bucket, prefix) =
        text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
    let prefix = prefix.trim_end_matches('/');
    // The rules for names of buckets, and characters that need no escaping in names of objects.
    let is_name = (3..=63).contains(&bucket.len())
        && bucket
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let is_prefix = prefix.is_empty() || prefix.split('/').all(is_part);
    let place = || BlobPlace::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
    (is_name && is_prefix).then(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_read_and_nothing_that_needs_escaping() {
        let place = |bucket: &str, prefix: &str| {
            Some(BlobPlace::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        };
        assert_eq!(bucket_of("s3://pictures"), place("pictures", ""));
        assert_eq!(bucket_of("s3://pictures/"), place("pictures", ""));
        assert_eq!(bucket_of("s3://my.pictures-2/a/b_c/"), place("my.pictures-2", "a/b_c"));
        for text in [
            "s3://",
            "s3:///a",
            "s3://ab",
            "s3://Pictures",
            "s3://pictures//a",
            "s3://pictures/../a",
            "s3://pictures/a b",
            "/pictures",
            "s3://pictures/\u{e9}",
        ] {
            assert_eq!(bucket_of(text), None, "{text}");
        }
        assert_eq!(read("files"), Some(BlobPlace::Files));
        assert_eq!(read("s3://pictures").is_some(), cfg!(feature = "s3"));
    }
}
