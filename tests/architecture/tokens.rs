//! Rust source as tokens: enough of a lexer to read imports and paths without mistaking a comment or a string for one.

/// What a token is; literals and lifetimes are dropped, since no rule looks at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or an identifier, raw ones without their `r#`.
    Word(String),
    /// One character of punctuation.
    Mark(char),
}

/// A token and the line it starts on, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub kind: Kind,
}

impl Token {
    /// The word, or nothing for punctuation.
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Mark(_) => None,
        }
    }

    /// Whether this is the keyword or identifier `word`.
    pub fn is(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    /// Whether this is the punctuation `mark`.
    pub fn marks(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

struct Lexer {
    text: Vec<char>,
    at: usize,
    line: usize,
}

/// The tokens of `source` in order.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { text: source.chars().collect(), at: 0, line: 1 };
    let mut found = Vec::new();
    while let Some(next) = lexer.peek(0) {
        let line = lexer.line;
        match next {
            '/' if lexer.peek(1) == Some('/') => lexer.skip_while(|c| c != '\n'),
            '/' if lexer.peek(1) == Some('*') => lexer.block_comment(),
            '"' => lexer.string(),
            '\'' => lexer.quote(),
            c if c.is_ascii_digit() => lexer.skip_while(|c| c.is_alphanumeric() || c == '_'),
            c if is_word(c) => {
                if let Some(word) = lexer.word() {
                    found.push(Token { line, kind: Kind::Word(word) });
                }
            }
            c => {
                lexer.step();
                if !c.is_whitespace() {
                    found.push(Token { line, kind: Kind::Mark(c) });
                }
            }
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn step(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn skip_while(&mut self, accept: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&accept) {
            self.step();
        }
    }

    /// Block comments nest in Rust.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            let pair = (c, self.peek(1));
            match pair {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.step();
                    continue;
                }
            }
            self.step();
            self.step();
            if depth == 0 {
                return;
            }
        }
    }

    /// From the opening quote of a string with escapes to behind its closing one.
    fn string(&mut self) {
        self.step();
        while let Some(c) = self.peek(0) {
            self.step();
            match c {
                '\\' => self.step(),
                '"' => return,
                _ => {}
            }
        }
    }

    /// From the first `#` or `"` of a raw string to behind its last `#`.
    fn raw_string(&mut self) {
        let start = self.at;
        self.skip_while(|c| c == '#');
        let hashes = self.at - start;
        self.step();
        while let Some(c) = self.peek(0) {
            self.step();
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                return;
            }
        }
    }

    /// A character literal or a lifetime: `'a'` has its closing quote two further on, `'a` has not.
    fn quote(&mut self) {
        if self.peek(1) == Some('\\') {
            self.at += 3; // the quote, the backslash and what it escapes, which may be a quote
            self.skip_while(|c| c != '\'');
            self.step();
        } else if self.peek(2) == Some('\'') {
            self.at += 3;
        } else {
            self.step();
            self.skip_while(is_word);
        }
    }

    /// A word; nothing when it turns out to be the prefix of a literal (`b"..."`, `r#"..."#`, `b'x'`).
    fn word(&mut self) -> Option<String> {
        let start = self.at;
        self.skip_while(is_word);
        let word: String = self.text[start..self.at].iter().collect();
        match (word.as_str(), self.peek(0)) {
            ("r" | "br" | "cr", Some('"')) => self.raw_string(),
            ("r" | "br" | "cr", Some('#')) if matches!(self.peek(1), Some('"' | '#')) => self.raw_string(),
            ("r", Some('#')) => {
                self.step();
                return self.word();
            }
            ("b" | "c", Some('"')) => self.string(),
            ("b", Some('\'')) => self.quote(),
            _ => return Some(word),
        }
        None
    }
}

/// `tokens` without the items that only tests compile, and the names of the modules among those that stand in files of
/// their own (`#[cfg(test)] mod tests;`).
pub fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match test_attribute(&tokens[at..]) {
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
            Some(length) if tokens[at + 1].marks('!') => {
                let _whole_file = length;
                return (Vec::new(), modules);
            }
            Some(length) => {
                let end = item_end(tokens, at + length);
                let item = &tokens[at + length..end];
                if let Some(name) = declared_module(item) {
                    modules.push(name);
                }
                at = end;
            }
        }
    }
    (kept, modules)
}

/// Number of tokens of the attribute `tokens` start with, if it is a `cfg` that holds in tests only.
fn test_attribute(tokens: &[Token]) -> Option<usize> {
    let length = attribute_length(tokens)?;
    let cfg = tokens[..length].iter().position(|token| token.is("cfg"))?;
    needs_test(&tokens[cfg + 2..length - 2]).then_some(length)
}

/// Whether a condition of a `cfg` can hold in tests only: `test`, or an `all` with such a part.
fn needs_test(condition: &[Token]) -> bool {
    match condition {
        [word] => word.is("test"),
        [word, open, inner @ .., _] if word.is("all") && open.marks('(') => {
            parts(inner).into_iter().any(needs_test)
        }
        _ => false,
    }
}

/// What stands between the commas of a list, those in brackets not counted.
fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        if tokens[at].marks(',') {
            found.push(&tokens[start..at]);
            start = at + 1;
        }
        at = if tokens[at].marks('(') { closing(tokens, at) } else { at } + 1;
    }
    found.push(&tokens[start..]);
    found
}

/// Number of tokens of the attribute `tokens` start with, from `#` to `]`.
fn attribute_length(tokens: &[Token]) -> Option<usize> {
    let open = match tokens {
        [hash, bracket, ..] if hash.marks('#') && bracket.marks('[') => 1,
        [hash, bang, bracket, ..] if hash.marks('#') && bang.marks('!') && bracket.marks('[') => 2,
        _ => return None,
    };
    Some(closing(tokens, open) + 1)
}

/// Index of the bracket that closes the one at `open`, or of the last token.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('{' | '(' | '[') => depth += 1,
            Kind::Mark('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Index behind the item, statement or field that starts at `at`.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    const ITEMS: [&str; 14] = [
        "fn", "mod", "use", "impl", "struct", "enum", "const", "static", "trait", "type", "let", "pub",
        "unsafe", "async",
    ];
    while let Some(length) = attribute_length(&tokens[at..]) {
        at += length;
    }
    let item = tokens.get(at).and_then(Token::word).is_some_and(|word| ITEMS.contains(&word));
    while at < tokens.len() {
        match tokens[at].kind {
            Kind::Mark(';') => return at + 1,
            Kind::Mark(',') if !item => return at + 1,
            Kind::Mark('{') => return closing(tokens, at) + 1,
            Kind::Mark('(' | '[') => at = closing(tokens, at) + 1,
            Kind::Mark('}' | ')' | ']') => return at,
            _ => at += 1,
        }
    }
    at
}

/// The name in `mod name;`, behind any visibility and attributes.
fn declared_module(item: &[Token]) -> Option<String> {
    match item {
        [.., keyword, name, end] if keyword.is("mod") && end.marks(';') => name.word().map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source).iter().filter_map(|token| token.word().map(str::to_owned)).collect()
    }

    #[test]
    fn comments_strings_characters_and_lifetimes_are_no_words() {
        let source = r####"
            a // b
            /* c /* d */ e */ f "g \" h" r"i" r#"j " k"# br##"l"# m"## b"n" b'o' 'p' '\'' '\u{1F600}' '"' q<'r> 0x5fs
            r#type c"u" 1.0e5 v
        "####;
        assert_eq!(words(source), ["a", "f", "q", "type", "v"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let found = tokens("/*\n*/ a \"\n\n\" b\nc");
        let lines: Vec<usize> = found.iter().map(|token| token.line).collect();
        assert_eq!(lines, [2, 4, 5]);
    }

    #[test]
    fn items_of_tests_are_left_out() {
        let source = "
            mod kept; #[cfg(test)] #[allow(x)] mod gone { fn f() { a } } use keep::A;
            #[cfg(test)] use gone::{C, D}; #[cfg(not(test))] fn kept() {} #[cfg(all(test, unix))] fn gone(a: [u8; 2]) {}
            #[cfg(all(unix, not(loom), test))] fn gone() {} #[cfg(any(test, unix))] fn kept() {} #[cfg(loom)] use keep::B;
            #[cfg(test)] mod cases; struct S { #[cfg(test)] gone: u8, kept: u8 }
        ";
        let (kept, modules) = without_tests(&tokens(source));
        let words: Vec<&str> = kept.iter().filter_map(Token::word).collect();
        assert!(!words.contains(&"gone") && !words.contains(&"C"), "{words:?}");
        assert_eq!(words.iter().filter(|word| word.starts_with("ke")).count(), 6, "{words:?}");
        assert_eq!(modules, ["cases"]);
        assert_eq!(without_tests(&tokens("#![cfg(test)] use gone::A;")).0, []);
    }
}
