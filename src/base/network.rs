//! Networks as people write them: an address, or one with the number of its bits that count.

use core::fmt;
use core::net::IpAddr;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    start: IpAddr,
    bits: u8,
}

/// Describes a network to whoever has mistyped one.
pub const NETWORK_FORM: &str = "an address or a network, such as 192.0.2.7, 10.0.0.0/8 or fd00::/8";

impl Network {
    /// Reads `10.0.0.0/8` or an address alone; nothing if the text has another form, or bits behind those that count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let start: IpAddr = address.parse().ok()?;
        let all = if start.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => all,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
        };
        let network = Self { start, bits };
        (bits <= all && first_bits(start, bits) == first_bits(start, all)).then_some(network)
    }

    /// Returns whether `address` is one of them; an IPv4 address that is embedded in an IPv6 one counts as itself.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.start.is_ipv4()
            && first_bits(address, self.bits) == first_bits(self.start, self.bits)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.start, self.bits)
    }
}

/// Returns an address with nothing behind its first `bits`.
fn first_bits(address: IpAddr, bits: u8) -> u128 {
    let (value, behind) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 128 - u32::from(bits)),
        IpAddr::V6(address) => (address.to_bits(), 128 - u32::from(bits)),
    };
    value.checked_shr(behind).map_or(0, |kept| kept << behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_their_addresses_and_no_other() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "127.0.0.1"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
            ("192.0.2.128/25", "192.0.2.129", "192.0.2.127"),
        ] {
            let network = Network::parse(text).expect(text);
            assert!(network.has(inside.parse().expect("an address")), "{text} {inside}");
            assert!(!network.has(outside.parse().expect("an address")), "{text} {outside}");
        }
        for text in
            ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/+8", "10.0.0.0/", "::/129", "host", "10.0.0.0:80"]
        {
            assert_eq!(Network::parse(text), None, "{text:?}");
        }
    }
}
