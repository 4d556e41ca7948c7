//! Draws the picture that was sent on the terminal: with sixel graphics where the terminal has them, else with half blocks, two
//! pixels in each character cell.

mod blocks;
mod colours;
mod fit;
mod screen;
mod sixel;

use std::env;
use std::io::{self, IsTerminal};

use image::RgbImage;

use self::colours::Palette256;
use self::screen::Screen;

/// Says whether and how the picture is drawn on the terminal (`--draw`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Draw {
    /// With the best that the terminal has; not at all where stdout is no terminal, where it can't (TERM=dumb), or where NO_COLOR is set.
    #[default]
    Auto,
    /// As sixel graphics, whatever stdout is.
    Sixel,
    /// With half blocks, whatever stdout is.
    Blocks,
    /// Not at all.
    Never,
}

/// How the picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    Sixel,
    /// Half blocks in 24 bits, or in the 256 colours that every terminal of this century has.
    Blocks {
        is_true: bool,
    },
}

impl Draw {
    /// Returns what a terminal is to be sent to show the picture; nothing where it is not drawn. Asks the terminal what it can,
    /// which takes as long as its answer, a second at most.
    #[must_use]
    pub fn drawing(self, picture: &RgbImage) -> Option<Vec<u8>> {
        let means = self.means()?;
        let screen = Screen::of(&io::stdout());
        let mut out = Vec::new();
        match means {
            Means::Sixel => {
                let (room, grow_max) = (screen.room_px(), screen.pixel_px());
                sixel::draw(&fit::fitted(picture, room, grow_max), &mut out);
            }
            Means::Blocks { is_true } => {
                let palette = (!is_true).then_some(Palette256);
                blocks::draw(&fit::fitted(picture, screen.room_halves(), 1), palette, &mut out);
            }
        }
        Some(out)
    }

    fn means(self) -> Option<Means> {
        let word = |name: &str| env::var(name).unwrap_or_default();
        let blocks = Means::Blocks { is_true: is_true_colour(&word("COLORTERM"), &word("TERM")) };
        match self {
            Self::Never => None,
            Self::Sixel => Some(Means::Sixel),
            Self::Blocks => Some(blocks),
            Self::Auto => {
                let is_dumb = matches!(word("TERM").as_str(), "" | "dumb");
                if !io::stdout().is_terminal() || is_dumb || !word("NO_COLOR").is_empty() {
                    return None;
                }
                Some(if screen::has_sixel() { Means::Sixel } else { blocks })
            }
        }
    }
}

/// Returns whether a terminal takes colours of 24 bits; there is no question that all of them answer.
fn is_true_colour(colorterm: &str, term: &str) -> bool {
    matches!(colorterm, "truecolor" | "24bit") || term.ends_with("-direct") || term.ends_with("-truecolor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_24_bits_are_believed_where_the_terminal_says_so() {
        assert!(is_true_colour("truecolor", "xterm-256color") && is_true_colour("24bit", ""));
        assert!(is_true_colour("", "xterm-direct"));
        assert!(!is_true_colour("", "xterm-256color") && !is_true_colour("yes", "linux"));
    }
}
