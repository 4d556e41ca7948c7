//! Which content coding a client wants (RFC 9110, section 12.5.3).

use super::accept::thousandths;

/// Returns whether gzip is the better choice of it and the content as it is. `fields` are the values of all Accept-Encoding
/// fields; without any, the content is sent as it is.
///
/// A coding with the quality 0 is not acceptable. Of equal qualities gzip wins: that is why it is offered. A client
/// that accepts neither is sent the content as it is, which the RFC allows.
#[must_use]
pub fn prefers_gzip<'f>(fields: impl Iterator<Item = &'f [u8]>) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for element in fields.flat_map(|value| value.split(|&byte| byte == b',')) {
        let Ok(text) = std::str::from_utf8(element) else { continue };
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality = quality.map_or(Some(1000), thousandths);
        match name.as_str() {
            "gzip" | "x-gzip" => gzip = gzip.max(quality),
            "identity" => identity = identity.max(quality),
            "*" => any = any.max(quality),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    // Not named, the content as it is stays acceptable, but is what is asked for least.
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(fields: &[&str]) -> bool {
        prefers_gzip(fields.iter().map(|field| field.as_bytes()))
    }

    #[test]
    fn gzip_is_sent_to_those_who_want_it() {
        for fields in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br", "GZIP;q=0.5"],
            &["x-gzip"],
            &["*"],
            &["identity;q=0.5, *;q=0.5"],
            &["identity;q=0, gzip;q=0.001"],
            &["gzip ; q=1.0 , identity"],
        ] {
            assert!(gzip(fields), "{fields:?}");
        }
    }

    #[test]
    fn everybody_else_gets_the_content_as_it_is() {
        for fields in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["gzip;q=0.5, identity"],
            &["gzip;q=x"],
            &["gzip2"],
        ] {
            assert!(!gzip(fields), "{fields:?}");
        }
    }
}
