//! The quick start of docs/cluster.md, as it stands there.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::blocks;
use crate::nats;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Waits until a host that the document has started takes requests, and others have what it took.
const PATIENCE: &str = r#"
await() { for try in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; echo "no end of: $*"; exit 1; }
"#;

#[test]
fn the_quick_start_can_be_pasted() {
    let Some(program) = nats::program() else { return };
    let document = std::fs::read_to_string(Path::new(ROOT).join("docs/cluster.md")).expect("the document");
    let blocks = blocks::of("docs/cluster.md", &document, "console");
    let commands: Vec<_> = blocks
        .iter()
        .filter(|block| block.info == "needs nats-server")
        .flat_map(blocks::Block::commands)
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(Path::new(ROOT).join("scripts"), folder.path().join("scripts"))
        .expect("a link");
    let mut script = format!("ip link set lo up\n{PATIENCE}");
    for (number, command) in commands.iter().enumerate() {
        match command.text.trim_end().strip_suffix('&') {
            Some(server) => {
                script.push_str(&format!("{server} > server.{number} 2>&1 &\n"));
                if let Some((_, rest)) = server.split_once("--listen ") {
                    script.push_str(&format!("await curl -sf http://{}/readyz\n", rest.trim()));
                    script.push_str(&format!("await sh -c \"curl -s http://{}/health | grep -q '\\\"log\\\":{{\\\"state\\\":\\\"connected\\\"'\"\n", rest.trim()));
                }
            }
            None if command.text.contains("/pixels") => {
                // A moment later.
                script.push_str(&format!(
                    "await sh -c \"{} | grep -q '\\\"total\\\":1'\"\n{} > out.{number}\n",
                    command.text, command.text
                ));
            }
            None => script.push_str(&format!("{} > out.{number}\n", command.text)),
        }
    }
    script.push_str("kill $(jobs -p); wait\n");
    std::fs::write(folder.path().join("lines"), script).expect("a file");
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
        .current_dir(folder.path())
        .env("PATH", path)
        .env("NATS_SERVER", program)
        .env("PIXELD_DISK_RESERVE", "1MiB")
        // A busy machine is no reason for a 504.
        .env("PIXELD_DURABILITY_TIMEOUT", "30s")
        .stdin(Stdio::null())
        .output()
        .expect("unshare starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    for (number, command) in commands.iter().enumerate().filter(|(_, command)| !command.shown.is_empty()) {
        let printed =
            std::fs::read_to_string(folder.path().join(format!("out.{number}"))).unwrap_or_default();
        let lines: Vec<&str> = printed.lines().collect();
        assert!(blocks::matches(&command.shown, &lines), "`{}` printed {printed}: {said}", command.text);
    }
    let answer = std::fs::read_to_string(folder.path().join(format!("out.{}", commands.len() - 2)))
        .unwrap_or_default();
    assert!(answer.contains("Durability: cluster"), "{answer}: {said}");
}
