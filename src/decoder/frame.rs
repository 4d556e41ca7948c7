//! What is said over the two pipes between a host and its decoder: an order with a picture one way, its outcome with a
//! thumbnail the other way. Both ends are the same program, so there are no versions.

use crate::apps::pictures::kind::Kind;
use crate::apps::pictures::size::Fit;
use crate::apps::pictures::thumbnail::{Fault, Order};

/// Bytes in front of a picture.
pub const ORDER_BYTES: usize = 32;
/// Bytes in front of a thumbnail.
pub const OUTCOME_BYTES: usize = 12;

const ORDER_MAGIC: u32 = u32::from_le_bytes(*b"PXDO");
const OUTCOME_MAGIC: u32 = u32::from_le_bytes(*b"PXDT");

/// What stands in front of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderHead {
    /// What is asked for.
    pub order: Order,
    /// After how many milliseconds the decoder gives up by itself.
    pub patience_ms: u32,
    /// Bytes of the picture.
    pub picture_bytes: u32,
}

impl OrderHead {
    /// Returns its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; ORDER_BYTES] {
        let mut bytes = [0; ORDER_BYTES];
        bytes[0..4].copy_from_slice(&ORDER_MAGIC.to_le_bytes());
        bytes[4] = self.order.kind.number();
        bytes[5] = self.order.fit.number();
        bytes[8..12].copy_from_slice(&self.order.width.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.order.height.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.order.pixels_max.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.patience_ms.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.picture_bytes.to_le_bytes());
        bytes
    }

    /// Reads it; nothing if it is none.
    #[must_use]
    pub fn read(bytes: &[u8; ORDER_BYTES]) -> Option<Self> {
        let (width, height) = (u32_at(bytes, 8), u32_at(bytes, 12));
        let is_one = u32_at(bytes, 0) == ORDER_MAGIC && width > 0 && height > 0;
        let pixels_max = u64::from(u32_at(bytes, 16)) | u64::from(u32_at(bytes, 20)) << 32;
        let (kind, fit) = (Kind::numbered(bytes[4])?, Fit::numbered(bytes[5])?);
        let order = Order { kind, width, height, fit, pixels_max };
        let head = Self { order, patience_ms: u32_at(bytes, 24), picture_bytes: u32_at(bytes, 28) };
        is_one.then_some(head)
    }
}

/// What stands in front of a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeHead {
    /// Bytes of the thumbnail, or why there is none.
    pub result: Result<u32, Flaw>,
    /// Whether the decoder ends after this one.
    pub is_last: bool,
}

/// A [`Fault`] without what the one who asked knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// See [`Fault::Corrupted`].
    Corrupted,
    /// See [`Fault::TooLarge`].
    TooLarge,
    /// See [`Fault::TooSlow`].
    TooSlow,
    /// See [`Fault::TooDense`].
    TooDense,
    /// See [`Fault::Unsupported`].
    Unsupported,
}

impl Flaw {
    const ALL: [Self; 5] =
        [Self::Corrupted, Self::TooLarge, Self::TooSlow, Self::TooDense, Self::Unsupported];

    /// Returns the short form of a fault.
    #[must_use]
    pub fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Corrupted => Self::Corrupted,
            Fault::TooLarge { .. } => Self::TooLarge,
            Fault::TooSlow => Self::TooSlow,
            Fault::TooDense => Self::TooDense,
            Fault::Unsupported => Self::Unsupported,
        }
    }

    /// Returns the fault that `order` had.
    #[must_use]
    pub fn fault(self, order: &Order) -> Fault {
        match self {
            Self::Corrupted => Fault::Corrupted,
            Self::TooLarge => Fault::TooLarge { most: order.pixels_max },
            Self::TooSlow => Fault::TooSlow,
            Self::TooDense => Fault::TooDense,
            Self::Unsupported => Fault::Unsupported,
        }
    }
}

impl OutcomeHead {
    /// Returns its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; OUTCOME_BYTES] {
        let mut bytes = [0; OUTCOME_BYTES];
        bytes[0..4].copy_from_slice(&OUTCOME_MAGIC.to_le_bytes());
        bytes[4] = self.result.map_or_else(|flaw| flaw as u8 + 1, |_| 0);
        bytes[5] = u8::from(self.is_last);
        bytes[8..12].copy_from_slice(&self.result.unwrap_or(0).to_le_bytes());
        bytes
    }

    /// Reads it; nothing if it is none.
    #[must_use]
    pub fn read(bytes: &[u8; OUTCOME_BYTES]) -> Option<Self> {
        let length = u32_at(bytes, 8);
        let result = match bytes[4] {
            0 => Ok(length),
            number => Err(*Flaw::ALL.get(usize::from(number) - 1)?),
        };
        let is_one = u32_at(bytes, 0) == OUTCOME_MAGIC && bytes[5] < 2;
        is_one.then_some(Self { result, is_last: bytes[5] == 1 })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for kind in Kind::ALL {
            let order =
                Order { kind, width: 100, height: u32::MAX, fit: Fit::Cover, pixels_max: 1 << 40 | 7 };
            let head = OrderHead { order, patience_ms: 10_000, picture_bytes: 12 };
            assert_eq!(OrderHead::read(&head.to_bytes()), Some(head));
            for at in [0, 4, 5] {
                let mut bytes = head.to_bytes();
                bytes[at] ^= 0x80;
                assert_eq!(OrderHead::read(&bytes), None);
            }
            let mut nothing = head.to_bytes();
            nothing[8..12].fill(0);
            assert_eq!(OrderHead::read(&nothing), None, "a thumbnail has a width");
        }
        let order = Order { kind: Kind::Png, width: 1, height: 1, fit: Fit::Contain, pixels_max: 5 };
        for fault in [
            Fault::Corrupted,
            Fault::TooLarge { most: 5 },
            Fault::TooSlow,
            Fault::TooDense,
            Fault::Unsupported,
        ] {
            let head = OutcomeHead { result: Err(Flaw::of(&fault)), is_last: true };
            assert_eq!(OutcomeHead::read(&head.to_bytes()), Some(head));
            assert_eq!(Flaw::of(&fault).fault(&order), fault);
        }
        let head = OutcomeHead { result: Ok(77), is_last: false };
        assert_eq!(OutcomeHead::read(&head.to_bytes()), Some(head));
        for (at, byte) in [(0, 0), (4, 6), (5, 2)] {
            let mut bytes = head.to_bytes();
            bytes[at] = byte;
            assert_eq!(OutcomeHead::read(&bytes), None);
        }
    }
}
