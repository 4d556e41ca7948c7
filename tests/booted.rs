//! The service under a real systemd: a Debian is set up below the target directory, booted in a container, and pixeld is
//! installed, restarted under load, stopped dead and removed there.

#[path = "support/skip.rs"]
mod skip;

use skip::skip;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

const UNIT: &str = "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nTimeoutStartSec=600\n\
    ExecStart=/bin/bash /source/tests/data/booted.sh\nStandardOutput=file:/source/report\n\
    StandardError=file:/source/report\n[Install]\nWantedBy=multi-user.target\n";

fn run(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A Debian with systemd, made once (some minutes, from Debian's packages) and kept.
fn debian() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("booted");
    if !root.join("made").exists() {
        // A half-made one is of no use.
        let _ = std::fs::remove_dir_all(&root);
        let packages = "--include=systemd,systemd-sysv,dbus,curl,iproute2,procps,libgcc-s1,passwd";
        let place = root.to_str().expect("a path");
        assert!(run("debootstrap", &["--variant=minbase", packages, "stable", place]), "debootstrap failed");
        std::fs::write(root.join("made"), "").expect("a file");
    }
    root
}

fn prepare(root: &Path) {
    let source = root.join("source");
    let _ = std::fs::remove_dir_all(&source);
    std::fs::create_dir_all(source.join("target")).expect("a directory");
    let to = source.to_str().expect("a path");
    for name in ["scripts", "docs", "tuning", "tests", "LICENSE-MIT", "Cargo.toml"] {
        assert!(run("cp", &["-R", &format!("{HERE}/{name}"), to]), "{name}");
    }
    assert!(run("cp", &[env!("CARGO_BIN_EXE_pixeld"), to]));
    for kept in ["var/lib/pixeld", "etc/pixeld"] {
        let _ = std::fs::remove_dir_all(root.join(kept));
    }
    let unit = root.join("etc/systemd/system/trial.service");
    std::fs::write(&unit, UNIT).expect("a unit");
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    std::fs::create_dir_all(&wants).expect("a directory");
    let _ = std::os::unix::fs::symlink("/etc/systemd/system/trial.service", wants.join("trial.service"));
}

/// Needs root, debootstrap and systemd-nspawn (Debian's systemd-container), and a network when it runs for the first time.
#[test]
#[ignore = "minutes: cargo test --test booted -- --ignored"]
fn a_service_of_systemd_is_restarted_killed_and_removed() {
    let missing: Vec<&str> =
        ["debootstrap", "systemd-nspawn"].into_iter().filter(|tool| !has(tool)).collect();
    if !missing.is_empty() || !rustix::process::geteuid().is_root() {
        skip(format_args!("it needs root, debootstrap and systemd-nspawn; not there: {missing:?}"));
        return;
    }
    let root = debian();
    prepare(&root);
    let place = root.to_str().expect("a path");
    let mut nspawn = Command::new("timeout");
    nspawn.args(["900", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network"]);
    let console = nspawn.args(["-D", place, "-b"]).stdin(Stdio::null()).output().expect("it starts");
    let report = std::fs::read_to_string(root.join("source/report"))
        .unwrap_or_else(|_| panic!("it did not boot: {}", String::from_utf8_lossy(&console.stdout)));
    println!("{report}");
    let steps = [
        "install",
        "write",
        "confined",
        "thumbnail",
        "reload",
        "restart",
        "watchdog",
        "kill",
        "socket",
        "restart-with-socket",
        "upgrade",
        "uninstall",
    ];
    for step in steps {
        assert!(report.lines().any(|line| line == format!("ok {step}")), "{step}:\n{report}");
    }
}
