//! The fenced blocks of a document.

/// A fenced block: where it stands, what its first line says behind the language, and its lines.
pub(crate) struct Block {
    pub(crate) document: String,
    pub(crate) line: usize,
    pub(crate) info: String,
    pub(crate) lines: Vec<String>,
}

/// One command of a console block, its continued lines joined, and the output that is shown below it.
pub(crate) struct Command {
    pub(crate) text: String,
    pub(crate) shown: Vec<String>,
}

/// Returns the blocks of `text` whose language is `language`.
pub(crate) fn of(document: &str, text: &str, language: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(bool, Block)> = None;
    for (index, line) in text.lines().enumerate() {
        let Some(rest) = line.trim_start().strip_prefix("```") else {
            if let Some((_, block)) = &mut open {
                block.lines.push(line.to_owned());
            }
            continue;
        };
        if let Some((wanted, block)) = open.take() {
            blocks.extend(wanted.then_some(block));
        } else {
            let (named, info) = rest.split_once(' ').unwrap_or((rest, ""));
            let block = Block {
                document: document.to_owned(),
                line: index + 1,
                info: info.trim().to_owned(),
                lines: Vec::new(),
            };
            open = Some((named == language, block));
        }
    }
    assert!(open.is_none(), "{document}: a block is not closed");
    blocks
}

impl Block {
    /// Returns the commands of a console block.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        let mut continued = false;
        for line in &self.lines {
            if continued || line.starts_with("$ ") {
                let part = line.strip_prefix("$ ").filter(|_| !continued).unwrap_or(line);
                if continued {
                    let last = commands.last_mut().expect("a begun command");
                    last.text.push('\n');
                    last.text.push_str(part);
                } else {
                    commands.push(Command { text: part.to_owned(), shown: Vec::new() });
                }
                continued = part.ends_with('\\');
            } else if let Some(last) = commands.last_mut() {
                last.shown.push(line.clone());
            } else {
                panic!("{}:{}: output before the first command", self.document, self.line);
            }
        }
        assert!(!commands.is_empty(), "{}:{}: no command in a console block", self.document, self.line);
        commands
    }
}

/// Returns whether `printed` is what `shown` promises. A line that is `...` stands for any lines, a `...` or `…` within a line
/// for any text.
pub(crate) fn matches(shown: &[String], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, later)| is_line(first, line) && matches(rest, later))
        }
    }
}

fn is_line(shown: &str, printed: &str) -> bool {
    let parts: Vec<&str> = shown.split("...").flat_map(|part| part.split('…')).collect();
    let [first, middle @ .., last] = &parts[..] else { return shown == printed };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn commands_are_told_from_their_output() {
    let document = "a\n```console\n$ one \\\n    two\nout\n$ three\n```\n```console needs root\n$ x\n```\n";
    let blocks = of("d", document, "console");
    assert_eq!(blocks.len(), 2);
    assert_eq!((blocks[0].line, blocks[0].info.as_str(), blocks[1].info.as_str()), (2, "", "needs root"));
    let commands = blocks[0].commands();
    assert_eq!(commands[0].text, "one \\\n    two");
    assert_eq!(commands[0].shown, ["out"]);
    assert_eq!(commands[1].text, "three");
}

#[test]
fn output_is_compared_with_what_is_shown() {
    let shown = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    assert!(matches(&shown(&["a", "...", "b…d"]), &["a", "x", "y", "bcd"]));
    assert!(matches(&shown(&["..."]), &[]));
    assert!(!matches(&shown(&["a"]), &["a", "b"]));
    assert!(!matches(&shown(&["a", "b"]), &["a"]));
    assert!(!matches(&shown(&["a...c"]), &["abd"]));
}
