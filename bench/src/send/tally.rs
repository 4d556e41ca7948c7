//! What came back, held against the picture.

use super::picture::{Picture, Sample};

/// No value was listed for this sample.
const MISSING: u16 = 256;

/// The last value listed for each sample of a picture.
#[derive(Debug)]
pub struct Tally {
    listed: u64,
    others: u64,
    last: Vec<u16>,
}

/// The outcome of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Pixels that the server listed.
    pub listed: u64,
    /// Those of them that lie outside of the picture.
    pub others: u64,
    /// Samples of the picture that were not listed.
    pub missing: u64,
    /// Samples whose last listed value is another one.
    pub different: u64,
    /// The first sample that is missing or different, and its listed value.
    pub first: Option<(Sample, Option<u8>)>,
}

impl Verdict {
    /// Returns whether every sample came back with its value.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.missing == 0 && self.different == 0
    }
}

impl Tally {
    /// Makes the tally of a list of which nothing has been read yet.
    #[must_use]
    pub fn new(picture: &Picture) -> Self {
        let samples = usize::try_from(picture.samples()).expect("a picture in memory");
        Self { listed: 0, others: 0, last: vec![MISSING; samples] }
    }

    /// Takes one listed pixel; `number` is its place in the picture, if it has one.
    pub fn take(&mut self, number: Option<usize>, value: u8) {
        self.listed += 1;
        match number {
            Some(number) => self.last[number] = u16::from(value),
            None => self.others += 1,
        }
    }

    /// Returns the number of pixels taken.
    #[must_use]
    pub fn listed(&self) -> u64 {
        self.listed
    }

    /// Compares with the picture.
    #[must_use]
    pub fn verdict(&self, picture: &Picture) -> Verdict {
        assert_eq!(self.last.len() as u64, picture.samples(), "the same picture");
        let (listed, others) = (self.listed, self.others);
        let mut verdict = Verdict { listed, others, missing: 0, different: 0, first: None };
        for (number, last) in (0..).zip(&self.last) {
            let sample = picture.sample(number);
            if *last == u16::from(sample.value) {
                continue;
            }
            let value = u8::try_from(*last).ok();
            verdict.missing += u64::from(value.is_none());
            verdict.different += u64::from(value.is_some());
            verdict.first = verdict.first.or(Some((sample, value)));
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_the_first_difference_is_reported() {
        let picture = Picture::from_rgb(1, vec![7, 8, 9]);
        let mut tally = Tally::new(&picture);
        for (number, value) in [(Some(0), 1), (Some(0), 7), (None, 5), (Some(2), 9), (Some(2), 9)] {
            tally.take(number, value);
        }
        let verdict = tally.verdict(&picture);
        let missing = Sample { x: 0, y: 0, channel: 'G', value: 8 };
        let expected =
            Verdict { listed: 5, others: 1, missing: 1, different: 0, first: Some((missing, None)) };
        assert_eq!(verdict, expected);
        tally.take(Some(1), 4);
        assert_eq!(tally.verdict(&picture).first, Some((missing, Some(4))));
        tally.take(Some(1), 8);
        assert!(tally.verdict(&picture).is_identical());
    }
}
