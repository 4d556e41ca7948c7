//! Files that a user names: read whole, up to a bound, so that a device or a pipe without an end is an error and not a full memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Longest list of requests or bodies, such as the log of a web server: bytes.
pub const REQUESTS_BYTES_MAX: u64 = 1 << 30;
/// Longest report, file of results or README, bytes. A run of a day has some 30 MB.
pub const REPORT_BYTES_MAX: u64 = 256 << 20;
/// Longest body of a request, bytes.
pub const BODY_BYTES_MAX: u64 = 256 << 20;
/// Longest file of settings: a scenario, a peer, a script, certificates; bytes.
pub const SETTINGS_BYTES_MAX: u64 = 16 << 20;

/// Bytes that are read at a time, and looked at before more are read.
const PIECE_BYTES: u64 = 64 * 1024;
/// What some editors write before a text in UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads a file, or stdin for `-`.
///
/// # Errors
/// Returns a sentence with the path for a file that can't be read or has more than `bytes_max` bytes.
pub fn bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    read(path, bytes_max, |_| true)
}

/// Reads a file of text in UTF-8, or stdin for `-`; without a byte order mark.
///
/// # Errors
/// Fails as [`bytes`] does, and for what is no text: as soon as a zero byte comes.
pub fn text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let no_text = || format!("{} is no text in UTF-8", shown(path));
    let bytes = read(path, bytes_max, |piece| memchr::memchr(0, piece).is_none())?;
    let text = String::from_utf8(bytes).map_err(|_| no_text())?;
    if text.contains('\0') {
        return Err(no_text());
    }
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_string).unwrap_or(text))
}

/// Reads until the end, or until a piece that is not wanted, which ends the result.
fn read(path: &Path, bytes_max: u64, is_wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("cannot read {}: {error}", shown(path));
    let mut file: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        let read = file.by_ref().take(PIECE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        if read == 0 || !is_wanted(&bytes[before..]) {
            return Ok(bytes);
        }
        if bytes.len() as u64 > bytes_max {
            let most = bytes_max >> 20;
            return Err(format!(
                "{} has more than {most} MiB, which is too much for what it is",
                shown(path)
            ));
        }
    }
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "stdin".into() } else { path.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_an_end_are_errors() {
        let zero = Path::new("/dev/zero");
        assert!(text(zero, u64::MAX).unwrap_err().contains("no text"), "no bound is needed to see that");
        let error = bytes(zero, 1 << 20).unwrap_err();
        assert!(error.contains("/dev/zero") && error.contains("more than 1 MiB"), "{error}");
    }

    #[test]
    fn texts_by_table() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        for (content, read) in [
            (&b""[..], Ok("")),
            (b"a\xc3\xa4", Ok("aä")),
            (b"\xef\xbb\xbfa", Ok("a")),
            (b"a\0b", Err("no text")),
            (b"\xff\xfea\0", Err("no text")),
            (b"\xe4", Err("no text")),
        ] {
            std::fs::write(&file, content).unwrap();
            match (text(&file, 100), read) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(said)) => assert!(error.contains(said), "{error}"),
                (found, _) => panic!("{content:?}: {found:?}"),
            }
        }
        std::fs::write(&file, vec![b'a'; 101]).unwrap();
        assert!(text(&file, 100).is_err() && bytes(&file, 101).is_ok());
        assert!(text(&folder.path().join("none"), 1).unwrap_err().starts_with("cannot read"));
    }
}
