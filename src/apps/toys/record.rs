//! The shop's records.
//!
//! ```text
//! product  0x51  0 u64 id, 0 until it is stamped   8 name
//! keyed    0x53  0 u64 id, 0 until it is stamped   8 key (16 bytes)  24 fingerprint (16 bytes)  40 name
//! order    0x52  0 id (16 bytes)  16 u32 milliseconds it takes  20 fingerprint (16 bytes)  36 product
//! ```
//!
//! Little endian; texts are UTF-8 and end with the record.

use crate::apps::toys::tag::{TOYS_KEYED_PRODUCT, TOYS_ORDER, TOYS_PRODUCT};
use crate::log::format::record;

/// What tells the body of one request from another's; zeros where no key came with it.
pub type Fingerprint = [u8; 16];

/// A product as it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product<'a> {
    /// Its number; 0 before it is stamped.
    pub id: u64,
    /// Its name.
    pub name: &'a str,
}

/// What an Idempotency-Key is logged as: the same bytes on both hosts of a cluster.
pub type KeyId = [u8; 16];

/// An order's id.
pub type OrderId = [u8; 16];

/// A product as it is logged that was sent with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedProduct<'a> {
    /// Number and name.
    pub product: Product<'a>,
    /// The key.
    pub key: KeyId,
    /// Of the request's body.
    pub fingerprint: Fingerprint,
}

/// An order as it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// Its UUID.
    pub id: [u8; 16],
    /// How long it takes from its record's time on, milliseconds.
    pub takes_ms: u32,
    /// Of the request's body.
    pub fingerprint: Fingerprint,
    /// Text of the order.
    pub product: &'a str,
}

/// A record of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A product is added.
    Product(Product<'a>),
    /// A product is added, unless there is one with its key.
    Keyed(KeyedProduct<'a>),
    /// An order is taken.
    Order(Order<'a>),
}

const ID_BYTES: usize = 8;
const KEYED_HEAD_BYTES: usize = 40;
const ORDER_HEAD_BYTES: usize = 36;

impl Product<'_> {
    /// Appends the record.
    pub fn push(&self, out: &mut Vec<u8>) {
        record::push(out, TOYS_PRODUCT, &[&self.id.to_le_bytes()[..], self.name.as_bytes()].concat());
    }
}

impl KeyedProduct<'_> {
    /// Appends the record.
    pub fn push(&self, out: &mut Vec<u8>) {
        let Product { id, name } = self.product;
        let parts = [&id.to_le_bytes()[..], &self.key, &self.fingerprint, name.as_bytes()];
        record::push(out, TOYS_KEYED_PRODUCT, &parts.concat());
    }
}

impl Order<'_> {
    /// Appends the record.
    pub fn push(&self, out: &mut Vec<u8>) {
        let takes_ms = self.takes_ms.to_le_bytes();
        let parts = [&self.id[..], &takes_ms, &self.fingerprint, self.product.as_bytes()];
        record::push(out, TOYS_ORDER, &parts.concat());
    }
}

/// Reads a whole record; nothing if it is none of the shop's.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Record<'_>> {
    let payload = record::payload(bytes);
    match *bytes.first()? {
        TOYS_PRODUCT => {
            let (id, name) = payload.split_first_chunk::<ID_BYTES>()?;
            let name = std::str::from_utf8(name).ok()?;
            Some(Record::Product(Product { id: u64::from_le_bytes(*id), name }))
        }
        TOYS_KEYED_PRODUCT => {
            let (head, name) = payload.split_first_chunk::<KEYED_HEAD_BYTES>()?;
            let (id, rest) = head.split_first_chunk::<ID_BYTES>()?;
            let (key, fingerprint) = rest.split_first_chunk()?;
            let product = Product { id: u64::from_le_bytes(*id), name: std::str::from_utf8(name).ok()? };
            Some(Record::Keyed(KeyedProduct {
                product,
                key: *key,
                fingerprint: fingerprint.try_into().ok()?,
            }))
        }
        TOYS_ORDER => {
            let (head, product) = payload.split_first_chunk::<ORDER_HEAD_BYTES>()?;
            let (id, rest) = head.split_first_chunk()?;
            let (takes_ms, fingerprint) = rest.split_first_chunk()?;
            Some(Record::Order(Order {
                id: *id,
                takes_ms: u32::from_le_bytes(*takes_ms),
                fingerprint: fingerprint.try_into().ok()?,
                product: std::str::from_utf8(product).ok()?,
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let mut out = Vec::new();
        let product = Product { id: 3, name: "é\0" };
        product.push(&mut out);
        assert_eq!(out, [0x51, 11, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0xC3, 0xA9, 0]);
        assert_eq!(decode(&out), Some(Record::Product(product)));
        out.clear();
        let order = Order { id: [1; 16], takes_ms: 0x0102, fingerprint: [2; 16], product: "x" };
        order.push(&mut out);
        let expected = [&[0x52, 37, 0, 0, 0][..], &[1; 16], &[2, 1, 0, 0], &[2; 16], b"x"].concat();
        assert_eq!(out, expected);
        assert_eq!(decode(&out), Some(Record::Order(order)));
        out.clear();
        let keyed = KeyedProduct { product, key: [1; 16], fingerprint: [2; 16] };
        keyed.push(&mut out);
        let expected =
            [&[0x53, 43, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0][..], &[1; 16], &[2; 16], "é\0".as_bytes()];
        assert_eq!(out, expected.concat());
        assert_eq!(decode(&out), Some(Record::Keyed(keyed)));
    }

    #[test]
    fn what_is_no_record_of_the_shop_is_nothing() {
        for bytes in
            [&[][..], &[0x51, 1, 0, 0, 0, 9], &[0x52, 0, 0, 0, 0], &[0x53, 0, 0, 0, 0], &[0x54, 0, 0, 0, 0]]
        {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
        let mut out = Vec::new();
        Product { id: 1, name: "x" }.push(&mut out);
        *out.last_mut().unwrap() = 0xFF;
        assert_eq!(decode(&out), None, "a name that is no UTF-8");
    }
}
