//! JPEG pictures of all forms that `cjpeg` makes, decoded as libjpeg-turbo's `djpeg` decodes them.
//!
//! Needs both programs (Debian: libjpeg-turbo-progs) and says so where they are not. The whole campaign:
//!
//! ```text
//! cargo test --test apps jpeg_forms -- --ignored --nocapture
//! ```

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::skip::skip;
use image::{ImageFormat, RgbImage};
use pixeld::apps::pictures::kind::Kind;
use pixeld::apps::pictures::size::Fit;
use pixeld::apps::pictures::thumbnail::{Fault, Order, thumbnail};

const SIZES: [(u32, u32); 8] = [(1, 1), (7, 9), (8, 8), (16, 16), (17, 31), (33, 32), (64, 48), (131, 97)];
/// As `cjpeg -sample` takes them: luma, and the last one goes for the rest.
const SAMPLINGS: [&str; 18] = [
    "1x1,1x1",
    "2x1,1x1",
    "1x2,1x1",
    "2x2,1x1",
    "4x1,1x1",
    "1x4,1x1",
    "4x2,1x1",
    "2x4,1x1",
    "4x4,1x1",
    "3x1,1x1",
    "1x3,1x1",
    "3x2,1x1",
    "2x3,1x1",
    "1x1,2x2",
    "1x1,2x1",
    "2x2,2x1",
    "2x2,1x2",
    "2x1,1x1,2x1",
];
/// Scans, where there are more than one.
const MODES: [(&str, &[&str], &str); 7] = [
    ("baseline", &[], ""),
    ("optimized", &["-optimize"], ""),
    ("progressive", &["-progressive"], ""),
    ("a scan for each component", &[], "0;\n1;\n2;\n"),
    ("a scan for luma, one for chroma", &[], "0;\n1 2;\n"),
    ("restart markers", &["-restart", "1"], ""),
    ("grey", &["-grayscale"], ""),
];

/// Decibels from which a picture counts as shown right. One that is not has 30 at the very most.
const RIGHT: f64 = 40.0;

/// What came of some forms.
#[derive(Default)]
struct Tally {
    right: usize,
    unsupported: Vec<String>,
    wrong: Vec<String>,
    /// Those that `cjpeg` does not make.
    unmade: usize,
}

fn are_there() -> bool {
    let is_there = |name: &str| {
        let run = Command::new(name).arg("-version").stdin(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok()
    };
    is_there("cjpeg") && is_there("djpeg")
}

fn output(command: &mut Command) -> Option<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().expect("a program that was there");
    output.status.success().then_some(output.stdout)
}

/// Waves and slopes; or a slope whose three channels are nearly alike.
fn scene((width, height): (u32, u32), is_grey: bool) -> RgbImage {
    if is_grey {
        let slope = |x: u32, y: u32| ((x + y) * 250 / (width + height)) as u8;
        return RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([slope(x, y), slope(x, y) + 1, slope(x, y) + 2])
        });
    }
    let wave = |at: u32, length: f64| (f64::from(at) / length).sin();
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([
            (128.0 + 55.0 * (wave(x, 9.0) + wave(y, 23.0))) as u8,
            (x * 255 / width) as u8,
            (128.0 + 50.0 * (wave(y, 7.0) - wave(x, 31.0))) as u8,
        ])
    })
}

fn try_forms(sizes: &[(u32, u32)]) -> Tally {
    let work = tempfile::tempdir().expect("a directory");
    let mut tally = Tally::default();
    for (size, is_grey) in sizes.iter().flat_map(|size| [(size, false), (size, true)]) {
        let source = work.path().join("scene.bmp");
        scene(*size, is_grey).save_with_format(&source, ImageFormat::Bmp).expect("a picture");
        for sampling in SAMPLINGS {
            for mode in &MODES {
                try_form(work.path(), &source, *size, sampling, mode, &mut tally);
            }
        }
    }
    tally
}

fn try_form(
    work: &Path,
    source: &Path,
    (width, height): (u32, u32),
    sampling: &str,
    (mode, options, scans): &(&str, &[&str], &str),
    tally: &mut Tally,
) {
    let (script, file) = (work.join("scans"), work.join("form.jpg"));
    let mut make = Command::new("cjpeg");
    make.args(["-quality", "90", "-sample", sampling]).args(*options);
    if !scans.is_empty() {
        fs::write(&script, scans).expect("a file");
        make.arg("-scans").arg(&script);
    }
    let Some(picture) = output(make.arg(source)) else {
        tally.unmade += 1;
        return;
    };
    fs::write(&file, &picture).expect("a file");
    let Some(shown) = output(Command::new("djpeg").arg("-bmp").arg(&file)) else {
        tally.unmade += 1;
        return;
    };
    let expected =
        image::load_from_memory_with_format(&shown, ImageFormat::Bmp).expect("a picture").to_rgb8();
    let order = Order { kind: Kind::Png, width, height, fit: Fit::Contain, pixels_max: 1_000_000 };
    let name = format!("{width}x{height} {sampling} {mode}");
    match thumbnail(&picture, &order, &|| false) {
        Ok(made) => {
            let made = image::load_from_memory(&made).expect("a picture").to_rgb8();
            let nearness = nearness(&made, &expected);
            if nearness >= RIGHT {
                tally.right += 1;
            } else {
                tally.wrong.push(format!("{name}: {nearness:.1} dB"));
            }
        }
        Err(Fault::Unsupported) => tally.unsupported.push(name),
        Err(fault) => tally.wrong.push(format!("{name}: {fault}")),
    }
}

fn nearness(one: &RgbImage, other: &RgbImage) -> f64 {
    assert_eq!(one.dimensions(), other.dimensions());
    let squares = one.as_raw().iter().zip(other.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / one.as_raw().len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

fn judge(sizes: &[(u32, u32)]) {
    if !are_there() {
        return skip("no cjpeg and djpeg to make the forms of JPEG (Debian: libjpeg-turbo-progs)");
    }
    let tally = try_forms(sizes);
    println!(
        "{} forms: {} as djpeg decodes them, {} unsupported, {} wrong; {} more are not made by cjpeg",
        tally.right + tally.unsupported.len() + tally.wrong.len(),
        tally.right,
        tally.unsupported.len(),
        tally.wrong.len(),
        tally.unmade
    );
    tally.unsupported.iter().for_each(|name| println!("  unsupported: {name}"));
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert!(tally.right > 50, "few were tried");
    // Only where chroma is sampled above luma and comes in a scan of its own.
    let is_known = |name: &&String| name.ends_with("a scan for luma, one for chroma");
    assert!(tally.unsupported.iter().all(|name| is_known(&name)), "{:#?}", tally.unsupported);
}

#[test]
fn forms_of_cjpeg_are_shown_as_djpeg_shows_them() {
    judge(&[(17, 31)]);
}

#[test]
#[ignore = "a minute: the whole campaign"]
fn all_forms_of_cjpeg_are_shown_as_djpeg_shows_them() {
    judge(&SIZES);
}
