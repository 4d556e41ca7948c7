//! Pictures as small files, with a palette of at most 256 colours.

use image::RgbaImage;

/// The folder that pictures are put into.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures");
/// How coarsely colours are chosen where there are more than 256: 1 is the best, 30 the fastest.
const SPEED: i32 = 10;

/// Writes a picture as PNG.
pub fn save(name: &str, picture: &RgbaImage) {
    let side = |pixels: u32| u16::try_from(pixels).expect("of a screen");
    let (width, height) = picture.dimensions();
    let mut rgba = picture.as_raw().clone();
    // GIF has such palettes, and its package finds the colours.
    let reduced = gif::Frame::from_rgba_speed(side(width), side(height), &mut rgba, SPEED);
    let file = std::fs::File::create(format!("{FOLDER}/{name}.png")).expect("a file");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_palette(reduced.palette.as_deref().expect("a palette"));
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&reduced.buffer).expect("a picture");
    writer.finish().expect("a picture");
}
