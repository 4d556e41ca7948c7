//! Commands of the documents are run as they stand, each document in a network of its own, so that every port is free.
//!
//! A block that can't be run everywhere says why behind its language: `console needs root`. Its commands are checked for form: the
//! shell parses them, and the program knows each option.

use crate::blocks::{self, Block, Command};
use crate::{ROOT, documents, text};

use crate::skip::skip;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{self, Stdio};

/// Returns a command with what a test has instead of it: the program that is built already.
fn as_run(command: &str) -> String {
    command
        .replace("cargo run --release --", "pixeld")
        .replace("cargo build --profile dist && alias pixeld=$PWD/target/dist/pixeld", "true")
}

/// Returns whether a command starts a server that goes on when the next command is pasted into another terminal.
fn is_server(command: &str) -> bool {
    command.starts_with("pixeld serve")
        && !command.contains("--print-config")
        && !command.contains("--check-config")
}

/// Returns a command as lines of a shell script. Every command has to succeed; its output goes to a file of its own.
fn scripted(number: usize, command: &Command) -> String {
    let text = as_run(&command.text);
    let background = text.trim_end().ends_with('&');
    let text = text.trim_end().trim_end_matches('&').trim_end();
    let address =
        text.split_whitespace().skip_while(|word| *word != "--listen").nth(1).unwrap_or("127.0.0.1:8000");
    let failed = format!(
        "{{ code=$?; cat err.{number} >&2; echo \"exit $code of: $(cat command.{number})\" >&2; exit 1; }}"
    );
    if text.starts_with("pixeld bench agent") {
        let open = format!("(exec 3<>/dev/tcp/{}) 2>/dev/null", address.replace(':', "/"));
        format!(
            "{{ {text}\n}} >out.{number} 2>err.{number} &\n\
             for i in $(seq 300); do {open} && break; sleep 0.1; done\n\
             {open} || {failed}\n"
        )
    } else if is_server(text) || background {
        format!(
            "{{ {text}\n}} >out.{number} 2>err.{number} &\n\
             for i in $(seq 300); do pixeld healthy http://{address} >/dev/null 2>&1 && break; sleep 0.1; done\n\
             pixeld healthy http://{address} || {failed}\n"
        )
    } else {
        format!("{{ {text}\n}} >out.{number} 2>err.{number} || {failed}\n")
    }
}

/// Returns whether this process may make a network of its own, and says so if it may not.
fn has_networks() -> bool {
    let probe = process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"])
        .stderr(Stdio::null())
        .status();
    let may = probe.is_ok_and(|status| status.success());
    if !may {
        skip("this user may not make a network, so the documents' commands are not run");
    }
    may
}

/// A picture of 8 x 8 pixels, for the commands that send one.
fn photo(path: &Path) {
    let file = fs::File::create(path).expect("a file");
    let mut encoder = png::Encoder::new(file, 8, 8);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..8 * 8 * 3).map(|n| (n * 7 % 256) as u8).collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
}

/// Runs a script in a network of its own, as a shell with the program on its path. Returns what it said on failure.
fn run(script: &str, folder: &Path) -> Result<(), String> {
    let program = Path::new(env!("CARGO_BIN_EXE_pixeld"));
    let path = format!(
        "{}:{}",
        program.parent().expect("a folder").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let whole = format!(
        "ip link set lo up\ncd {}\nsource ./lines\ncode=$?\nkill $(jobs -p) 2>/dev/null\nwait\nexit $code\n",
        folder.display()
    );
    // In a subshell, so that an exit leaves the servers to be stopped.
    fs::write(folder.join("lines"), format!("(\n{script}\n)\n")).expect("a file");
    let mut command = process::Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "bash", "-c"])
        .arg(whole.replace("source ./lines", "bash ./lines"))
        .env("PATH", path)
        // A busy machine is no reason for a 504.
        .env("PIXELD_DURABILITY_TIMEOUT", "30s")
        .stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PIXELD_")) {
        command.env_remove(name);
    }
    let output = command.output().expect("unshare starts");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Returns the runnable commands of a document, in order.
fn runnable(blocks: &[Block]) -> Vec<Command> {
    let plain = blocks.iter().filter(|block| block.info.is_empty());
    plain.flat_map(Block::commands).filter(|command| !command.text.starts_with("scripts/test")).collect()
}

/// Runs a document's commands, and compares what they print with what is shown.
fn paste(document: &str) {
    let blocks = blocks::of(document, &text(document), "console");
    let commands = runnable(&blocks);
    if commands.is_empty() || !has_networks() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["bench", "scripts", "tuning"] {
        std::os::unix::fs::symlink(Path::new(ROOT).join(name), folder.path().join(name)).expect("a link");
    }
    photo(&folder.path().join("photo.png"));
    let mut script = String::new();
    // A document that does not start a server speaks of one that runs.
    if !commands.iter().any(|command| is_server(as_run(&command.text).trim())) {
        let serve = Command { text: "pixeld serve".to_owned(), shown: Vec::new() };
        script.push_str(&scripted(commands.len(), &serve));
    }
    for (number, command) in commands.iter().enumerate() {
        fs::write(folder.path().join(format!("command.{number}")), &command.text).expect("a file");
        script.push_str(&scripted(number, command));
    }
    if let Err(said) = run(&script, folder.path()) {
        panic!("{document}: {said}");
    }
    for (number, command) in commands.iter().enumerate() {
        let printed = fs::read_to_string(folder.path().join(format!("out.{number}"))).expect("its output");
        let printed: Vec<&str> = printed.lines().collect();
        let is_compared = !command.shown.is_empty() && !is_server(&as_run(&command.text));
        assert!(
            !is_compared || blocks::matches(&command.shown, &printed),
            "{document}: `{}` printed\n{}\nand the document shows\n{}",
            command.text,
            printed.join("\n"),
            command.shown.join("\n")
        );
    }
}

macro_rules! pasted {
    ($($name:ident: $document:literal,)*) => {
        /// Documents whose blocks are run. The others have only commands that need more than a test has.
        const PASTED: &[&str] = &[$($document),*];

        $(#[test]
        fn $name() {
            paste($document);
        })*
    };
}

pasted! {
    the_readme_can_be_pasted: "README.md",
    two_hosts_can_be_pasted: "docs/two-hosts.md",
    agents_can_be_pasted: "docs/bench-agents.md",
    configuring_can_be_pasted: "docs/configuration.md",
    operating_can_be_pasted: "docs/operations.md",
    backups_can_be_pasted: "docs/backup.md",
    security_can_be_pasted: "docs/security.md",
    what_is_kept_can_be_pasted: "docs/retention.md",
    old_items_can_be_pasted: "docs/runs.md",
    the_pixel_service_can_be_pasted: "docs/apps/pixel.md",
    the_canvas_can_be_pasted: "docs/canvas.md",
    the_board_can_be_pasted: "docs/apps/board.md",
    thumbnails_can_be_pasted: "docs/apps/thumbs.md",
    the_shop_can_be_pasted: "docs/apps/toys.md",
    fibonacci_can_be_pasted: "docs/apps/fibonacci.md",
}

#[test]
fn every_document_with_commands_is_pasted() {
    for document in documents() {
        let blocks = blocks::of(&document, &text(&document), "console");
        let is_pasted = runnable(&blocks).is_empty() || PASTED.contains(&document.as_str());
        assert!(is_pasted || document == "CONTRIBUTING.md", "{document} has commands that no test runs");
    }
}

/// Returns the help of a subcommand, asked once.
fn help<'a>(known: &'a mut HashMap<String, String>, subcommand: &str) -> &'a str {
    known.entry(subcommand.to_owned()).or_insert_with(|| {
        let output = process::Command::new(env!("CARGO_BIN_EXE_pixeld"))
            .args(subcommand.split(' '))
            .arg("--help")
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "pixeld {subcommand} --help fails");
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

/// Returns the calls of `pixeld` in a command: the subcommand, and the options it is given.
fn calls(command: &str) -> Vec<(String, Vec<String>)> {
    let joined = as_run(command).replace("\\\n", " ");
    let parts = joined.split(['|', ';', '&', '(', ')', '\n']);
    parts
        .filter_map(|part| {
            let words: Vec<&str> = part.split_whitespace().collect();
            // Behind `sudo -u pixeld` the name stands once more.
            let program = words.iter().position(|word| word.ends_with("pixeld"))?;
            let again = usize::from(words.get(program + 1) == Some(&"pixeld"));
            let words = &words[program + again + 1..];
            let is_name = |word: &&&str| {
                word.starts_with(|c: char| c.is_ascii_lowercase()) && !word.contains(['/', '.', ':', '='])
            };
            let mut subcommand = (*words.first().filter(is_name)?).to_owned();
            let has_own = ["bench", "token"].contains(&subcommand.as_str());
            if let Some(second) = words.get(1).filter(is_name).filter(|_| has_own) {
                subcommand = format!("{subcommand} {second}");
            }
            let options = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
            let names = options.map(|word| word.split('=').next().expect("a part").to_owned());
            Some((subcommand, names.filter(|name| name != "--help").collect()))
        })
        .collect()
}

/// Also where a block can't be run, the shell takes it and the program knows its options.
#[test]
fn every_shown_command_has_a_valid_form() {
    let mut known = HashMap::new();
    let mut seen = 0;
    for document in documents() {
        for block in blocks::of(&document, &text(&document), "console") {
            for command in block.commands() {
                let place = format!("{document}:{}: {}", block.line, command.text);
                let parsed = process::Command::new("bash").args(["-n", "-c", &command.text]).output();
                let parsed = parsed.expect("bash starts");
                assert!(parsed.status.success(), "{place}: {}", String::from_utf8_lossy(&parsed.stderr));
                for (subcommand, options) in calls(&command.text) {
                    let help = help(&mut known, &subcommand);
                    for option in options {
                        let is_known = help
                            .split(|c: char| c.is_whitespace() || ",[]=`".contains(c))
                            .any(|word| word == option);
                        assert!(is_known, "{place}: pixeld {subcommand} has no {option}");
                        seen += 1;
                    }
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} options were found");
}

#[test]
fn calls_are_found_in_a_command() {
    let found = calls(
        "until sudo cp a b; sudo -u pixeld pixeld inspect /x --no-blobs; do pixeld bench search --goal=x; done",
    );
    let names: Vec<_> = found.iter().map(|(name, options)| (name.as_str(), options.join(" "))).collect();
    assert_eq!(names, [("inspect", "--no-blobs".to_owned()), ("bench search", "--goal".to_owned())]);
}
