//! JPEG pictures whose chroma is sampled above luma: legal, made by nearly nobody, and drawn by browsers. The decoder
//! gives the planes as they are coded; here they are brought to one size and become colours.

use image::{DynamicImage, RgbImage};
use libjpeg_turbo_rs::{ColorSpace, Decoder, FrameHeader, JpegError, RawImage};

/// Says that another component than the first is sampled more often, in one direction at least.
pub fn are_needed(frame: &FrameHeader) -> bool {
    let [first, others @ ..] = &frame.components[..] else { return false };
    others.iter().any(|other| {
        other.horizontal_sampling > first.horizontal_sampling
            || other.vertical_sampling > first.vertical_sampling
    })
}

/// Decodes all of the picture.
///
/// # Errors
/// Fails if it is damaged, its scans are neither of one component nor of all, or it has other colours than light.
pub fn decode(decoder: Decoder<'_>) -> Result<DynamicImage, JpegError> {
    let space = decoder.jpeg_color_space();
    let unsupported = |what: &str| JpegError::Unsupported(what.to_owned());
    if !matches!(space, ColorSpace::YCbCr | ColorSpace::Rgb) {
        return Err(unsupported("colours"));
    }
    let components = &decoder.header().components;
    let across: Vec<u8> = components.iter().map(|of| of.horizontal_sampling).collect();
    let down: Vec<u8> = components.iter().map(|of| of.vertical_sampling).collect();
    let raw = decoder.decode_raw()?;
    let [Ok(width), Ok(height)] = [raw.width, raw.height].map(u32::try_from) else {
        return Err(unsupported("size"));
    };
    let (columns, rows) = (Axis::of_each(&across, width), Axis::of_each(&down, height));
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let values = [0, 1, 2].map(|component| {
            let (column, row) = (&columns[component], &rows[component]);
            blended(&raw, component, column.around(x), row.around(y))
        });
        image::Rgb(if space == ColorSpace::Rgb { values } else { rgb(values) })
    });
    Ok(picture.into())
}

/// One direction of a component's plane.
struct Axis {
    /// How often the component is sampled.
    own: u32,
    /// How often the one is that is sampled most.
    most: u32,
    /// The last sample that belongs to the picture.
    last: u32,
}

impl Axis {
    /// Makes those of all components of a picture with a side of so many pixels.
    fn of_each(samplings: &[u8], side: u32) -> Vec<Self> {
        let most: u32 = samplings.iter().copied().max().unwrap_or(1).into();
        let axis = |own: u32| Self { own, most, last: (side * own).div_ceil(most).saturating_sub(1) };
        samplings.iter().map(|own| axis((*own).into())).collect()
    }

    /// Returns the sample that covers a pixel, and its neighbour that counts a third as much. Where one sample stands for
    /// two pixels, libjpeg and browsers blend it so; elsewhere it is its own neighbour.
    fn around(&self, pixel: u32) -> (u32, u32) {
        let at = pixel * self.own / self.most;
        let neighbour = match pixel % 2 {
            _ if self.most != 2 * self.own => at,
            0 => at.saturating_sub(1),
            _ => at + 1,
        };
        (at.min(self.last), neighbour.min(self.last))
    }
}

/// Returns the value of a component between four samples.
fn blended(raw: &RawImage, component: usize, columns: (u32, u32), rows: (u32, u32)) -> u8 {
    let sample = |x: u32, y: u32| {
        let at = y as usize * raw.plane_widths[component] + x as usize;
        u32::from(raw.planes[component].get(at).copied().unwrap_or(128))
    };
    let row = |y: u32| 3 * sample(columns.0, y) + sample(columns.1, y);
    ((3 * row(rows.0) + row(rows.1) + 8) / 16) as u8
}

/// Returns red, green and blue of a pixel (JFIF 1.02, page 3), to 16 bits behind the point.
fn rgb([luma, blue, red]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(luma), i32::from(blue) - 128, i32::from(red) - 128];
    let byte = |value: i32| (((y << 16) + value + (1 << 15)) >> 16).clamp(0, 255) as u8;
    [byte(91_881 * cr), byte(-22_554 * cb - 46_802 * cr), byte(116_130 * cb)]
}
