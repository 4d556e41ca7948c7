//! Pictures in the documents are small, and each is shown.

use crate::{documents, files, text};

/// Bytes of a picture, and of one that moves: who reads a page waits for it.
const STILL_BYTES_MAX: u64 = 100_000;
const FILM_BYTES_MAX: u64 = 500_000;

#[test]
fn every_picture_is_small_and_shown() {
    let pictures = files(&["docs/pictures"], &[".png", ".gif"]);
    assert!(pictures.len() >= 5, "{pictures:?}");
    let shown: String = documents().iter().map(|document| text(document)).collect();
    for picture in pictures {
        let bytes = std::fs::metadata(format!("{}/{picture}", crate::ROOT)).expect("a file").len();
        let most = if picture.ends_with(".gif") { FILM_BYTES_MAX } else { STILL_BYTES_MAX };
        assert!(bytes <= most, "{picture} has {bytes} bytes, and {most} are enough");
        let name = picture.rsplit('/').next().expect("a name");
        assert!(shown.contains(&format!("pictures/{name})")), "no document shows {picture}");
    }
}
