//! Sizes of thumbnails.

/// The size of a picture of `width` x `height` that is scaled to fit `box_width` x `box_height`, up as well as down:
/// one side is that of the box, the other one is rounded half up and at least 1. All are at least 1.
#[must_use]
pub fn fit(width: u32, height: u32, box_width: u32, box_height: u32) -> (u32, u32) {
    debug_assert!(width.min(height).min(box_width).min(box_height) > 0);
    let [w, h, bw, bh] = [width, height, box_width, box_height].map(u64::from);
    let scaled = |side: u64, by: u64, of: u64| u32::try_from(((2 * side * by + of) / (2 * of)).max(1));
    if w * bh >= h * bw {
        (box_width, scaled(h, bw, w).unwrap_or(box_height).min(box_height))
    } else {
        (scaled(w, bh, h).unwrap_or(box_width).min(box_width), box_height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_side_fits_and_the_other_one_is_rounded_half_up() {
        for ((width, height), expected) in [
            ((2560, 1600), (100, 63)),
            ((590, 393), (100, 67)),
            ((386, 395), (98, 100)),
            ((300, 225), (100, 75)),
            ((100, 100), (100, 100)),
            ((1, 1), (100, 100)),
            ((10, 5), (100, 50)),
            ((10_000, 1), (100, 1)),
            ((1, u32::MAX), (1, 100)),
            ((u32::MAX, u32::MAX), (100, 100)),
            ((200, 1), (100, 1)),
            ((200, 3), (100, 2)),
        ] {
            assert_eq!(fit(width, height, 100, 100), expected, "{width} x {height}");
        }
        assert_eq!(fit(400, 300, 64, 32), (43, 32));
        assert_eq!(fit(3, 4, 1, 1), (1, 1));
    }
}
