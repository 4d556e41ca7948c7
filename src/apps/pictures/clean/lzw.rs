//! Where the coded pixels of a GIF's frame end: its codes are read without making pixels (GIF89a, appendix F).

/// Codes have at most so many bits.
const CODE_BITS_MAX: u32 = 12;

/// What was found in the data of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// So many bytes, whose code for the end is there.
    Ends(usize),
    /// All pixels are in the first so many bits, and no code for the end follows; it would have this value and length.
    Unended { bits: usize, end: u32, length: u32 },
    /// It is cut or damaged before that.
    Cut,
}

/// Reads codes until `pixels` are there, of which the first have `smallest` bits and one more.
pub(super) fn extent(data: &[u8], smallest: u8, pixels: u64) -> Extent {
    let smallest = u32::from(smallest);
    if !(1..=11).contains(&smallest) {
        return Extent::Cut;
    }
    let (clear, end) = (1_usize << smallest, (1_usize << smallest) + 1);
    // By the code: how many pixels it stands for.
    let mut lengths = vec![1_u32; 1 << CODE_BITS_MAX];
    let (mut next, mut bits, mut before) = (end + 1, smallest + 1, None::<usize>);
    let (mut given, mut at) = (0_u64, 0_usize);
    loop {
        if given >= pixels && code_at(data, at, bits) != Some(end) {
            return Extent::Unended { bits: at, end: end as u32, length: bits };
        }
        let Some(code) = code_at(data, at, bits) else { return Extent::Cut };
        at += bits as usize;
        if code == end {
            return Extent::Ends(at.div_ceil(8));
        }
        if code == clear {
            (next, bits, before) = (end + 1, smallest + 1, None);
            continue;
        }
        // A code that is not there yet may only be the one that is made by it.
        let is_known = code < next && code != end;
        if before.is_none() && code >= clear || !is_known && code != next {
            return Extent::Cut;
        }
        if let Some(before) = before.filter(|_| next < lengths.len()) {
            lengths[next] = lengths[before] + 1;
            next += 1;
            if next == 1 << bits && bits < CODE_BITS_MAX {
                bits += 1;
            }
        } else if !is_known {
            return Extent::Cut;
        }
        given += u64::from(lengths[code]);
        before = Some(code);
    }
}

fn code_at(data: &[u8], at: usize, bits: u32) -> Option<usize> {
    if at + bits as usize > data.len() * 8 {
        return None;
    }
    let byte = |place: usize| data.get(place).map_or(0, |byte| u32::from(*byte));
    let start = at / 8;
    let value = byte(start) | byte(start + 1) << 8 | byte(start + 2) << 16;
    Some((value >> (at % 8) & ((1 << bits) - 1)) as usize)
}

/// Cuts data behind its pixels and puts the code for the end there.
pub(super) fn ended(data: &[u8], bits: usize, end: u32, length: u32) -> Vec<u8> {
    let mut out = data[..bits.div_ceil(8)].to_vec();
    let used = bits % 8;
    if used > 0 {
        let last = out.last_mut().expect("a byte with bits");
        *last &= (1 << used) - 1;
        *last |= (end << used) as u8;
    }
    let free = if used > 0 { 8 - used } else { 0 };
    let (mut rest, mut left) = (end >> free, length.saturating_sub(free as u32));
    while left > 0 {
        out.push(rest as u8);
        rest >>= 8;
        left = left.saturating_sub(8);
    }
    out
}
