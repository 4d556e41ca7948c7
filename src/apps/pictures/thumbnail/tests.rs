use std::cell::Cell;
use std::io::Cursor;

use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::metadata::LoopCount;
use image::{AnimationDecoder, Frame, ImageDecoder, ImageFormat, RgbImage, RgbaImage};
use proptest::prelude::*;

use super::*;
use crate::apps::pictures::size::Fit;

/// With all the time in the world.
fn thumbnail(picture: &[u8], order: &Order) -> Result<Vec<u8>, Fault> {
    super::thumbnail(picture, order, &|| false)
}

fn order(kind: Kind) -> Order {
    Order { kind, width: 100, height: 100, fit: Fit::Contain, pixels_max: 50_000_000 }
}

fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
    })
}

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    gradient(width, height).write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn size_of(bytes: &[u8]) -> (u32, u32) {
    let small = image::load_from_memory(bytes).unwrap();
    (small.width(), small.height())
}

/// Returns an animation: a square that moves, on nothing.
fn moving(frames: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new(&mut out);
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for at in 0..frames {
        let frame = RgbaImage::from_fn(300, 225, |x, y| {
            let is_in = (at * 20..at * 20 + 60).contains(&x) && (60..160).contains(&y);
            image::Rgba(if is_in { [200, 30, 30, 255] } else { [0; 4] })
        });
        let delay = image::Delay::from_numer_denom_ms(70, 1);
        encoder.encode_frame(Frame::from_parts(frame, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    out
}

#[test]
fn every_kind_into_every_kind_at_the_sizes_that_are_asked_for() {
    for (width, height, expected) in [
        (256, 160, (100, 63)),
        (590, 393, (100, 67)),
        (386, 395, (98, 100)),
        (3, 2, (100, 67)),
        (2000, 3, (100, 1)),
    ] {
        for format in
            [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP]
        {
            let large = picture(width, height, format);
            for kind in Kind::ALL {
                let small = thumbnail(&large, &order(kind)).unwrap();
                assert_eq!((Kind::of(&small), size_of(&small)), (Some(kind), expected), "{format:?}");
            }
        }
    }
}

#[test]
fn colours_stay_where_they_are() {
    let small = thumbnail(&picture(500, 400, ImageFormat::Png), &order(Kind::Png)).unwrap();
    let (small, exact) = (image::load_from_memory(&small).unwrap().to_rgb8(), gradient(100, 80));
    for (found, expected) in small.pixels().zip(exact.pixels()) {
        let distance = found.0.iter().zip(expected.0).map(|(a, b)| a.abs_diff(b)).max();
        assert!(distance <= Some(6), "{found:?} {expected:?}");
    }
}

/// Made by Pillow 13.0.0 from the same picture: `resize((100, 75), Image.LANCZOS)`.
const PILLOW: &[u8] = include_bytes!("pillow_lanczos.png");

#[test]
fn it_looks_as_pillow_makes_it() {
    let large = RgbImage::from_fn(640, 480, |x, y| {
        let board = if (x / 16 + y / 16) % 2 == 1 { 230 } else { 40 };
        image::Rgb([(x * 255 / 640) as u8, board, (x * y / 40 % 256) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    large.write_to(&mut bytes, ImageFormat::Png).unwrap();
    let small = thumbnail(bytes.get_ref(), &order(Kind::Png)).unwrap();
    let [small, pillow] = [&small[..], PILLOW].map(|bytes| image::load_from_memory(bytes).unwrap().to_rgb8());
    let squares = small.as_raw().iter().zip(pillow.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / small.as_raw().len() as f64;
    let psnr = 10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10();
    assert!(psnr > 45.0, "{psnr:.1} dB");
}

#[test]
fn a_turned_picture_is_turned_back() {
    let plain = picture(300, 200, ImageFormat::Jpeg);
    for (number, expected) in [(1, (100, 67)), (3, (100, 67)), (6, (67, 100)), (8, (67, 100)), (5, (67, 100))]
    {
        let block =
            [&b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[number, 0, 0, 0, 0, 0, 0]]
                .concat();
        let segment = [&[0xFF, 0xE1], &(block.len() as u16 + 2).to_be_bytes()[..], &block].concat();
        let turned = [&plain[..2], &segment, &plain[2..]].concat();
        let small = thumbnail(&turned, &order(Kind::Png)).unwrap();
        assert_eq!(size_of(&small), expected, "orientation {number}");
        // Red grows to the right in the file: after a quarter turn to the right it grows downwards.
        let small = image::load_from_memory(&small).unwrap().to_rgb8();
        if number == 6 {
            assert!(small.get_pixel(30, 95).0[0] > small.get_pixel(30, 5).0[0] + 150);
        }
    }
}

#[test]
fn an_animation_stays_one_with_its_frames_times_and_holes() {
    let small = thumbnail(&moving(12), &order(Kind::Gif)).unwrap();
    let decoder = GifDecoder::new(Cursor::new(&small)).unwrap();
    assert_eq!(decoder.dimensions(), (100, 75));
    assert!(matches!(decoder.loop_count(), LoopCount::Infinite));
    let frames = decoder.into_frames().collect_frames().unwrap();
    assert_eq!(frames.len(), 12);
    for (at, frame) in (0_u32..).zip(&frames) {
        assert_eq!(frame.delay().numer_denom_ms(), (70, 1));
        let middle = frame.buffer().get_pixel((at * 20 + 30) / 3, 35);
        assert!(middle.0[3] == 255 && middle.0[0] > 150, "frame {at}: {middle:?}");
        assert_eq!(frame.buffer().get_pixel(99, 70).0[3], 0, "frame {at}: nothing stays behind");
    }
    let still = thumbnail(&moving(12), &order(Kind::Png)).unwrap();
    assert_eq!((Kind::of(&still), size_of(&still)), (Some(Kind::Png), (100, 75)));
}

/// Returns where each block of a sound GIF begins, the trailer included.
fn block_starts(gif: &[u8]) -> Vec<usize> {
    let colours = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let (mut at, mut starts) = (13 + colours(gif[10]), Vec::new());
    while at < gif.len() {
        starts.push(at);
        let behind = match gif[at] {
            0x21 => at + 2,
            0x2C => at + 11 + colours(gif[at + 9]),
            _ => break,
        };
        at = behind;
        while gif[at] > 0 {
            at += 1 + usize::from(gif[at]);
        }
        at += 1;
    }
    starts
}

/// Frames of a GIF, and how often it says that it is played again; 0 is for ever.
fn frames_and_loop(gif: &[u8]) -> (usize, Option<u32>) {
    let mut frames = gif::DecodeOptions::new().read_info(gif).unwrap();
    let mut count = 0;
    while frames.read_next_frame().unwrap().is_some() {
        count += 1;
    }
    let says = gif.windows(11).any(|bytes| bytes == b"NETSCAPE2.0");
    let times = || match GifDecoder::new(Cursor::new(gif)).unwrap().loop_count() {
        LoopCount::Infinite => 0,
        LoopCount::Finite(times) => times.get(),
    };
    (count, says.then(times))
}

#[test]
fn an_animation_with_flaws_that_browsers_pass_over_is_one_of_the_frames_so_far() {
    let whole = moving(4);
    let starts = block_starts(&whole);
    let with = |at: usize, piece: &[u8]| [&whole[..at], piece, &whole[at..]].concat();
    let cut = |by: usize| whole[..whole.len() - by].to_vec();
    let mut cases = vec![("no trailer", cut(1), 4), ("a cut frame", cut(11), 3), ("half a block", cut(3), 3)];
    for &at in &starts {
        cases.push(("a zero", with(at, &[0]), 4));
        cases.push(("an unknown extension", with(at, b"\x21\x42\x03abc\x01d\0"), 4));
    }
    // Between the first control and its frame, and before the trailer.
    for at in [starts[2], starts[starts.len() - 1]] {
        cases.push(("zeros", with(at, &[0; 9]), 4));
        cases.push(("one without content", with(at, b"\x21\x00\0"), 4));
        cases.push(("an application", with(at, b"\x21\xFF\x0BMGKIPTC0000\x02ab\0"), 4));
        cases.push(("an application of odd length", with(at, b"\x21\xFF\x02ab\0"), 4));
        cases.push(("a comment", with(at, b"\x21\xFE\x02ab\0"), 4));
    }
    cases.push((
        "text",
        with(starts[starts.len() - 1], b"\x21\x01\x0C\0\0\0\0\x0A\0\x0A\0\x08\x08\x01\0\x02ab\0"),
        4,
    ));
    cases.push(("garbage instead of a trailer", [&cut(1)[..], b"garbage"].concat(), 4));
    cases.push(("garbage behind the trailer", [&whole[..], b"\x2Cgarbage"].concat(), 4));
    // The data of the last frame: bytes that are no codes.
    let mut damaged = whole.clone();
    let image = starts[starts.len() - 2];
    let flags = whole[image + 9];
    let data = image + 11 + if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    damaged[data + 1..data + 30].fill(0xFF);
    cases.push(("damaged codes", damaged, 3));
    for (what, gif, expected) in cases {
        let tiny = |kind| Order { width: 20, height: 20, ..order(kind) };
        let small = thumbnail(&gif, &tiny(Kind::Gif)).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        let (count, repeat) = frames_and_loop(&small);
        assert_eq!((count, repeat), (expected, Some(0)), "{what}");
        let still = thumbnail(&gif, &tiny(Kind::Png)).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(size_of(&still), (20, 15), "{what}");
    }
}

#[test]
fn cut_anywhere_an_animation_has_the_frames_before() {
    let whole = moving(3);
    let mut last = 0;
    for length in (0..=whole.len()).step_by(7).chain([whole.len()]) {
        match thumbnail(&whole[..length], &order(Kind::Gif)) {
            Ok(small) => {
                let count = frames_and_loop(&small).0;
                assert!(count >= last && count <= 3, "{length}: {count} after {last}");
                last = count;
            }
            Err(fault) => assert_eq!((fault, last), (Fault::Corrupted, 0), "{length}"),
        }
    }
    assert_eq!(last, 3);
}

#[test]
fn an_animation_is_played_as_often_as_it_says() {
    let said = |name: &[u8; 11], times: u16| {
        [&b"\x21\xFF\x0B"[..], name, &[3, 1], &times.to_le_bytes(), &[0]].concat()
    };
    let whole = moving(3);
    let starts = block_starts(&whole);
    // Without the block that the encoder wrote.
    let silent = [&whole[..starts[0]], &whole[starts[1]..]].concat();
    assert_eq!(frames_and_loop(&thumbnail(&silent, &order(Kind::Gif)).unwrap()), (3, None), "it plays once");
    for (name, times, expected) in [
        (b"NETSCAPE2.0", 0, 0),
        (b"NETSCAPE2.0", 1, 1),
        (b"NETSCAPE2.0", 65_535, 65_535),
        (b"ANIMEXTS1.0", 0, 0),
        (b"ANIMEXTS1.0", 7, 7),
    ] {
        let says = [&whole[..starts[0]], &said(name, times), &whole[starts[1]..]].concat();
        let small = thumbnail(&says, &order(Kind::Gif)).unwrap();
        assert_eq!(frames_and_loop(&small), (3, Some(expected)), "{times}");
    }
}

#[test]
fn a_cover_crop_fills_the_frame_with_the_middle() {
    // Three columns or rows of one colour each.
    let striped = |width: u32, height: u32, is_across: bool| {
        let picture = RgbImage::from_fn(width, height, |x, y| {
            let third = if is_across { x * 3 / width } else { y * 3 / height };
            image::Rgb([[250, 0, 0], [0, 250, 0], [0, 0, 250]][third as usize])
        });
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, ImageFormat::Png).unwrap();
        out.into_inner()
    };
    for (width, height, is_across) in
        [(300, 100, true), (100, 300, false), (3000, 1000, true), (30, 10, true), (600, 1800, false)]
    {
        for (to_width, to_height) in [(80, 80), (1, 1), (120, 120)] {
            let order = Order { width: to_width, height: to_height, fit: Fit::Cover, ..order(Kind::Png) };
            let small = thumbnail(&striped(width, height, is_across), &order).unwrap();
            assert_eq!(size_of(&small), (to_width, to_height));
            let middle =
                *image::load_from_memory(&small).unwrap().to_rgb8().get_pixel(to_width / 2, to_height / 2);
            assert!(
                middle.0[1] > 200 && middle.0[0] < 60 && middle.0[2] < 60,
                "{width}x{height}: {middle:?}"
            );
        }
    }
    // What is wider than the frame is cut at two sides alike.
    let order = |width, height| Order { width, height, fit: Fit::Cover, ..order(Kind::Png) };
    let small = thumbnail(&striped(300, 100, true), &order(100, 50)).unwrap();
    let small = image::load_from_memory(&small).unwrap().to_rgb8();
    assert!(small.get_pixel(2, 25).0[0] > 200 && small.get_pixel(97, 25).0[2] > 200, "a quarter is cut off");
    for format in [ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP] {
        for (width, height) in [(64, 48), (2048, 7), (1, 100)] {
            let small = thumbnail(&picture(900, 700, format), &order(width, height)).unwrap();
            assert_eq!(size_of(&small), (width, height), "{format:?}");
        }
    }
    let animation = thumbnail(&moving(3), &Order { kind: Kind::Gif, ..order(60, 90) }).unwrap();
    assert_eq!((frames_and_loop(&animation).0, size_of(&animation)), (3, (60, 90)));
}

#[test]
fn transparent_pictures_have_no_dark_edges() {
    let large =
        RgbaImage::from_fn(400, 400, |x, _| image::Rgba(if x < 201 { [255, 255, 255, 255] } else { [0; 4] }));
    let mut bytes = Cursor::new(Vec::new());
    large.write_to(&mut bytes, ImageFormat::Png).unwrap();
    let small = thumbnail(bytes.get_ref(), &order(Kind::Png)).unwrap();
    for pixel in image::load_from_memory(&small).unwrap().to_rgba8().pixels() {
        assert!(pixel.0[3] == 0 || pixel.0[0] > 245, "{pixel:?}");
    }
    let flat = thumbnail(bytes.get_ref(), &order(Kind::Jpeg)).unwrap();
    assert!(image::load_from_memory(&flat).unwrap().to_rgb8().pixels().all(|pixel| pixel.0[0] > 230));
}

/// Returns a picture that says it is much larger than it is.
fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut png = picture(1, 1, ImageFormat::Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let mut check = flate2::Crc::new();
    check.update(&png[12..29]);
    png[29..33].copy_from_slice(&check.sum().to_be_bytes());
    png
}

#[test]
fn what_would_be_too_large_is_not_decoded() {
    let too_large = Err(Fault::TooLarge { most: 50_000_000 });
    assert_eq!(thumbnail(&png_of(60_000, 60_000), &order(Kind::Png)), too_large);
    assert_eq!(thumbnail(&png_of(u32::MAX >> 1, 1), &order(Kind::Png)), too_large);
    let mut gif = moving(2);
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    assert_eq!(thumbnail(&gif, &order(Kind::Gif)), too_large);
    // Small frames, but many: they add up.
    let many = Order { pixels_max: 5 * 300 * 225, ..order(Kind::Gif) };
    assert_eq!(thumbnail(&moving(6), &many), Err(Fault::TooLarge { most: 5 * 300 * 225 }));
    assert!(thumbnail(&moving(5), &many).is_ok());
}

/// Returns a picture of one colour.
fn blank(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    RgbImage::new(width, height).write_to(&mut out, format).unwrap();
    out.into_inner()
}

#[test]
fn a_small_file_that_unpacks_to_much_is_not_decoded() {
    // 9 million pixels take more than any picture may without regard to its file.
    let webp = blank(3_000, 3_000, ImageFormat::WebP);
    assert!(webp.len() < 10_000, "{}", webp.len());
    assert_eq!(thumbnail(&webp, &order(Kind::Png)), Err(Fault::TooDense));
    assert!(thumbnail(&blank(500, 500, ImageFormat::WebP), &order(Kind::Png)).is_ok());
    let mut gif = blank(40, 30, ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xA0, 0x0F, 0xA0, 0x0F]);
    assert_eq!(thumbnail(&gif, &order(Kind::Png)), Err(Fault::TooDense));
    // Those that say they are larger than they are.
    let mut jpeg = picture(400, 300, ImageFormat::Jpeg);
    assert!(thumbnail(&jpeg, &order(Kind::Png)).is_ok());
    let frame = jpeg.windows(2).position(|bytes| bytes == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x1B, 0x58, 0x1B, 0x58]);
    assert_eq!(thumbnail(&jpeg, &order(Kind::Png)), Err(Fault::TooDense));
    // 16 million pixels are made smaller as they are decoded, unless coefficients are kept from scan to scan.
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x0F, 0xA0, 0x0F, 0xA0]);
    assert!(thumbnail(&jpeg, &order(Kind::Png)).is_ok());
    jpeg[frame + 1] = 0xC2;
    assert_eq!(thumbnail(&jpeg, &order(Kind::Png)), Err(Fault::TooDense));
    let mut bmp = picture(10, 10, ImageFormat::Bmp);
    bmp[18..26].copy_from_slice(&[0x70, 0x17, 0, 0, 0x70, 0x17, 0, 0]);
    assert_eq!(thumbnail(&bmp, &order(Kind::Png)), Err(Fault::TooDense));
    // A frame of a GIF that is larger than the whole: its screen is as large as the first one, not as later ones.
    let frame = |gif: &[u8], number: usize| {
        gif.windows(5).enumerate().filter(|(_, bytes)| *bytes == [0x2C, 0, 0, 0, 0]).nth(number).unwrap().0
    };
    let mut gif = blank(40, 30, ImageFormat::Gif);
    let at = frame(&gif, 0);
    gif[at + 5..at + 9].copy_from_slice(&[0x60, 0xEA, 0x60, 0xEA]);
    assert_eq!(thumbnail(&gif, &order(Kind::Png)), Err(Fault::TooLarge { most: 50_000_000 }));
    let mut gif = moving(2);
    let at = frame(&gif, 1);
    gif[at + 5..at + 9].copy_from_slice(&[0x60, 0xEA, 0x60, 0xEA]);
    assert_eq!(thumbnail(&gif, &order(Kind::Gif)), Err(Fault::TooDense));
}

#[test]
fn no_picture_half_a_picture_and_one_that_takes_for_ever() {
    for bytes in
        [&b""[..], b"abc", b"\x89PNG\r\n\x1A\n", b"GIF89a", b"\xFF\xD8\xFF", b"BM", b"RIFF\0\0\0\0WEBP"]
    {
        assert_eq!(thumbnail(bytes, &order(Kind::Png)), Err(Fault::Corrupted), "{bytes:?}");
    }
    let whole = picture(300, 200, ImageFormat::Png);
    assert_eq!(thumbnail(&whole[..whole.len() / 2], &order(Kind::Png)), Err(Fault::Corrupted));
    let asked = Cell::new(0);
    let is_late = || {
        asked.set(asked.get() + 1);
        asked.get() > 8
    };
    assert_eq!(super::thumbnail(&moving(30), &order(Kind::Gif), &is_late), Err(Fault::TooSlow));
    assert!(asked.get() < 40, "it ends soon after: {}", asked.get());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_never_panics(which in 0..5_usize, changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8), cut in 0..400_usize) {
        let format = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP][which];
        let mut bytes = picture(40, 30, format);
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut).max(4));
        let small = Order { pixels_max: 1_000_000, ..order(Kind::Png) };
        if let Ok(small) = thumbnail(&bytes, &small) {
            prop_assert_eq!(Kind::of(&small), Some(Kind::Png));
        }
    }
}
