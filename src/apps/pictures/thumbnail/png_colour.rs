//! What a PNG says of its colours (PNG, third edition, sections 11.3.2 and 4.3): of the chunks that are there the first
//! one of cICP, iCCP, sRGB, and gAMA with cHRM counts.

use std::io::Read;

use flate2::read::ZlibDecoder;
use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, MatrixCoefficients,
    ToneReprCurve, TransferCharacteristics,
};

use super::colour::profile;

/// Bytes of a profile at most; what is larger counts as none. Those of printers have some 2 MiB.
const PROFILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Returns the colours of a PNG as a profile; nothing if they are those of sRGB, or if it does not say.
pub fn of_png(picture: &[u8]) -> Option<ColorProfile> {
    let chunk = |name| content(picture, name);
    if let Some(made) = chunk(b"cICP").and_then(of_code_points) {
        return Some(made);
    }
    if let Some(made) = chunk(b"iCCP").and_then(unpacked).and_then(|bytes| profile(&bytes)) {
        return Some(made);
    }
    if chunk(b"sRGB").is_some() {
        return None;
    }
    of_gamma(chunk(b"gAMA")?, chunk(b"cHRM"))
}

/// Returns the content of the first chunk of this name before the pixels.
fn content<'a>(picture: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    let mut at = 8_usize;
    loop {
        let length = u32::from_be_bytes(*picture.get(at..)?.first_chunk()?) as usize;
        let name: &[u8; 4] = picture.get(at + 4..)?.first_chunk()?;
        let content = picture.get(at + 8..at.checked_add(8)?.checked_add(length)?)?;
        match name {
            b"IDAT" | b"IEND" => return None,
            _ if name == wanted => return Some(content),
            _ => at += 12 + length,
        }
    }
}

/// Reads code points of ITU-T H.273: primaries, transfer, matrix, range. Those of more light than a screen has are passed over:
/// what is to be seen of them depends on the screen.
fn of_code_points(content: &[u8]) -> Option<ColorProfile> {
    let [primaries, transfer, 0, 1] = *content else { return None };
    let color_primaries = CicpColorPrimaries::try_from(primaries).ok()?;
    let transfer_characteristics = TransferCharacteristics::try_from(transfer).ok()?;
    let is_of_screens = !matches!(
        transfer_characteristics,
        TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg
    );
    let has_curve = ToneReprCurve::try_from(transfer_characteristics).is_ok();
    let is_known = is_of_screens && has_curve && ColorPrimaries::try_from(color_primaries).is_ok();
    is_known.then(|| {
        ColorProfile::new_from_cicp(CicpProfile {
            color_primaries,
            transfer_characteristics,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        })
    })
}

/// Returns the profile behind its name, which ends with a zero, and the number of its compression.
fn unpacked(content: &[u8]) -> Option<Vec<u8>> {
    let name = memchr::memchr(0, content)?;
    let packed = content.get(name + 1..)?.strip_prefix(&[0])?;
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).take(PROFILE_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= PROFILE_BYTES_MAX).then_some(bytes)
}

/// Values of 1/100,000 (sections 11.3.2.1 and 11.3.2.2): the exponent of the file, and chromaticities.
fn of_gamma(gamma: &[u8], chromaticities: Option<&[u8]>) -> Option<ColorProfile> {
    let value = |bytes: &[u8], at: usize| {
        let bytes = bytes.get(4 * at..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes) as f32 / 100_000.0)
    };
    let exponent = value(gamma, 0).filter(|exponent| *exponent > 0.0)?;
    let mut made = ColorProfile::new_srgb();
    made.cicp = None;
    let place = |at: usize| -> Option<Chromaticity> {
        let (x, y) = (value(chromaticities?, 2 * at)?, value(chromaticities?, 2 * at + 1)?);
        (x > 0.0 && y > 0.0 && x + y <= 1.0).then(|| Chromaticity::new(x, y))
    };
    if let (Some(white), Some(red), Some(green), Some(blue)) = (place(0), place(1), place(2), place(3)) {
        made.update_rgb_colorimetry(white.to_xyyb(), ColorPrimaries { red, green, blue });
    }
    let curve = ToneReprCurve::Parametric(vec![1.0 / exponent]);
    made.red_trc = Some(curve.clone());
    made.green_trc = Some(curve.clone());
    made.blue_trc = Some(curve);
    Some(made)
}
