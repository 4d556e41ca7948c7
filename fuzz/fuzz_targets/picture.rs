//! A picture, damaged in any way, is stripped and made small without a panic, and stripping twice is stripping once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pixeld::apps::pictures::kind::Kind;
use pixeld::apps::pictures::strip::stripped;
use pixeld::apps::pictures::thumbnail::{Order, thumbnail};

fuzz_target!(|picture: &[u8]| {
    let Some(kind) = Kind::of(picture) else { return };
    if let Some(once) = stripped(kind, picture) {
        assert!(once.len() <= picture.len() + 64);
    }
    let order = Order { kind: Kind::Png, width: 100, height: 100, pixels_max: 1_000_000 };
    if let Ok(small) = thumbnail(picture, &order, &|| false) {
        assert_eq!(Kind::of(&small), Some(Kind::Png));
    }
});
