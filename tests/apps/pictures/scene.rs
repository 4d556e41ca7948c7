//! What is drawn in the pictures: an evening at the sea, in an order in which a crowd would draw it.

/// Column, row, and red, green and blue.
pub type Cell = (i32, i32, [u8; 3]);

const WIDTH: i32 = 128;
const HEIGHT: i32 = 72;
/// The first row of the sea.
const HORIZON: i32 = 46;
const SUN: (i32, i32, i32) = (84, 40, 13);

/// Rows of a word; other letters than a blank are set.
const WORD: [&str; 7] = [
    "####   ##  #   # ##### #     ####",
    "#   #  ##  #   # #     #     #   #",
    "#   #  ##   # #  #     #     #   #",
    "####   ##    #   ####  #     #   #",
    "#      ##   # #  #     #     #   #",
    "#      ##  #   # #     #     #   #",
    "#      ##  #   # ##### ##### ####",
];
const HEART: [&str; 7] = [" ## ## ", "#######", "#######", "#######", " ##### ", "  ###  ", "   #   "];
const BOAT: [&str; 8] = [
    "     w     ",
    "     ww    ",
    "     www   ",
    "     wwww  ",
    "     b     ",
    "bbbbbbbbbbb",
    " bbbbbbbbb ",
    "  bbbbbbb  ",
];

const SKY: [[u8; 3]; 6] =
    [[43, 33, 84], [87, 44, 112], [148, 57, 122], [214, 84, 107], [247, 132, 91], [255, 186, 92]];

/// The scene.
pub struct Scene {
    /// Its cells, in the order in which they are drawn.
    pub cells: Vec<Cell>,
}

impl Scene {
    pub fn draw() -> Self {
        let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        let mut cells: Vec<Cell> = places.map(|(x, y)| (x, y, colour(x, y))).collect();
        // Several people begin in different places and work outwards, not very orderly.
        let starts = [(20, 12), (SUN.0, SUN.1), (110, 14), (30, 62), (100, 60)];
        cells.sort_by_key(|&(x, y, _)| {
            let far = starts.iter().map(|(from_x, from_y)| (x - from_x).abs() + (y - from_y).abs()).min();
            far.unwrap_or_default() + noise(x, y) % 24
        });
        Self { cells }
    }
}

fn noise(x: i32, y: i32) -> i32 {
    let mixed = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    (mixed.wrapping_mul(0xC2B2_AE3D) >> 16) as i32
}

fn colour(x: i32, y: i32) -> [u8; 3] {
    let letter = |sprite: &[&str], left: i32, top: i32| {
        let row = usize::try_from(y - top).ok().and_then(|row| sprite.get(row))?;
        let letter = usize::try_from(x - left).ok().and_then(|column| row.as_bytes().get(column))?;
        (*letter != b' ').then_some(*letter)
    };
    match letter(&BOAT, 22, 48) {
        Some(b'w') => return [250, 244, 230],
        Some(_) => return [112, 62, 40],
        None => {}
    }
    if letter(&WORD, 10, 8).is_some() {
        return [255, 240, 214];
    }
    if letter(&HEART, 108, 10).is_some() {
        return [255, 74, 92];
    }
    if y >= HORIZON { sea(x, y) } else { sky(x, y) }
}

fn sky(x: i32, y: i32) -> [u8; 3] {
    let (sun_x, sun_y, radius) = SUN;
    let far = (x - sun_x).pow(2) + (y - sun_y).pow(2);
    let mountain = |base: i32, steep: f64, shift: f64| {
        let wave = (f64::from(x) / steep + shift).sin() + 0.5 * (f64::from(x) / (steep * 0.37) + shift).sin();
        base - (wave * 5.0) as i32
    };
    if y > mountain(41, 13.0, 4.0) {
        return [54, 32, 74];
    }
    if y > mountain(36, 19.0, 1.0) {
        return [92, 48, 96];
    }
    if far < radius * radius {
        return [255, 240, 170];
    }
    if far < (radius + 3).pow(2) && (x + y) % 2 == 0 {
        return [255, 216, 130];
    }
    if y < 26 && noise(x, y) % 97 == 0 {
        return [255, 250, 225];
    }
    // Between two colours every other cell has the next one, as people draw it with few.
    let step = y * 12 / HORIZON;
    let next = step % 2 == 1 && (x + y) % 2 == 0;
    SKY[((step / 2 + i32::from(next)).min(5)) as usize]
}

fn sea(x: i32, y: i32) -> [u8; 3] {
    let depth = y - HORIZON;
    let is_glitter = (x - SUN.0).abs() < 4 + depth / 2 && noise(x / 3, y) % 3 == 0;
    if is_glitter {
        return [255, 205, 130];
    }
    match (noise(x / 5, y) % 7, depth) {
        (0, _) => [88, 118, 176],
        (_, 0..6) => [70, 84, 148],
        (_, 6..14) => [52, 66, 128],
        _ => [38, 50, 104],
    }
}
