//! What docs/cluster.md shows to be pasted, as it stands there.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::blocks;
use crate::nats;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Waits until a host that the document has started takes requests, and others have what it took.
const PATIENCE: &str = r#"
await() { for try in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; echo "no end of: $*"; exit 1; }
"#;

/// Runs the blocks of the document that need what `needs` says, one after the other in an empty folder; what each command prints
/// has to be what is shown. Gives what was printed; nothing where there is no server of NATS.
fn paste(needs: &str) -> Option<Vec<(String, String)>> {
    let program = nats::program()?;
    let document = std::fs::read_to_string(Path::new(ROOT).join("docs/cluster.md")).expect("the document");
    let blocks = blocks::of("docs/cluster.md", &document, "console");
    let wanted = blocks.iter().filter(|block| block.info == needs);
    let commands: Vec<_> = wanted.flat_map(blocks::Block::commands).collect();
    assert!(!commands.is_empty(), "no block needs {needs}");
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(Path::new(ROOT).join("scripts"), folder.path().join("scripts"))
        .expect("a link");
    let mut script = format!("ip link set lo up\n{PATIENCE}");
    for (number, command) in commands.iter().enumerate() {
        script.push_str(&line(number, &command.text));
    }
    script.push_str("kill $(jobs -p); wait\n");
    std::fs::write(folder.path().join("lines"), script).expect("a file");
    let said = run(folder.path(), &program);
    let mut all = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        let printed =
            std::fs::read_to_string(folder.path().join(format!("out.{number}"))).unwrap_or_default();
        let lines: Vec<&str> = printed.lines().collect();
        let is_shown = command.shown.is_empty() || blocks::matches(&command.shown, &lines);
        assert!(is_shown, "`{}` printed {printed}: {said}", command.text);
        all.push((command.text.clone(), printed));
    }
    Some(all)
}

/// A command as a line of the script: what a reader would wait for is waited for.
fn line(number: usize, command: &str) -> String {
    if let Some(server) = command.trim_end().strip_suffix('&') {
        let ready = server.split_once("--listen ").map_or(String::new(), |(_, rest)| {
            let host = format!("http://{}", rest.trim());
            let log =
                format!("curl -s {host}/health | grep -q '\\\"log\\\":{{\\\"state\\\":\\\"connected\\\"'");
            format!("await curl -sf {host}/readyz\n[ -z \"${{PIXELD_LOG-}}\" ] || await sh -c \"{log}\"\n")
        });
        return format!("{server} > server.{number} 2>&1 &\n{ready}");
    }
    let wait = match command.contains("/pixels") {
        // A moment later.
        true => format!("await sh -c \"{command} | grep -q '\\\"total\\\":1'\"\n"),
        false => String::new(),
    };
    format!("{wait}{{ {command}; }} > out.{number}\n")
}

/// Runs the script in a network of its own; gives what it says beside.
fn run(folder: &Path, program: &Path) -> String {
    let pixeld = Path::new(env!("CARGO_BIN_EXE_pixeld")).parent().expect("a folder");
    let path = format!("{}:{}", pixeld.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "bash",
            "-e",
            "lines",
        ])
        .current_dir(folder)
        .env("PATH", path)
        .env("NATS_SERVER", program)
        .env("PIXELD_DISK_RESERVE", "1MiB")
        // A busy machine is no reason for a 504.
        .env("PIXELD_DURABILITY_TIMEOUT", "30s")
        .stdin(Stdio::null())
        .output()
        .expect("unshare starts");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn the_quick_start_can_be_pasted() {
    let Some(printed) = paste("needs nats-server") else { return };
    let (_, answer) = printed.iter().find(|(command, _)| command.contains("Durability")).expect("a command");
    assert!(answer.contains("Durability: cluster"), "{answer}");
}

#[test]
fn one_host_becomes_three_and_one_again_as_the_document_says() {
    let Some(printed) = paste("needs nats-server and an empty folder") else { return };
    let forgotten = printed.iter().find(|(command, _)| command.contains("forget-host")).expect("a command");
    assert_eq!(forgotten.1.matches("forgot the host").count(), 2, "{forgotten:?}");
}
