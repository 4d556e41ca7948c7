//! Fibonacci numbers of any size, and their digits.

use dashu_int::UBig;

/// The first number that 64 bits don't hold.
const SMALL_COUNT: usize = 94;

/// F(0) to F(93).
const SMALL: [u64; SMALL_COUNT] = {
    let mut table = [0; SMALL_COUNT];
    table[1] = 1;
    let mut at = 2;
    while at < SMALL_COUNT {
        table[at] = table[at - 1] + table[at - 2];
        at += 1;
    }
    table
};

/// Returns F(n), if 64 bits hold it.
#[must_use]
pub fn small(n: u64) -> Option<u64> {
    SMALL.get(usize::try_from(n).ok()?).copied()
}

/// Returns F(n) modulo 2^64, for any n.
#[must_use]
pub fn wrapped(n: u64) -> u64 {
    let (mut a, mut b) = (0_u64, 1_u64);
    for bit in bits(n) {
        let even = a.wrapping_mul(b.wrapping_mul(2).wrapping_sub(a));
        let odd = a.wrapping_mul(a).wrapping_add(b.wrapping_mul(b));
        (a, b) = if bit { (odd, even.wrapping_add(odd)) } else { (even, odd) };
    }
    a
}

/// Returns F(n) in decimal. The work grows with about the power of 1.5 of n: a few microseconds for a thousand digits, about a
/// second for a million.
#[must_use]
pub fn text(n: u64) -> String {
    match small(n) {
        Some(number) => itoa::Buffer::new().format(number).to_owned(),
        None => large(n).to_string(),
    }
}

/// Computes F(n) by doubling: F(2k) = F(k) (2 F(k+1) - F(k)), F(2k+1) = F(k)^2 + F(k+1)^2.
fn large(n: u64) -> UBig {
    // F(k) and F(k+1), where k is what the bits so far say.
    let (mut a, mut b) = (UBig::ZERO, UBig::ONE);
    for bit in bits(n >> 1) {
        let even = &a * ((&b << 1_usize) - &a);
        let odd = a.sqr() + b.sqr();
        (a, b) = if bit { (odd.clone(), even + odd) } else { (even, odd) };
    }
    // The last doubling needs one of its two halves only.
    if n & 1 == 0 { &a * ((b << 1_usize) - &a) } else { a.sqr() + b.sqr() }
}

/// Returns the bits of `n`, the highest one that is set first.
fn bits(n: u64) -> impl Iterator<Item = bool> {
    (0..u64::BITS - n.leading_zeros()).rev().map(move |at| n >> at & 1 == 1)
}

/// log10 of the golden ratio, and of the square root of 5, in units of 2^-100.
const LOG_PHI: u128 = 0x3_5803_6C82_451B_7F36_5D3D_B238;
const LOG_ROOT_5: u128 = 0x5_977D_95EC_10C0_219D_C1DA_994F;
const LOG_BITS: u32 = 100;
/// The largest n for which the product fits.
const COUNTED_MAX: u64 = 1 << 28;

/// Returns how many digits F(n) has, without making them; n is at most 2^28.
#[must_use]
pub fn count(n: u64) -> u64 {
    if n < 2 {
        return 1;
    }
    debug_assert!(n <= COUNTED_MAX, "{n} times the logarithm has more than 128 bits");
    // F(n) is the integer nearest to phi^n / sqrt 5.
    ((u128::from(n) * LOG_PHI - LOG_ROOT_5) >> LOG_BITS) as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes F(0) to F(n) by adding.
    fn added(n: u64) -> Vec<UBig> {
        let mut all = vec![UBig::ZERO, UBig::ONE];
        for at in 2..=n as usize {
            all.push(&all[at - 1] + &all[at - 2]);
        }
        all
    }

    #[test]
    fn every_number_is_the_sum_of_the_two_before() {
        for (n, number) in (0_u64..).zip(added(3_000)) {
            let digits = number.to_string();
            assert_eq!(text(n), digits, "F({n})");
            assert_eq!(large(n).to_string(), digits, "F({n}) by doubling");
            assert_eq!(count(n), digits.len() as u64, "digits of F({n})");
            let low = number & UBig::from(u64::MAX);
            assert_eq!(UBig::from(wrapped(n)), low, "F({n}) in 64 bits");
        }
        assert_eq!((small(93), small(94)), (Some(12_200_160_415_121_876_738), None));
    }

    #[test]
    fn large_numbers_agree_with_what_is_known_of_them() {
        // F(1,000,000) as another program makes it; F(k) divides F(3k).
        let million = text(1_000_000);
        assert_eq!(million.len(), 208_988);
        assert!(million.starts_with("1953282128707757731632014947596256332443"));
        assert!(million.ends_with("68996526838242546875"));
        assert!(large(30_000) % large(10_000) == UBig::ZERO);
    }

    #[test]
    fn digits_are_counted_without_making_them() {
        for n in [4_000, 9_999, 10_000, 47_847, 123_456, 250_000] {
            assert_eq!(count(n), text(n).len() as u64, "F({n})");
        }
        assert_eq!([count(1_000_000), count(4_784_968), count(4_784_969)], [208_988, 999_999, 1_000_000]);
    }
}
