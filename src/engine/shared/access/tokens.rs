//! The tokens that a server knows, by their hashes: `NAME SCOPES SHA256 [RATE]`, a line for each.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::app::access::Scopes;
use crate::app::shown::Shown;
use crate::base::limits::{TOKEN_NAME_BYTES_MAX, TOKENS_MAX};
use crate::base::rate::{Drawn, RATE_FORM, Rate};
use crate::base::sha256::sha256;

/// Bytes of a SHA-256 hash.
const HASH_BYTES: usize = 32;

/// One token, without what would let somebody use it.
#[derive(Clone)]
pub struct Token {
    /// What operators call it.
    pub name: Box<str>,
    /// What it allows.
    pub scopes: Scopes,
    /// How often whoever has it may ask; nothing for as often as he likes.
    pub rate: Option<Rate>,
    /// When its allowance is full again, for all workers.
    full_us: Arc<AtomicU64>,
    hash: [u8; HASH_BYTES],
}

impl Token {
    /// Draws one request at `now_us` of the server's clock.
    ///
    /// # Errors
    /// Returns how many microseconds to wait, and the rate, if its allowance is empty.
    pub fn draw(&self, now_us: u64) -> Result<(), (u64, Rate)> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut full_us = self.full_us.load(Relaxed);
        loop {
            match rate.draw(full_us, now_us) {
                Drawn::Empty(wait_us) => return Err((wait_us, rate)),
                Drawn::Taken(next_us) => {
                    match self.full_us.compare_exchange_weak(full_us, next_us, Relaxed, Relaxed) {
                        Ok(_) => return Ok(()),
                        Err(other) => full_us = other,
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Token {
    /// Leaves the hash out: a weak secret can be guessed from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} {})", self.name, self.scopes)
    }
}

/// All tokens of a file.
#[derive(Clone, Debug)]
pub struct Tokens(Vec<Token>);

/// What is wrong with a file of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// The fault, in words for an operator. Never holds what stands in the place of the hash, nor what may be a token.
    pub reason: String,
}

impl Tokens {
    /// Reads a file of tokens, of which `apps` are the applications there are. Blanks part fields; `#` begins a comment.
    ///
    /// # Errors
    /// Returns the first line that is wrong; a file without a token is wrong as a whole, since nobody could do anything.
    pub fn parse(text: &str, apps: &[&str]) -> Result<Self, BadLine> {
        let mut tokens: Vec<Token> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            if fields.is_empty() {
                continue;
            }
            let wrong = |reason: String| BadLine { line: index + 1, reason };
            let token = token(&fields, apps).map_err(wrong)?;
            if tokens.iter().any(|other| other.name == token.name) {
                return Err(wrong(format!("there is another token with the name {}", Shown(&token.name))));
            }
            if tokens.iter().any(|other| other.hash == token.hash) {
                return Err(wrong("there is another token with this hash".to_owned()));
            }
            if tokens.len() == TOKENS_MAX {
                return Err(wrong(format!("there are more than {TOKENS_MAX} tokens")));
            }
            tokens.push(token);
        }
        if tokens.is_empty() {
            let reason =
                "there is no token; `pixeld token new --name NAME --scope SCOPES` makes one".to_owned();
            return Err(BadLine { line: 0, reason });
        }
        Ok(Self(tokens))
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns whether each token of `earlier` is among these, with the same scopes.
    #[must_use]
    pub fn have_all_of(&self, earlier: &Self) -> bool {
        let has = |old: &Token| self.0.iter().any(|new| new.hash == old.hash && new.scopes == old.scopes);
        earlier.0.iter().all(has)
    }

    /// Returns the place of the token that a client has sent, if it is one of these. Takes as long for any other text of the same length:
    /// all hashes are compared to their ends.
    #[must_use]
    pub fn find(&self, sent: &[u8]) -> Option<u16> {
        self.place_of(&sha256(sent))
    }

    /// Returns the token at a place.
    #[must_use]
    pub fn at(&self, place: u16) -> Option<&Token> {
        self.0.get(usize::from(place))
    }

    /// Returns the place here of the token that `earlier` has at `place`, if it is still one of these.
    #[must_use]
    pub fn place_now(&self, earlier: &Self, place: u16) -> Option<u16> {
        self.place_of(&earlier.at(place)?.hash)
    }

    fn place_of(&self, hash: &[u8; HASH_BYTES]) -> Option<u16> {
        let mut found = None;
        for (place, token) in (0..).zip(&self.0) {
            if is_equal(&token.hash, hash) {
                found = Some(place);
            }
        }
        found
    }
}

/// Returns a line for a file of tokens.
#[must_use]
pub fn line_of(name: &str, scopes: &Scopes, secret: &str, rate: Option<Rate>) -> String {
    let hash = sha256(secret.as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let rate = rate.map_or(String::new(), |rate| format!(" {rate}"));
    format!("{name} {scopes} {hex}{rate}")
}

/// Returns whether a name may stand in a file of tokens.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
    (1..=TOKEN_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_letter)
}

fn token(fields: &[&str], apps: &[&str]) -> Result<Token, String> {
    let (name, scopes, hash, rate) = match fields {
        [name, scopes, hash] => (name, scopes, hash, None),
        [name, scopes, hash, rate] => (name, scopes, hash, Some(*rate)),
        _ => return Err(format!("it has {} fields; needed are NAME SCOPES SHA256 [RATE]", fields.len())),
    };
    if !is_name(name) {
        return Err(format!(
            "the first field, the name {}, is not 1 to {TOKEN_NAME_BYTES_MAX} letters, digits and - _ . @",
            Shown(name)
        ));
    }
    let hash = hash_of(hash).ok_or("the third field is no SHA-256 in 64 digits of lower-case hex")?;
    let read = |text| {
        Rate::parse(text)
            .ok_or_else(|| format!("the fourth field, the rate {}, is not {RATE_FORM}", Shown(text)))
    };
    let rate = rate.map(read).transpose()?;
    let scopes = Scopes::parse(scopes, apps).map_err(|reason| format!("the second field: {reason}"))?;
    Ok(Token { name: (*name).into(), scopes, rate, full_us: Arc::default(), hash })
}

fn hash_of(hex: &str) -> Option<[u8; HASH_BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; HASH_BYTES];
    let pairs = hex.as_bytes().chunks(2);
    if hex.len() != 2 * HASH_BYTES {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// Compares without an early end, so that the time does not tell how much is equal.
fn is_equal(a: &[u8; HASH_BYTES], b: &[u8; HASH_BYTES]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::access::Scope;

    const APPS: [&str; 1] = ["pixel"];

    fn parse(text: &str) -> Result<Tokens, BadLine> {
        Tokens::parse(text, &APPS)
    }

    #[test]
    fn a_token_that_goes_or_may_do_less_is_noticed() {
        let of = |lines: &[(&str, &str, &str)]| {
            let line = |(name, scopes, secret): &(&str, &str, &str)| {
                line_of(name, &Scopes::parse(scopes, &APPS).unwrap(), secret, None) + "\n"
            };
            parse(&lines.iter().map(line).collect::<String>()).unwrap()
        };
        let two = of(&[("a", "read", "alpha"), ("b", "write", "beta")]);
        assert!(
            of(&[("b", "write", "beta"), ("c", "read", "alpha"), ("d", "read", "delta")]).have_all_of(&two)
        );
        for fewer in [
            of(&[("a", "read", "alpha")]),
            of(&[("a", "read", "other"), ("b", "write", "beta")]),
            of(&[("a", "pixel:read", "alpha"), ("b", "write", "beta")]),
        ] {
            assert!(!fewer.have_all_of(&two), "{fewer:?}");
        }
    }

    #[test]
    fn lines_are_read_as_they_are_made() {
        let scopes = |text| Scopes::parse(text, &APPS).unwrap();
        let (a, b) = (
            line_of("ci", &scopes("pixel:write"), "alpha", Rate::parse("2/h")),
            line_of("ops", &scopes("read,admin"), "beta", None),
        );
        let text = format!("# who may do what\n\n  {a}\t# the build\n{}\n", b.replace(' ', " \t "));
        let tokens = parse(&text).unwrap();
        assert_eq!(tokens.count(), 2);
        let found = tokens.find(b"alpha").and_then(|place| tokens.at(place)).unwrap();
        assert!(&*found.name == "ci" && found.scopes.allow("pixel", Scope::Write));
        assert_eq!((found.draw(7), found.draw(8)), (Ok(()), Ok(())));
        assert_eq!(found.draw(9), Err((1_800_000_000 - 2, Rate::parse("2/h").unwrap())));
        let other = tokens.find(b"beta").and_then(|place| tokens.at(place)).unwrap();
        assert!(&*other.name == "ops" && (0..9).all(|now_us| other.draw(now_us).is_ok()));
        for sent in ["", "alph", "alphaa", "gamma", b.rsplit(' ').next().unwrap()] {
            assert!(tokens.find(sent.as_bytes()).is_none(), "{sent:?}");
        }
        assert_eq!(
            format!("{tokens:?}"),
            "Tokens([Token(ci pixel:write), Token(ops read,admin)])",
            "no hash is shown"
        );
    }

    #[test]
    fn the_first_bad_line_is_named_and_no_hash_is_repeated() {
        let good = line_of("a", &Scopes::parse("read", &APPS).unwrap(), "x", None);
        let hash = good.rsplit(' ').next().unwrap();
        for (text, line, part) in [
            (String::new(), 0, "no token"),
            ("# nobody\n".to_owned(), 0, "no token"),
            (format!("{good}\nb read"), 2, "2 fields"),
            (format!("\n\nb read {hash} 5/s 6"), 3, "5 fields"),
            (format!("b read {hash} 5"), 1, "the rate \"5\", is not"),
            (format!("b read {}", hash.to_uppercase()), 1, "third field"),
            (format!("b read {}", &hash[1..]), 1, "third field"),
            (format!("b read {}é", &hash[2..]), 1, "third field"),
            (format!("b! read {hash}"), 1, "the name"),
            (format!("b all {hash}"), 1, "no scope"),
            (format!("{good}\n{}", good.replacen('a', "b", 1)), 2, "this hash"),
            (format!("{good}\na read {}", hash.replace('2', "3")), 2, "the name \"a\""),
        ] {
            let refused = parse(&text).unwrap_err();
            assert!(refused.line == line && refused.reason.contains(part), "{text}: {refused:?}");
            assert!(!refused.reason.contains(&hash[2..]), "{refused:?}");
        }
    }

    #[test]
    fn a_token_in_a_wrong_place_is_not_repeated() {
        let secret = crate::os::random::token();
        let line = line_of("r", &Scopes::parse("read", &APPS).unwrap(), &secret, None);
        let hash = line.rsplit(' ').next().unwrap();
        for text in [
            format!("{secret}{line}"),
            format!("{secret} read {hash}"),
            format!("{secret} {line}"),
            format!("r {secret} {hash}"),
            format!("r read,{secret} {hash}"),
            format!("r {secret}:read {hash}"),
            format!("r {hash} {hash}"),
            format!("r read {secret}"),
            format!("{line} {secret}"),
            secret.clone(),
        ] {
            let refused = parse(&text).unwrap_err();
            let part = &secret["pixeld_".len()..][..8];
            assert!(!refused.reason.contains(part) && !refused.reason.contains(&hash[..8]), "{refused:?}");
            assert!(refused.reason.contains("field"), "its place is said: {refused:?}");
        }
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let scopes = Scopes::parse("read", &APPS).unwrap();
        let text = |count: usize| {
            (0..count)
                .map(|n| line_of(&format!("t{n}"), &scopes, &n.to_string(), None) + "\n")
                .collect::<String>()
        };
        assert_eq!(parse(&text(TOKENS_MAX)).unwrap().count(), TOKENS_MAX);
        assert_eq!(parse(&text(TOKENS_MAX + 1)).unwrap_err().line, TOKENS_MAX + 1);
    }

    #[test]
    fn every_bit_of_a_hash_counts() {
        let hash = sha256(b"x");
        for bit in 0..8 * HASH_BYTES {
            let mut other = hash;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_equal(&hash, &other) && is_equal(&hash, &hash));
        }
    }
}
