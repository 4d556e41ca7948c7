//! Which part of the canvas a picture shows, and how large: the parameters of `GET /canvas.png`.

use crate::http::query;

use super::super::detail::{Details, Fault, Input, Location};
use super::super::validate::integer_of_text;
use super::bounds::Bounds;
use super::limits::{PICTURE_PIXELS_MAX, SCALE_MAX, SHRINK_MAX};

/// How large cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// A cell is a square of pixels with so many along each side.
    Grow(u32),
    /// A pixel is a square of cells with so many along each side.
    Shrink(u32),
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    x: Option<i32>,
    y: Option<i32>,
    width: Option<u32>,
    height: Option<u32>,
    scale: Scale,
}

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Its first column of cells.
    pub x: i32,
    /// Its first row of cells.
    pub y: i32,
    /// Cells in a row; they may lie beyond what a coordinate can name.
    pub width: u64,
    /// Cells in a column.
    pub height: u64,
    /// How large they are.
    pub scale: Scale,
}

/// The parameters, in the order in which their faults are reported.
const NAMES: [&str; 5] = ["x", "y", "w", "h", "scale"];

impl Asked {
    /// Reads the parameters; unknown ones are ignored, and of equal ones the last counts.
    ///
    /// # Errors
    /// Adds what is wrong with each of them to `details`.
    pub fn read(text: &str, details: &mut Details) -> Self {
        let mut asked = Self { x: None, y: None, width: None, height: None, scale: Scale::Grow(1) };
        for name in NAMES {
            let Some(value) = query::parameter(text, name) else { continue };
            if let Err(fault) = asked.set(name, &value) {
                details.add(&fault, Location::Query(name), Input::Text(&value));
            }
        }
        asked
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault<'static>> {
        match name {
            "x" => self.x = Some(coordinate(value)?),
            "y" => self.y = Some(coordinate(value)?),
            "w" => self.width = Some(size(value)?),
            "h" => self.height = Some(size(value)?),
            "scale" => self.scale = scale(value).ok_or(Fault::NoScale)?,
            _ => unreachable!("not one of the names above"),
        }
        Ok(())
    }

    /// Returns the cells that were asked for, if that is said: all of x, y, w and h.
    #[must_use]
    pub fn area(&self) -> Option<Bounds> {
        let is_said = self.x.is_some() && self.y.is_some() && self.width.is_some() && self.height.is_some();
        is_said.then(|| self.within(None).cells())
    }

    /// Returns the picture, with what was not asked for taken from the bounds of the canvas.
    #[must_use]
    pub fn within(&self, bounds: Option<Bounds>) -> Shape {
        let bounds = bounds.unwrap_or(Bounds::of(self.x.unwrap_or(0), self.y.unwrap_or(0)));
        let (x, y) = (self.x.unwrap_or(bounds.x_min), self.y.unwrap_or(bounds.y_min));
        let up_to = |end: i32, start: i32| (i64::from(end) - i64::from(start) + 1).max(1) as u64;
        Shape {
            x,
            y,
            width: self.width.map_or_else(|| up_to(bounds.x_max, x), u64::from),
            height: self.height.map_or_else(|| up_to(bounds.y_max, y), u64::from),
            scale: self.scale,
        }
    }
}

/// Reads the coordinate of a cell.
///
/// # Errors
/// Returns what is wrong with it.
pub fn coordinate(text: &str) -> Result<i32, Fault<'static>> {
    let number = integer_of_text(text).ok_or(Fault::IntParsing)?;
    let (least, most) = (i64::from(i32::MIN), i64::from(i32::MAX));
    i32::try_from(number).map_err(|_| if number > most { Fault::Above(most) } else { Fault::Below(least) })
}

fn size(text: &str) -> Result<u32, Fault<'static>> {
    let number = integer_of_text(text).ok_or(Fault::IntParsing)?;
    match u32::try_from(number) {
        Ok(0) => Err(Fault::Below(1)),
        Ok(size) => Ok(size),
        Err(_) if number < 1 => Err(Fault::Below(1)),
        Err(_) => Err(Fault::Above(i64::from(u32::MAX))),
    }
}

fn scale(text: &str) -> Option<Scale> {
    let number = |text: &str, most: u32| text.parse().ok().filter(|number| (1..=most).contains(number));
    match text.split_once('/') {
        None => number(text, SCALE_MAX).map(Scale::Grow),
        Some(("1", cells)) => number(cells, SHRINK_MAX).map(|cells| match cells {
            1 => Scale::Grow(1),
            cells => Scale::Shrink(cells),
        }),
        Some(_) => None,
    }
}

impl Shape {
    /// Returns the largest picture of an area that has no more pixels along its sides than `most`; nothing if one of
    /// [`SHRINK_MAX`] cells along each side of a pixel has more.
    #[must_use]
    pub fn fitting(area: Bounds, most: (u64, u64)) -> Option<Self> {
        let side = |first: i32, last: i32| (i64::from(last) - i64::from(first) + 1) as u64;
        let (width, height) = (side(area.x_min, area.x_max), side(area.y_min, area.y_max));
        let shape = |scale| Self { x: area.x_min, y: area.y_min, width, height, scale };
        let grow = (most.0 / width).min(most.1 / height).min(u64::from(SCALE_MAX)) as u32;
        let shrink = width.div_ceil(most.0).max(height.div_ceil(most.1));
        if grow > 0 {
            return Some(shape(Scale::Grow(grow)));
        }
        u32::try_from(shrink)
            .ok()
            .filter(|cells| *cells <= SHRINK_MAX)
            .map(|cells| shape(Scale::Shrink(cells)))
    }

    /// Returns the parameters that ask for it.
    #[must_use]
    pub fn query(&self) -> String {
        let Self { x, y, width, height, scale } = self;
        let scale = match scale {
            Scale::Grow(pixels) => pixels.to_string(),
            Scale::Shrink(cells) => format!("1/{cells}"),
        };
        format!("x={x}&y={y}&w={width}&h={height}&scale={scale}")
    }

    /// Returns the picture's width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        match self.scale {
            Scale::Grow(pixels) => (self.width * u64::from(pixels), self.height * u64::from(pixels)),
            Scale::Shrink(cells) => {
                (self.width.div_ceil(u64::from(cells)), self.height.div_ceil(u64::from(cells)))
            }
        }
    }

    /// Returns the cells that it shows, as answers say it: x,y,w,h.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{},{},{},{}", self.x, self.y, self.width, self.height)
    }

    /// Returns why the picture is too large; nothing if it is not.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let (width, height) = self.size();
        if fits(width, height) {
            return None;
        }
        let shrink = |cells: u32| Self { scale: Scale::Shrink(cells), ..*self }.size();
        let found = (2..=SHRINK_MAX).find(|cells| fits(shrink(*cells).0, shrink(*cells).1));
        let remedy = found.map_or(String::new(), |cells| format!(", or for all of it with scale=1/{cells}"));
        Some(format!(
            "A picture of {width} x {height} pixels is larger than {PICTURE_PIXELS_MAX} pixels: ask for a smaller part with x, y, w and h{remedy}"
        ))
    }

    /// Returns the cells that it shows, of those that exist.
    #[must_use]
    pub fn cells(&self) -> Bounds {
        let end = |start: i32, length: u64| {
            let last = i64::from(start).saturating_add(i64::try_from(length - 1).unwrap_or(i64::MAX));
            i32::try_from(last).unwrap_or(i32::MAX)
        };
        let (x_max, y_max) = (end(self.x, self.width), end(self.y, self.height));
        Bounds { x_min: self.x, x_max, y_min: self.y, y_max }
    }
}

fn fits(width: u64, height: u64) -> bool {
    width.checked_mul(height).is_some_and(|pixels| pixels <= PICTURE_PIXELS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asked, String> {
        let mut details = Details::default();
        let asked = Asked::read(text, &mut details);
        if details.is_empty() { Ok(asked) } else { Err(String::from_utf8(details.body()).unwrap()) }
    }

    #[test]
    fn what_is_not_asked_for_comes_from_the_bounds() {
        let bounds = Some(Bounds { x_min: -5, x_max: 4, y_min: 10, y_max: 10 });
        let shape = read("").unwrap().within(bounds);
        assert_eq!((shape.x, shape.y, shape.size()), (-5, 10, (10, 1)));
        let shape = read("x=0&scale=1/4").unwrap().within(bounds);
        assert_eq!((shape.x, shape.width, shape.size()), (0, 5, (2, 1)));
        let shape = read("x=100&h=3&scale=32").unwrap().within(bounds);
        assert_eq!((shape.width, shape.size()), (1, (32, 96)), "right of everything there is one column");
        assert_eq!(read("scale=1/1&x=7").unwrap().within(None).size(), (1, 1));
        let whole = Bounds { x_min: i32::MIN, x_max: i32::MAX, y_min: i32::MIN, y_max: i32::MAX };
        let shape = read("").unwrap().within(Some(whole));
        assert_eq!((shape.size(), shape.cells()), ((1 << 32, 1 << 32), whole));
        assert!(shape.fault().is_some());
    }

    #[test]
    fn too_large_a_picture_names_what_fits() {
        let shape = |text| read(text).unwrap().within(None);
        assert_eq!(shape("w=4096&h=4096").fault(), None);
        assert!(shape("w=4097&h=4096").fault().unwrap().ends_with("with scale=1/2"));
        assert!(shape("w=100000&h=100000").fault().unwrap().ends_with("with scale=1/25"));
        assert!(shape("w=4294967295&h=4294967295").fault().unwrap().ends_with("w and h"));
        assert!(shape("w=1000&h=1000&scale=5").fault().is_some());
    }

    #[test]
    fn each_wrong_parameter_is_named() {
        let body = read("x=2147483648&y=a&w=0&h=-1&scale=0").unwrap_err();
        for name in NAMES {
            assert!(body.contains(&format!("[\"query\",\"{name}\"]")), "{name}: {body}");
        }
        for text in ["33", "0", "1/65", "1/0", "2/3", "1.5", "", "1/", "-1"] {
            assert!(read(&format!("scale={text}")).is_err(), "{text}");
        }
    }
}
