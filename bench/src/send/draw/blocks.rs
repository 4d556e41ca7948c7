//! Half blocks: each character cell shows two pixels, the upper one in the colour of the character, the lower one in that of its
//! background.

use std::io::Write;

use image::RgbImage;

use super::colours::Palette256;

/// The upper half of a cell, filled.
const UPPER: &str = "\u{2580}";

/// Appends the picture, in colours of 24 bits or in those of a palette. A line ends each row of cells.
pub fn draw(picture: &RgbImage, palette: Option<Palette256>, out: &mut Vec<u8>) {
    let (width, height) = picture.dimensions();
    for y in (0..height).step_by(2) {
        let mut last = None;
        for x in 0..width {
            let upper = picture.get_pixel(x, y).0;
            let lower = (y + 1 < height).then(|| picture.get_pixel(x, y + 1).0);
            if last != Some((upper, lower)) {
                paint(38, Some(upper), palette, out);
                paint(48, lower, palette, out);
                last = Some((upper, lower));
            }
            out.extend_from_slice(UPPER.as_bytes());
        }
        out.extend_from_slice(b"\x1b[0m\n");
    }
}

/// Appends the order that sets the colour of characters (38) or of their background (48); without a colour it is the usual one.
fn paint(which: u8, colour: Option<[u8; 3]>, palette: Option<Palette256>, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = match (colour, palette) {
        (None, _) => write!(out, "\x1b[{}m", which + 1),
        (Some(colour), Some(palette)) => write!(out, "\x1b[{which};5;{}m", palette.nearest(colour)),
        (Some([red, green, blue]), None) => write!(out, "\x1b[{which};2;{red};{green};{blue}m"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rows_are_one_line_and_the_last_one_may_be_half() {
        let colours = [[1, 2, 3], [1, 2, 3], [255, 0, 0]];
        let picture = RgbImage::from_fn(2, 3, |_, y| image::Rgb(colours[y as usize]));
        let drawn = |palette| {
            let mut out = Vec::new();
            draw(&picture, palette, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            drawn(None),
            "\x1b[38;2;1;2;3m\x1b[48;2;1;2;3m▀▀\x1b[0m\n\x1b[38;2;255;0;0m\x1b[49m▀▀\x1b[0m\n"
        );
        assert_eq!(
            drawn(Some(Palette256)),
            "\x1b[38;5;16m\x1b[48;5;16m▀▀\x1b[0m\n\x1b[38;5;196m\x1b[49m▀▀\x1b[0m\n"
        );
    }
}
