//! Sixel graphics, as the VT340 had them and many terminals of today: bands of six rows, for each colour in a band the columns in
//! which it is set, a character for six pixels.

use std::collections::HashMap;
use std::io::Write;

use color_quant::NeuQuant;
use image::RgbImage;

/// Colours that every terminal with sixel has room for.
const COLOURS_MAX: usize = 256;
/// Rows of a band.
const BAND_ROWS: u32 = 6;
/// One of so many pixels is looked at when colours are chosen; 1 is the best and slowest.
const SAMPLE_EVERY: i32 = 10;

/// Appends the picture and the end of a line. More than 256 colours become the 256 that suit it best.
pub fn draw(picture: &RgbImage, out: &mut Vec<u8>) {
    let (width, height) = picture.dimensions();
    let (palette, pixels) = with_palette(picture);
    // Writing to memory does not fail. Square pixels, whose places stay as they are where nothing is set.
    let _ = write!(out, "\x1bP0;1;0q\"1;1;{width};{height}");
    for (number, colour) in palette.iter().enumerate() {
        let [red, green, blue] = colour.map(percent);
        let _ = write!(out, "#{number};2;{red};{green};{blue}");
    }
    for band in pixels.chunks((width * BAND_ROWS) as usize) {
        draw_band(band, width as usize, palette.len(), out);
    }
    out.extend_from_slice(b"\x1b\\\n");
}

fn percent(value: u8) -> u32 {
    (u32::from(value) * 100 + 127) / 255
}

/// Appends up to six rows.
fn draw_band(band: &[u8], width: usize, colours: usize, out: &mut Vec<u8>) {
    let mut is_used = vec![false; colours];
    band.iter().for_each(|colour| is_used[usize::from(*colour)] = true);
    let mut columns = vec![0_u8; width];
    for (colour, _) in is_used.iter().enumerate().filter(|(_, is_used)| **is_used) {
        columns.fill(0);
        for (row, pixels) in band.chunks(width).enumerate() {
            for (column, pixel) in columns.iter_mut().zip(pixels) {
                *column |= u8::from(usize::from(*pixel) == colour) << row;
            }
        }
        let _ = write!(out, "#{colour}");
        let filled = columns.iter().rposition(|column| *column != 0).map_or(0, |last| last + 1);
        for run in columns[..filled].chunk_by(|one, next| one == next) {
            let sixel = b'?' + run[0];
            match run.len() {
                // Shorter than to say how often.
                count @ 1..=3 => out.resize(out.len() + count, sixel),
                count => {
                    let _ = write!(out, "!{count}{}", char::from(sixel));
                }
            }
        }
        out.push(b'$');
    }
    out.push(b'-');
}

/// Returns colours and for each pixel the number of one. A picture with few keeps its own.
fn with_palette(picture: &RgbImage) -> (Vec<[u8; 3]>, Vec<u8>) {
    let mut numbers: HashMap<[u8; 3], u8> = HashMap::new();
    let mut palette = Vec::new();
    let mut pixels = Vec::with_capacity((picture.width() * picture.height()) as usize);
    for pixel in picture.pixels() {
        let number = match numbers.get(&pixel.0) {
            Some(number) => *number,
            None if palette.len() == COLOURS_MAX => return with_chosen(picture),
            None => {
                let number = palette.len() as u8;
                palette.push(pixel.0);
                numbers.insert(pixel.0, number);
                number
            }
        };
        pixels.push(number);
    }
    (palette, pixels)
}

fn with_chosen(picture: &RgbImage) -> (Vec<[u8; 3]>, Vec<u8>) {
    let opaque = |[red, green, blue]: [u8; 3]| [red, green, blue, 255];
    let rgba: Vec<u8> = picture.pixels().flat_map(|pixel| opaque(pixel.0)).collect();
    let chosen = NeuQuant::new(SAMPLE_EVERY, COLOURS_MAX, &rgba);
    let palette = chosen.color_map_rgb().chunks_exact(3).map(|one| [one[0], one[1], one[2]]).collect();
    let mut numbers: HashMap<[u8; 3], u8> = HashMap::new();
    let mut number =
        |pixel: [u8; 3]| *numbers.entry(pixel).or_insert_with(|| chosen.index_of(&opaque(pixel)) as u8);
    (palette, picture.pixels().map(|pixel| number(pixel.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_colours_and_repetitions_are_as_terminals_read_them() {
        let [red, blue] = [[255, 0, 0], [0, 0, 128]];
        let picture = RgbImage::from_fn(5, 7, |x, y| image::Rgb(if y == 6 && x == 0 { blue } else { red }));
        let mut out = Vec::new();
        draw(&picture, &mut out);
        let expected = "\x1bP0;1;0q\"1;1;5;7#0;2;100;0;0#1;2;0;0;50#0!5~$-#0?!4@$#1@$-\x1b\\\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn many_colours_become_256_that_are_near() {
        let picture = RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8 * 4, y as u8 * 4, 128]));
        let (palette, pixels) = with_palette(&picture);
        assert_eq!(palette.len(), COLOURS_MAX);
        let far = |(pixel, number): (&image::Rgb<u8>, &u8)| {
            let chosen = palette[usize::from(*number)];
            pixel.0.iter().zip(chosen).map(|(one, other)| u32::from(one.abs_diff(other))).max().unwrap()
        };
        let farthest = picture.pixels().zip(&pixels).map(far).max().unwrap();
        assert!(farthest < 48, "{farthest}");
    }
}
