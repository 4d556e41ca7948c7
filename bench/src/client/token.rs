//! The token that lets a client in, read from a file: in a command line other users of the machine could see it.

use std::fmt;
use std::fs;
use std::path::Path;

/// A token, which no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([hidden])")
    }
}

impl Token {
    /// Reads the first line of a file.
    ///
    /// # Errors
    /// Returns a sentence for a file that can't be read or whose first line is no token (RFC 6750, section 2.1). It does not show
    /// the line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text =
            fs::read_to_string(path).map_err(|error| format!("the file of the token, {shown}: {error}"))?;
        Self::parse(text.lines().next().unwrap_or_default().trim()).ok_or_else(|| {
            format!(
                "the file of the token, {shown}: its first line is no token; `pixeld token new` makes one"
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        (!text.is_empty() && text.bytes().all(is_token)).then(|| Self(text.to_owned()))
    }

    /// Returns name and value of the field that carries it.
    #[must_use]
    pub fn field(&self) -> (String, String) {
        ("Authorization".to_owned(), format!("Bearer {}", self.0))
    }

    /// Returns that field as a line of a head, with its end; nothing where there is no token.
    #[must_use]
    pub fn line(token: Option<&Self>) -> String {
        token.map_or_else(String::new, |Self(token)| format!("Authorization: Bearer {token}\r\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_token_and_nothing_shows_it() {
        let token = Token::parse("pixeld_aB-_9").unwrap();
        assert_eq!(format!("{token:?}"), "Token([hidden])");
        assert_eq!(Token::line(Some(&token)), "Authorization: Bearer pixeld_aB-_9\r\n");
        assert_eq!((Token::line(None), token.field().1), (String::new(), "Bearer pixeld_aB-_9".to_owned()));
        for text in ["", "a b", "a\r", "ä", "{{n}}"] {
            assert_eq!(Token::parse(text), None, "{text:?}");
        }
    }
}
