//! The 256 colours of terminals: a cube of 6 x 6 x 6 and 24 greys. The first 16 are left out, because users choose their own.

/// The colours.
#[derive(Clone, Copy, Debug)]
pub struct Palette256;

/// Values along each edge of the cube.
const EDGE: [u8; 6] = [0, 95, 135, 175, 215, 255];

impl Palette256 {
    /// Returns the number of the colour that is nearest.
    #[must_use]
    pub fn nearest(self, colour: [u8; 3]) -> u8 {
        let steps = colour.map(nearest_step);
        let cube = steps.map(|step| EDGE[usize::from(step)]);
        let mean = colour.iter().map(|value| u32::from(*value)).sum::<u32>() / 3;
        // Greys are 8, 18 and so on to 238.
        let grey_step = (mean.saturating_sub(3) / 10).min(23) as u8;
        let grey = [8 + 10 * grey_step; 3];
        if distance(grey, colour) < distance(cube, colour) {
            232 + grey_step
        } else {
            16 + 36 * steps[0] + 6 * steps[1] + steps[2]
        }
    }
}

fn nearest_step(value: u8) -> u8 {
    (0..6).min_by_key(|step| EDGE[usize::from(*step)].abs_diff(value)).unwrap_or_default()
}

fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(other)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_is_nearer_than_the_one_that_is_taken() {
        let all: Vec<[u8; 3]> = (0..216_usize)
            .map(|at| [at / 36, at / 6 % 6, at % 6].map(|step| EDGE[step]))
            .chain((0..24).map(|step| [8 + 10 * step; 3]))
            .collect();
        for colour in (0..=255).step_by(15).flat_map(|red| {
            (0..=255)
                .step_by(15)
                .flat_map(move |green| (0..=255).step_by(51).map(move |blue| [red, green, blue]))
        }) {
            let taken = all[usize::from(Palette256.nearest(colour)) - 16];
            let least = all.iter().map(|one| distance(*one, colour)).min();
            // For a colour that is not grey, the grey that is tried has the same mean and need not be the nearest one.
            let is_near = Some(distance(taken, colour)) == least;
            assert!(is_near || colour.iter().any(|value| *value != colour[0]), "{colour:?}: {taken:?}");
        }
        for (number, colour) in (16..).zip(&all) {
            let taken = all[usize::from(Palette256.nearest(*colour)) - 16];
            assert_eq!(taken, *colour, "{number} is exact");
        }
    }
}
