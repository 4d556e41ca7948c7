//! What speaks on a port whose bytes are no HTTP/1 response.

/// Says which protocol begins with these bytes, and what to do, if it is one of those that are met most.
#[must_use]
pub fn protocol(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        // A record of TLS: an alert or a handshake of version 3.x (RFC 8446, section 5.1).
        [0x15 | 0x16, 3, 0..=4, ..] => Some("it speaks TLS: use https://"),
        // A SETTINGS frame on stream 0 (RFC 9113, section 3.4), or a status line of that version.
        [0, _, _, 4, 0 | 1, 0, 0, 0, 0, ..] => Some("it speaks HTTP/2 only; HTTP/1.1 is what is sent here"),
        _ if bytes.starts_with(b"HTTP/2") => Some("it answers in HTTP/2; HTTP/1.1 is what is sent here"),
        _ if bytes.starts_with(b"SSH-") => Some("it speaks SSH: this is another port"),
        _ if bytes.starts_with(b"-ERR") || bytes.starts_with(b"+OK") => {
            Some("it speaks Redis' protocol or POP3")
        }
        _ if bytes.starts_with(b"220 ") || bytes.starts_with(b"220-") => Some("it speaks SMTP or FTP"),
        _ if bytes.starts_with(b"RFB ") => Some("it speaks VNC's protocol"),
        _ if bytes.first() == Some(&b'<') => Some("it answers in HTTP/0.9, without a head"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_by_table() {
        for (bytes, said) in [
            (&[0x15, 3, 1, 0, 2, 2, 70][..], Some("https://")),
            (&[0x16, 3, 3, 0, 2], Some("https://")),
            (&[0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3], Some("HTTP/2")),
            (b"HTTP/2.0 200 OK\r\n", Some("HTTP/2")),
            (b"SSH-2.0-x\r\n", Some("SSH")),
            (b"-ERR unknown command\r\n", Some("Redis")),
            (b"220 mail ESMTP\r\n", Some("SMTP")),
            (b"<html>", Some("HTTP/0.9")),
            (b"", None),
            (b"\x15\x03", None),
            (b"hello", None),
        ] {
            let seen = protocol(bytes);
            assert_eq!(seen.is_some(), said.is_some(), "{bytes:?}: {seen:?}");
            assert!(seen.unwrap_or_default().contains(said.unwrap_or_default()), "{bytes:?}: {seen:?}");
        }
    }
}
