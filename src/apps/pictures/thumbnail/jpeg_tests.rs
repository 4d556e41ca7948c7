//! JPEG pictures of every sampling and every order of scans, made by the smallest encoder there can be: blocks of 8 x 8
//! samples of one value each. What is to be seen is computed from those values, by no decoder.

use image::metadata::Orientation;
use proptest::prelude::*;

use super::super::{Fault, Order, View, thumbnail};
use super::*;
use crate::apps::pictures::size::Fit;

/// How a picture is coded.
#[derive(Clone, Debug)]
struct Form {
    size: (u32, u32),
    /// Horizontal and vertical sampling of luma and chroma.
    samplings: Vec<(u32, u32)>,
    /// Components of each scan.
    scans: Vec<Vec<usize>>,
    /// The marker of the frame: 0xC0 baseline, 0xC2 progressive.
    frame: u8,
    /// Units between two restart markers; 0 for none.
    restart: u16,
    /// Whether all three channels are nearly alike.
    is_grey: bool,
}

const TOGETHER: &[&[usize]] = &[&[0, 1, 2]];
const APART: &[&[usize]] = &[&[0], &[1], &[2]];
const CHROMA_TOGETHER: &[&[usize]] = &[&[0], &[1, 2]];

impl Form {
    fn new(samplings: [(u32, u32); 3], scans: &[&[usize]]) -> Self {
        let scans = scans.iter().map(|scan| scan.to_vec()).collect();
        Self { size: (61, 47), samplings: samplings.to_vec(), scans, frame: 0xC0, restart: 0, is_grey: false }
    }

    fn most(&self) -> (u32, u32) {
        self.samplings.iter().fold((1, 1), |most, own| (most.0.max(own.0), most.1.max(own.1)))
    }

    /// Returns the value of the samples in a block: a slope over the picture, another one for each component.
    fn value(&self, component: usize, block: (u32, u32)) -> u8 {
        let (own, most) = (self.samplings[component], self.most());
        let place = |at: u32, own: u32, most: u32, side: u32| {
            f64::from((at * 8 + 4) * most) / f64::from(own) / f64::from(side)
        };
        let (x, y) = (place(block.0, own.0, most.0, self.size.0), place(block.1, own.1, most.1, self.size.1));
        let value = match component {
            0 => 60.0 + 70.0 * x + 60.0 * y,
            _ if self.is_grey => 128.0 + x,
            1 => 100.0 + 50.0 * y,
            _ => 150.0 - 50.0 * x,
        };
        value.clamp(0.0, 255.0) as u8
    }

    /// Returns what is to be seen.
    fn picture(&self) -> RgbImage {
        let most = self.most();
        RgbImage::from_fn(self.size.0, self.size.1, |x, y| {
            let [luma, blue, red] = [0, 1, 2].map(|component| {
                let own = self.samplings[component];
                f64::from(self.value(component, (x * own.0 / most.0 / 8, y * own.1 / most.1 / 8)))
            });
            let (blue, red) = (blue - 128.0, red - 128.0);
            image::Rgb(
                [luma + 1.402 * red, luma - 0.344 * blue - 0.714 * red, luma + 1.772 * blue]
                    .map(|of| of as u8),
            )
        })
    }

    /// Returns the file (ITU T.81, annex B).
    fn coded(&self) -> Vec<u8> {
        let mut out = vec![0xFF, 0xD8];
        // A step of 8, so that one coefficient is one value.
        segment(&mut out, 0xDB, &[&[0][..], &[8; 64]].concat());
        let mut frame = vec![8];
        frame.extend([self.size.1, self.size.0].map(|side| (side as u16).to_be_bytes()).concat());
        frame.push(self.samplings.len() as u8);
        for (at, own) in self.samplings.iter().enumerate() {
            frame.extend([at as u8, (own.0 << 4 | own.1) as u8, 0]);
        }
        segment(&mut out, self.frame, &frame);
        // Twelve codes of four bits for the first coefficient, and one of one bit that says: the others are zero.
        segment(&mut out, 0xC4, &[&[0][..], &[0, 0, 0, 12], &[0; 12], &Vec::from_iter(0..12)].concat());
        segment(&mut out, 0xC4, &[&[0x10, 1][..], &[0; 15], &[0]].concat());
        if self.restart > 0 {
            segment(&mut out, 0xDD, &self.restart.to_be_bytes());
        }
        self.scans.iter().for_each(|scan| self.scan(scan, &mut out));
        if self.frame == 0xC2 {
            (0..self.samplings.len()).for_each(|component| self.rest(component, &mut out));
        }
        out.extend([0xFF, 0xD9]);
        out
    }

    fn scan(&self, scan: &[usize], out: &mut Vec<u8>) {
        let last = if self.frame == 0xC2 { 0 } else { 63 };
        let components = scan.iter().flat_map(|component| [*component as u8, 0]);
        segment(out, 0xDA, &[&[scan.len() as u8][..], &Vec::from_iter(components), &[0, last, 0]].concat());
        let mut bits = Bits { out, kept: 0, count: 0 };
        let mut before = vec![0; self.samplings.len()];
        for (number, unit) in self.units(scan).into_iter().enumerate() {
            if self.restart > 0 && number > 0 && number % usize::from(self.restart) == 0 {
                bits.restart(number / usize::from(self.restart));
                before.fill(0);
            }
            for (component, block) in unit {
                let value = i32::from(self.value(component, block)) - 128;
                bits.difference(value - std::mem::replace(&mut before[component], value));
                if last > 0 {
                    bits.push(0, 1);
                }
            }
        }
        bits.end();
    }

    /// The scan that says of all blocks of a component that the other coefficients are zero.
    fn rest(&self, component: usize, out: &mut Vec<u8>) {
        segment(out, 0xDA, &[1, component as u8, 0, 1, 63, 0]);
        let mut bits = Bits { out, kept: 0, count: 0 };
        for number in 0..self.units(&[component]).len() {
            if self.restart > 0 && number > 0 && number % usize::from(self.restart) == 0 {
                bits.restart(number / usize::from(self.restart));
            }
            bits.push(0, 1);
        }
        bits.end();
    }

    /// Returns the blocks of each unit of a scan, in order (ITU T.81, section A.2).
    fn units(&self, scan: &[usize]) -> Vec<Vec<(usize, (u32, u32))>> {
        let most = self.most();
        let grid = |step: (u32, u32), size: (u32, u32)| {
            let (across, down) = (size.0.div_ceil(step.0), size.1.div_ceil(step.1));
            (0..down).flat_map(move |y| (0..across).map(move |x| (x, y)))
        };
        if let [component] = *scan {
            let own = self.samplings[component];
            let size = ((self.size.0 * own.0).div_ceil(most.0), (self.size.1 * own.1).div_ceil(most.1));
            return grid((8, 8), size).map(|block| vec![(component, block)]).collect();
        }
        let unit = |(x, y): (u32, u32)| {
            let blocks = scan.iter().flat_map(move |&component| {
                let (across, down) = self.samplings[component];
                let place = move |v: u32, h: u32| (component, (x * across + h, y * down + v));
                (0..down).flat_map(move |v| (0..across).map(move |h| place(v, h)))
            });
            blocks.collect()
        };
        grid((8 * most.0, 8 * most.1), self.size).map(unit).collect()
    }
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xFF, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

/// Coded data, in which a zero follows each byte of ones.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    kept: u32,
    count: u32,
}

impl Bits<'_> {
    fn push(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            self.kept = self.kept << 1 | (value >> at & 1);
            self.count += 1;
            if self.count == 8 {
                self.out.push(self.kept as u8);
                if self.kept as u8 == 0xFF {
                    self.out.push(0);
                }
                (self.kept, self.count) = (0, 0);
            }
        }
    }

    /// The difference to the block before (ITU T.81, section F.1.2.1).
    fn difference(&mut self, value: i32) {
        let category = 32 - value.unsigned_abs().leading_zeros();
        self.push(category, 4);
        let bits = if value < 0 { value - 1 } else { value };
        self.push(bits as u32, category);
    }

    /// Writes a marker of which this is the number, from 1.
    fn restart(&mut self, number: usize) {
        self.end();
        self.out.extend([0xFF, 0xD0 + ((number - 1) % 8) as u8]);
    }

    fn end(&mut self) {
        while self.count > 0 {
            self.push(1, 1);
        }
    }
}

fn order((width, height): (u32, u32)) -> Order {
    Order { kind: Kind::Png, width, height, fit: Fit::Contain, pixels_max: 50_000_000 }
}

/// Returns how near two pictures are, decibels.
fn nearness(one: &RgbImage, other: &RgbImage) -> f64 {
    assert_eq!(one.dimensions(), other.dimensions());
    let squares = one.as_raw().iter().zip(other.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / one.as_raw().len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

fn assert_seen(form: &Form) {
    let small = thumbnail(&form.coded(), &order(form.size), &|| false)
        .unwrap_or_else(|fault| panic!("{form:?}: {fault}"));
    let seen = nearness(&image::load_from_memory(&small).unwrap().to_rgb8(), &form.picture());
    assert!(seen >= 32.0, "{form:?}: {seen:.1} dB");
}

#[test]
fn a_scan_for_each_component_whatever_the_sampling() {
    for samplings in [
        [(2, 2), (1, 1), (1, 1)],
        [(1, 2), (1, 1), (1, 1)],
        [(4, 2), (1, 1), (1, 1)],
        [(2, 4), (1, 1), (1, 1)],
        [(1, 4), (1, 1), (1, 1)],
        [(4, 4), (1, 1), (1, 1)],
        [(1, 3), (1, 1), (1, 1)],
        [(3, 2), (1, 1), (1, 1)],
        [(2, 2), (2, 1), (1, 2)],
    ] {
        for scans in [TOGETHER, APART, CHROMA_TOGETHER, &[&[2], &[0], &[1]]] {
            // More than ten blocks in a unit are not allowed.
            let blocks: u32 = samplings.iter().map(|(across, down)| across * down).sum();
            if blocks <= 10 || scans.len() > 1 {
                assert_seen(&Form::new(samplings, scans));
            }
        }
        assert_seen(&Form { frame: 0xC2, ..Form::new(samplings, APART) });
        assert_seen(&Form { restart: 2, ..Form::new(samplings, APART) });
    }
}

#[test]
fn grey_pictures_of_three_components() {
    for samplings in [[(1, 1); 3], [(2, 1), (1, 1), (1, 1)], [(2, 2), (1, 1), (1, 1)]] {
        for scans in [TOGETHER, APART, CHROMA_TOGETHER] {
            assert_seen(&Form { is_grey: true, ..Form::new(samplings, scans) });
        }
    }
}

#[test]
fn chroma_may_be_sampled_above_luma() {
    for samplings in [
        [(1, 1), (2, 2), (2, 2)],
        [(1, 1), (2, 1), (2, 1)],
        [(1, 1), (2, 2), (1, 1)],
        [(1, 2), (2, 1), (1, 1)],
        [(1, 1), (1, 1), (1, 4)],
        [(1, 1), (4, 1), (1, 1)],
    ] {
        for scans in [TOGETHER, APART] {
            for size in [(61, 47), (8, 8), (1, 1)] {
                assert_seen(&Form { size, ..Form::new(samplings, scans) });
                assert_seen(&Form { size, frame: 0xC2, ..Form::new(samplings, scans) });
            }
        }
        let form = Form::new(samplings, CHROMA_TOGETHER);
        assert_eq!(
            thumbnail(&form.coded(), &order(form.size), &|| false),
            Err(Fault::Unsupported),
            "{form:?}"
        );
    }
}

#[test]
fn what_no_decoder_reads_is_called_unsupported_and_not_corrupted() {
    let usual = Form::new([(1, 1); 3], TOGETHER).coded();
    let frame = usual.windows(2).position(|bytes| bytes == [0xFF, 0xC0]).unwrap();
    // Differential frames of hierarchical pictures, and JPEG-LS.
    for marker in [0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, 0xF7] {
        let mut picture = usual.clone();
        picture[frame + 1] = marker;
        let fault = thumbnail(&picture, &order((61, 47)), &|| false);
        assert_eq!(fault, Err(Fault::Unsupported), "{marker:x}");
    }
    let mut deep = usual.clone();
    deep[frame + 4] = 16;
    assert_eq!(thumbnail(&deep, &order((61, 47)), &|| false), Err(Fault::Unsupported));
}

/// Cut at each byte behind the header of the first scan, in coded values as in headers of later scans.
#[test]
fn a_cut_picture_has_what_came_before_the_cut_however_its_scans_are_ordered() {
    for (frame, scans) in [(0xC0, TOGETHER), (0xC0, APART), (0xC2, TOGETHER), (0xC2, APART)] {
        let form = Form { frame, ..Form::new([(2, 2), (1, 1), (1, 1)], scans) };
        let coded = form.coded();
        let scan = coded.windows(2).position(|bytes| bytes == [0xFF, 0xDA]).unwrap();
        let values = scan + 2 + usize::from(coded[scan + 3]);
        for length in values + 1..coded.len() {
            let small = thumbnail(&coded[..length], &order(form.size), &|| false)
                .unwrap_or_else(|fault| panic!("{frame:x} {scans:?}, {length} bytes: {fault}"));
            let small = image::load_from_memory(&small).unwrap().to_rgb8();
            assert_eq!(small.dimensions(), form.size);
            if length + 2 >= coded.len() {
                let seen = nearness(&small, &form.picture());
                assert!(seen >= 32.0, "{frame:x} {scans:?}, {length} bytes: {seen:.1} dB");
            }
        }
        let header = thumbnail(&coded[..scan], &order(form.size), &|| false);
        assert_eq!(header, Err(Fault::Corrupted), "{frame:x} {scans:?}: no pixels came before the cut");
    }
}

/// The same colour wherever it is looked at, so that pictures that were scaled while they were decoded can be compared.
#[test]
fn a_picture_is_scaled_while_it_is_decoded_and_looks_the_same() {
    for (size, scans) in [((800, 640), TOGETHER), ((803, 645), APART), ((1601, 1283), TOGETHER)] {
        let form = Form { size, ..Form::new([(2, 2), (1, 1), (1, 1)], scans) };
        for side in [400, 200, 100, 50] {
            let small = thumbnail(&form.coded(), &order((side, side)), &|| false).unwrap();
            let small = image::load_from_memory(&small).unwrap().to_rgb8();
            let view = View::new(size, Orientation::NoTransforms, &order((side, side)));
            let whole = DynamicImage::from(form.picture());
            let expected = super::super::scaled(&Decoded::whole(whole), &view).unwrap().to_rgb8();
            let seen = nearness(&small, &expected);
            assert!(seen > 36.0, "{size:?} to {side}: {seen:.1} dB");
        }
    }
}

#[test]
fn the_smallest_scale_that_leaves_twice_the_thumbnail() {
    for (size, to, expected) in [
        ((7016, 5000), (100, 71), 1),
        ((1600, 1136), (100, 71), 1),
        ((1599, 1136), (100, 71), 2),
        ((800, 568), (100, 71), 2),
        ((799, 568), (100, 71), 4),
        ((400, 284), (100, 71), 4),
        ((399, 284), (100, 71), 8),
        ((16, 65_500), (1, 100), 1),
        ((1, 1), (2048, 2048), 8),
    ] {
        assert_eq!(eighths_for(size, to), expected, "{size:?} to {to:?}");
    }
}

/// Every sampling there is, in pictures of one row and of one column of blocks: right or refused by name.
#[test]
fn any_sampling_of_a_narrow_picture_is_right_or_refused() {
    let pairs = || (1..5_u32).flat_map(|across| (1..5_u32).map(move |down| (across, down)));
    for (luma, blue, red) in pairs()
        .flat_map(|luma| pairs().map(move |blue| (luma, blue)))
        .flat_map(|(luma, blue)| pairs().map(move |red| (luma, blue, red)))
    {
        for size in [(33, 1), (1, 33)] {
            let form = Form { size, ..Form::new([luma, blue, red], APART) };
            match thumbnail(&form.coded(), &order(size), &|| false) {
                Ok(small) => {
                    let seen = nearness(&image::load_from_memory(&small).unwrap().to_rgb8(), &form.picture());
                    assert!(seen >= 26.0, "{form:?}: {seen:.1} dB");
                }
                Err(fault) => assert_eq!(fault, Fault::Unsupported, "{form:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any form is shown right or is refused by name.
    #[test]
    fn any_form_is_right_or_refused(
        samplings in prop::collection::vec((1..5_u32, 1..5_u32), 3),
        scans in prop::sample::select(vec![TOGETHER, APART, CHROMA_TOGETHER]),
        size in (1..70_u32, 1..70_u32),
        frame in prop::sample::select(vec![0xC0_u8, 0xC1, 0xC2]),
        restart in 0..4_u16,
    ) {
        let blocks: u32 = samplings.iter().map(|(across, down)| across * down).sum();
        prop_assume!(blocks <= 10 || scans == APART);
        let mut form = Form { size, frame, restart, ..Form::new([(1, 1); 3], scans) };
        form.samplings = samplings;
        match thumbnail(&form.coded(), &order(size), &|| false) {
            Ok(small) => {
                let seen = nearness(&image::load_from_memory(&small).unwrap().to_rgb8(), &form.picture());
                prop_assert!(seen >= 26.0, "{seen:.1} dB");
            }
            Err(fault) => prop_assert_eq!(fault, Fault::Unsupported),
        }
    }
}
