//! Sizes of thumbnails.

/// How a thumbnail fits the size that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// All of the picture is seen, and one side may be shorter.
    Contain,
    /// Both sides are as asked for, and what is too much of the picture is cut off at two sides alike.
    Cover,
}

impl Fit {
    /// Returns its number in records and to a decoder.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns the one with this number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        [Self::Contain, Self::Cover].get(usize::from(number)).copied()
    }
}

/// Returns the size of a picture of `width` x `height` that is scaled to fit `box_width` x `box_height`, up as well as down:
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

/// Returns the size of a picture of `width` x `height` that is scaled to cover `box_width` x `box_height`, up as well as down: one
/// side is that of the box, the other one is longer and rounded up. All are at least 1.
#[must_use]
pub fn cover(width: u32, height: u32, box_width: u32, box_height: u32) -> (u32, u32) {
    debug_assert!(width.min(height).min(box_width).min(box_height) > 0);
    let [w, h, bw, bh] = [width, height, box_width, box_height].map(u64::from);
    let scaled = |side: u64, by: u64, of: u64| u32::try_from((side * by).div_ceil(of)).unwrap_or(u32::MAX);
    if w * bh <= h * bw { (box_width, scaled(h, bw, w)) } else { (scaled(w, bh, h), box_height) }
}

/// Returns left, top, width and height of the part in the middle of a picture that has the aspect of `to`; it is as large as
/// possible.
#[must_use]
pub fn middle((width, height): (f64, f64), to: (u32, u32)) -> (f64, f64, f64, f64) {
    let aspect = f64::from(to.0) / f64::from(to.1);
    let (w, h) = (width.min(height * aspect), height.min(width / aspect));
    ((width - w) / 2.0, (height - h) / 2.0, w, h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_covers_has_one_side_of_the_box_and_the_middle_of_it_is_kept() {
        for ((width, height), expected) in [
            ((200, 100), (200, 100)),
            ((100, 200), (100, 200)),
            ((1, 1), (100, 100)),
            ((3, 2), (150, 100)),
            ((386, 395), (100, 103)),
            ((u32::MAX, 1), (u32::MAX, 100)),
        ] {
            assert_eq!(cover(width, height, 100, 100), expected, "{width} x {height}");
        }
        assert_eq!(cover(100, 100, 64, 32), (64, 64));
        assert_eq!(middle((200.0, 100.0), (50, 50)), (50.0, 0.0, 100.0, 100.0));
        assert_eq!(middle((100.0, 100.0), (64, 32)), (0.0, 25.0, 100.0, 50.0));
        assert_eq!(middle((30.0, 20.0), (3, 2)), (0.0, 0.0, 30.0, 20.0));
        for fit in [Fit::Contain, Fit::Cover] {
            assert_eq!(Fit::numbered(fit.number()), Some(fit));
        }
        assert_eq!(Fit::numbered(2), None);
    }

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
