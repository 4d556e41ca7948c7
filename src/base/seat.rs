//! Seats: what keeps numbers apart that several hosts give at the same time.

use std::fmt;

use super::ids::NodeId;

/// Bits of a number that say which host gave it.
const SEAT_BITS: u32 = 7;
/// How many hosts can give numbers that never meet.
pub const SEATS: u16 = 1 << SEAT_BITS;

/// A host's place among the hosts of its cluster, 0 to 127: the low seven bits of the numbers that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(u8);

impl Seat {
    /// The seat of the host that a cluster began with, as far as that is on a log: nobody else takes it, so that host needs to ask nobody.
    pub const FIRST: Self = Self(0);

    /// Returns the seat with this number; nothing from [`SEATS`] on.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        u8::try_from(number).ok().filter(|_| number < SEATS).map(Self)
    }

    /// Returns the seat of one of two hosts that know no seats yet. Its lowest bit is the one that programs of before seats put
    /// into their numbers, so the two agree with such a host too.
    #[must_use]
    pub fn of_pair(is_first: bool) -> Self {
        Self(u8::from(!is_first))
    }

    /// Returns the seat that a host asks for first: of its directory's random id, so that few of many hosts ask for the same one.
    #[must_use]
    pub fn of_node(node: NodeId) -> Self {
        Self((node.0 % u64::from(SEATS)) as u8)
    }

    /// Returns all seats, in rising order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SEATS).filter_map(Self::new)
    }

    /// Returns its number.
    #[must_use]
    pub fn number(self) -> u16 {
        u16::from(self.0)
    }

    /// Returns the least number of this seat that is not below `least`: at most 127 above it.
    #[must_use]
    pub fn next_number(self, least: u64) -> u64 {
        let mask = u64::from(SEATS - 1);
        least + (u64::from(self.0).wrapping_sub(least) & mask)
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_are_as_many_as_their_bits_tell_apart() {
        assert_eq!((Seat::all().count(), Seat::new(SEATS), Seat::new(300)), (128, None, None));
        assert_eq!([true, false].map(|is_first| Seat::of_pair(is_first).number()), [0, 1]);
        assert_eq!(
            [0, 127, 128, u64::MAX].map(|node| Seat::of_node(NodeId(node)).number()),
            [0, 127, 0, 127]
        );
        assert_eq!(Seat::new(127).unwrap().to_string(), "127");
    }

    proptest! {
        #[test]
        fn a_number_bears_its_seat_and_is_the_next_one(number in 0..SEATS, least in 0..(1_u64 << 53) - 127) {
            let found = Seat::new(number).unwrap().next_number(least);
            prop_assert_eq!(found % 128, u64::from(number));
            prop_assert!((least..least + 128).contains(&found) && found < 1 << 53);
        }
    }
}
