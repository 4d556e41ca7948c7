use super::*;

/// Returns a big-endian block with one entry.
fn tiff(orientation: u8) -> Vec<u8> {
    let mut block = b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    block.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    block
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xFF, marker], &(content.len() as u16 + 2).to_be_bytes()[..], content].concat()
}

fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
    [&[0xFF, 0xD8][..], &segments.concat(), &segment(0xDA, &[0; 6]), b"data\xFF\xD9"].concat()
}

fn png(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1A\n".to_vec();
    for (name, content) in chunks {
        out.extend([&(content.len() as u32).to_be_bytes(), &name[..], content, &[0; 4]].concat());
    }
    out
}

fn webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
    for (name, content) in chunks {
        out.extend([&name[..], &(content.len() as u32).to_le_bytes(), content].concat());
        out.resize(out.len().next_multiple_of(2), 0);
    }
    out
}

fn prefixed(prefix: &[u8], orientation: u8) -> Vec<u8> {
    [prefix, &tiff(orientation)].concat()
}

#[test]
fn each_prefix_is_read_in_each_format() {
    for number in 1..=8 {
        let expected = Orientation::from_exif(number).unwrap();
        for prefix in [&b"Exif\0\0"[..], b"Exif\0\xFF", b"Exif\0A"] {
            let picture = jpeg(&[segment(0xE1, &prefixed(prefix, number))]);
            assert_eq!(orientation(Kind::Jpeg, &picture), expected, "JPEG {prefix:?}");
            let picture = png(&[(b"IHDR", vec![0; 13]), (b"eXIf", prefixed(prefix, number))]);
            assert_eq!(orientation(Kind::Png, &picture), expected, "PNG {prefix:?}");
            let picture = webp(&[(b"VP8X", vec![0; 10]), (b"EXIF", prefixed(prefix, number))]);
            assert_eq!(orientation(Kind::Webp, &picture), expected, "WebP {prefix:?}");
        }
        assert_eq!(orientation(Kind::Png, &png(&[(b"eXIf", tiff(number))])), expected);
        let odd = (b"odd ", vec![1; 3]);
        let exif = (b"EXIF", tiff(number));
        let extended = webp(&[(b"VP8X", vec![0; 10]), odd.clone(), exif.clone()]);
        assert_eq!(orientation(Kind::Webp, &extended), expected);
        // Browsers read nothing else of a file that is not of the extended kind.
        assert_eq!(orientation(Kind::Webp, &webp(&[odd, exif])), Orientation::NoTransforms);
    }
}

#[test]
fn the_first_block_that_can_be_read_counts() {
    let exif = |number| segment(0xE1, &prefixed(b"Exif\0\0", number));
    let xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0II\x2A\0");
    let broken = segment(0xE1, b"Exif\0\0XX\x2A\0");
    for (segments, number) in [
        (vec![exif(6), exif(3)], 6),
        (vec![exif(1), exif(3)], 1),
        (vec![xmp.clone(), exif(8)], 8),
        (vec![broken, exif(5)], 5),
        (vec![segment(0xE1, &tiff(6))], 1),
        (vec![segment(0xE2, &prefixed(b"Exif\0\0", 6))], 1),
        (vec![b"junk\0".to_vec(), exif(7)], 7),
        (vec![xmp], 1),
    ] {
        assert_eq!(orientation(Kind::Jpeg, &jpeg(&segments)).to_exif(), number, "{segments:?}");
    }
    let idat = (b"IDAT", vec![0; 9]);
    let behind = png(&[(b"IHDR", vec![0; 13]), idat, (b"eXIf", tiff(6))]);
    assert_eq!(orientation(Kind::Png, &behind), Orientation::NoTransforms, "behind the pixels");
    let behind = [jpeg(&[]), exif(6)].concat();
    assert_eq!(orientation(Kind::Jpeg, &behind), Orientation::NoTransforms, "behind the scan");
}

#[test]
fn cut_anywhere_it_is_read_without_a_panic() {
    for (kind, picture) in [
        (Kind::Jpeg, jpeg(&[segment(0xE1, &prefixed(b"Exif\0\0", 6))])),
        (Kind::Png, png(&[(b"IHDR", vec![0; 13]), (b"eXIf", prefixed(b"Exif\0\0", 6))])),
        (Kind::Webp, webp(&[(b"VP8X", vec![0; 10]), (b"EXIF", prefixed(b"Exif\0\0", 6))])),
    ] {
        for end in 12..picture.len() {
            let found = orientation(kind, &picture[..end]).to_exif();
            assert!(found == 1 || found == 6, "{kind:?} {end}: {found}");
        }
    }
}

#[test]
fn what_is_made_says_the_same_and_is_made_once() {
    for number in 2..=8 {
        let made = only_orientation(&tiff(number)).unwrap();
        assert_eq!(Orientation::from_exif_chunk(&made).unwrap().to_exif(), number);
        assert_eq!(only_orientation(&made), Some(made));
    }
    assert_eq!(only_orientation(&tiff(1)), None);
    assert_eq!(only_orientation(&tiff(9)), None);
}

/// A thumbnail stands upright whatever stands before the block: 40 x 24, turned by a quarter, fits 100 x 100 as 60 x 100.
#[test]
fn thumbnails_are_turned_by_it() {
    use crate::apps::pictures::size::Fit;
    use crate::apps::pictures::thumbnail::{Order, thumbnail};
    use image::{DynamicImage, ImageFormat};

    for (kind, format) in
        [(Kind::Jpeg, ImageFormat::Jpeg), (Kind::Png, ImageFormat::Png), (Kind::Webp, ImageFormat::WebP)]
    {
        let mut plain = std::io::Cursor::new(Vec::new());
        DynamicImage::new_rgb8(40, 24).write_to(&mut plain, format).unwrap();
        let plain = plain.into_inner();
        for prefix in [&b"Exif\0\0"[..], b"Exif\0\xFF"] {
            let exif = prefixed(prefix, 6);
            let turned = match kind {
                Kind::Jpeg => {
                    let segments =
                        [segment(0xE1, &exif), segment(0xE1, &prefixed(prefix, 3)), plain[2..].to_vec()];
                    [&plain[..2], &segments.concat()].concat()
                }
                Kind::Png => {
                    let mut check = flate2::Crc::new();
                    check.update(&[&b"eXIf"[..], &exif].concat());
                    let chunk = png(&[(b"eXIf", exif.clone())])[8..12 + 4 + exif.len()].to_vec();
                    [&plain[..33], &chunk, &check.sum().to_be_bytes(), &plain[33..]].concat()
                }
                _ => {
                    let extended = vec![8, 0, 0, 0, 39, 0, 0, 23, 0, 0];
                    let length = u32::from_le_bytes(*plain[16..].first_chunk().unwrap()) as usize;
                    let pixels = plain[20..20 + length].to_vec();
                    let mut out = webp(&[(b"VP8X", extended), (b"VP8L", pixels), (b"EXIF", exif)]);
                    let length = out.len() as u32 - 8;
                    out[4..8].copy_from_slice(&length.to_le_bytes());
                    out
                }
            };
            let order =
                Order { kind: Kind::Png, width: 100, height: 100, fit: Fit::Contain, pixels_max: 1_000_000 };
            let small = image::load_from_memory(&thumbnail(&turned, &order, &|| false).unwrap()).unwrap();
            assert_eq!((small.width(), small.height()), (60, 100), "{kind:?} {prefix:?}");
        }
    }
}
