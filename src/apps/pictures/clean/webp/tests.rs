//! Made with libwebp 1.2.4: in one partition and in four, with alpha as it is and coded, and without loss.

use super::*;

const SAMPLES: [(&str, &[u8]); 5] = [
    ("lossy", include_bytes!("../../../../../tests/data/webp/lossy.webp")),
    ("partitions", include_bytes!("../../../../../tests/data/webp/partitions.webp")),
    ("alpha", include_bytes!("../../../../../tests/data/webp/alpha.webp")),
    ("alpha-raw", include_bytes!("../../../../../tests/data/webp/alpha-raw.webp")),
    ("lossless", include_bytes!("../../../../../tests/data/webp/lossless.webp")),
];

/// Returns the chunk with pixels, and the alpha before it.
fn parts(picture: &[u8]) -> (Chunk<'_>, Option<Chunk<'_>>) {
    let pixels = chunks(&picture[12..]).find(Chunk::has_pixels).expect("pixels");
    (pixels, alpha(&pixels, &picture[12..]))
}

#[test]
fn coded_pixels_end_where_the_encoder_ended_them() {
    for (name, picture) in SAMPLES {
        assert_eq!(copy(picture).as_deref(), Ok(picture), "{name}");
        let (pixels, alpha) = parts(picture);
        let mut steps = Steps::new(STEPS_MAX);
        assert_eq!(pixels.trimmed(&mut steps).as_deref(), Ok(pixels.content), "{name}");
        if let Some(alpha) = alpha {
            let size = vp8::size(pixels.content).unwrap();
            assert_eq!(alpha.trimmed_alpha(size, &mut steps), Ok(alpha.content), "{name}");
        }
    }
}

/// One byte less is short, but for the bytes with which an encoder fills up.
#[test]
fn pixels_that_end_early_are_short() {
    for (name, picture) in SAMPLES {
        let (pixels, _) = parts(picture);
        for length in 10..pixels.content.len() - 4 {
            let content = &pixels.content[..length];
            let cut = Chunk { content, padded: content, ..pixels };
            assert_eq!(cut.trimmed(&mut Steps::new(STEPS_MAX)), Err(Stop::Short), "{name}, {length}");
        }
    }
}

#[test]
fn a_picture_that_is_whole_by_its_lengths_and_ends_early_is_refused() {
    for (name, picture) in SAMPLES {
        let (pixels, _) = parts(picture);
        let mut short = picture[..12].to_vec();
        push(&mut short, pixels.name, &pixels.content[..pixels.content.len() / 2]);
        let length = short.len() as u32 - 8;
        short[4..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(copy(&short), Err(Unclean::NoPixels), "{name}");
    }
}

#[test]
fn pixels_may_need_the_padding_and_no_more() {
    for (name, picture) in SAMPLES {
        let (pixels, _) = parts(picture);
        let whole = pixels.content;
        // Without what an encoder fills up with.
        let needed = (10..=whole.len()).find(|length| {
            let content = &whole[..*length];
            Chunk { content, padded: content, ..pixels }.trimmed(&mut Steps::new(STEPS_MAX)).is_ok()
        });
        let needed = needed.unwrap();
        let short =
            |length: usize| Chunk { content: &whole[..length], padded: &whole[..length + 1], ..pixels };
        let taken = short(needed - 1).trimmed(&mut Steps::new(STEPS_MAX));
        assert_eq!(taken.as_deref(), Ok(&whole[..needed]), "{name}");
        assert_eq!(short(needed - 2).trimmed(&mut Steps::new(STEPS_MAX)), Err(Stop::Short), "{name}");
    }
}

#[test]
fn a_cut_file_is_kept_as_far_as_it_is_there() {
    for (name, picture) in SAMPLES {
        let start = picture.len() - parts(picture).0.content.len();
        for end in start + 10..picture.len() - 5 {
            assert_eq!(copy(&picture[..end]).as_deref(), Ok(&picture[..end]), "{name}, {end}");
        }
    }
}

/// Chance bytes end as something; every one is tried where the codes say most.
#[test]
fn no_byte_makes_the_reading_panic() {
    for (_, picture) in SAMPLES {
        let (pixels, _) = parts(picture);
        for at in 0..pixels.content.len().min(160) {
            for byte in [0, 1, 0x55, 0x80, 0xFE, 0xFF] {
                let mut content = pixels.content.to_vec();
                content[at] = byte;
                if let Ok(kept) = (Chunk { content: &content, padded: &content, ..pixels })
                    .trimmed(&mut Steps::new(STEPS_MAX))
                {
                    assert!(kept.len() <= content.len());
                }
            }
        }
    }
}

#[test]
fn what_takes_too_long_is_told_from_what_is_damaged() {
    // No transform, no cache, no map, and five codes that take no bits: nothing but the steps ends it.
    let stream = [0x88, 0x88, 0x08];
    assert_eq!(vp8l::stream_end(&stream, (100, 100), &mut Steps::new(STEPS_MAX)), Ok(3));
    assert_eq!(vp8l::stream_end(&stream, (100, 100), &mut Steps::new(10_000)), Err(Stop::TooLong));
    let (lossy, _) = parts(SAMPLES[0].1);
    assert_eq!(lossy.trimmed(&mut Steps::new(100)), Err(Stop::TooLong));
}
