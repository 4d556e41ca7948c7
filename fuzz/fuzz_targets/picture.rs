//! A picture, damaged in any way, is cleaned and made small without a panic, and cleaning twice is cleaning once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pixeld::apps::pictures::clean::{Unclean, cleaned};
use pixeld::apps::pictures::kind::Kind;
use pixeld::apps::pictures::size::Fit;
use pixeld::apps::pictures::thumbnail::{Order, thumbnail};

fuzz_target!(|picture: &[u8]| {
    let Some(kind) = Kind::of(picture) else { return };
    match cleaned(kind, picture) {
        Ok(Some(once)) => assert_eq!(cleaned(kind, &once), Ok(None)),
        Ok(None) => {}
        Err(error) => assert_ne!(error, Unclean::Different),
    }
    let order = Order { kind: Kind::Png, width: 100, height: 100, fit: Fit::Contain, pixels_max: 1_000_000 };
    if let Ok(small) = thumbnail(picture, &order, &|| false) {
        assert_eq!(Kind::of(&small), Some(Kind::Png));
    }
});
