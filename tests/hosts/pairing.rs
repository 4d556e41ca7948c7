//! Two hosts are paired by one command on each.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::process::client::post_pixel;
use crate::process::pair::{await_connected, await_ready, await_same, await_that, peer_of};
use crate::process::{ANY_PORT, Server, free_address, pixeld};

/// Runs `pixeld init` on a directory; gives what it printed, or why it failed.
fn init(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = pixeld(&["init", "--segment-size", "4MiB", "--data-dir"]);
    let output = command.arg(directory).args(arguments).output().expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn invite(directory: &Path, address: SocketAddr, valid: &str) -> String {
    init(directory, &["--invite", &address.to_string(), "--valid", valid]).expect("an invitation")
}

/// Starts the host that invites, which is told no key.
fn start_inviting(directory: &Path, listen: SocketAddr) -> Server {
    Server::start(ANY_PORT, directory, &["--peer-listen", &listen.to_string()])
}

/// Makes and starts a host that is invited, which is told nothing more.
fn start_invited(directory: &Path, invitation: &str) -> Server {
    init(directory, &["--accept", invitation]).expect("a directory");
    Server::start(ANY_PORT, directory, &[])
}

fn await_refusal(server: &Server, reason: &str) {
    await_that("a refusal", || peer_of(server)["why"].to_string(), |why| why.contains(reason));
}

#[test]
fn an_invitation_pairs_one_host_with_one_that_runs() {
    let parent = tempfile::tempdir().expect("a directory");
    let [a_dir, b_dir, c_dir] = ["a", "b", "c"].map(|name| parent.path().join(name));
    let listen = free_address();
    let a = start_inviting(&a_dir, listen);
    await_refusal(&a, "has no peer yet");
    assert_eq!(a.connect().send(post_pixel(1, 2, 'R', 3)).answer().status, 200);
    let invitation = invite(&a_dir, listen, "1h");
    let b = start_invited(&b_dir, &invitation);
    await_ready(&b);
    await_connected(&a);
    assert_eq!(b.connect().send(post_pixel(1, 3, 'R', 3)).answer().status, 200);
    await_same(&a, &b, 2);

    let refused = init(&b_dir, &["--accept", &invitation]).expect_err("it was used");
    assert!(refused.contains("has an identity already"), "{refused}");
    init(&b_dir, &["--accept", &invitation, "--if-missing"]).expect("before each start");
    let c = start_invited(&c_dir, &invitation);
    await_refusal(&c, "the invitation was used already, by the host with the key sha256:");
    await_connected(&a);
    assert_eq!(c.ask("GET", "/pixels/count", "").0, 503, "it has nothing of this cluster");

    // 32 digits, the fifth field.
    let secret = invitation.split('.').nth(4).expect("fields").to_owned();
    assert_eq!(secret.len(), 32);
    for server in [&a, &b, &c] {
        assert!(!server.stderr().contains(&secret), "no secret in a log");
    }
    drop((a, b, c));
    let file = |directory: &Path| fs::read(directory.join("paired")).expect("a file");
    let bits: Vec<u8> =
        (0..32).step_by(2).map(|at| u8::from_str_radix(&secret[at..at + 2], 16).expect("hex")).collect();
    let has_secret = |bytes: &[u8]| bytes.windows(16).any(|window| window == bits);
    assert!(has_secret(&file(&c_dir)) && !has_secret(&file(&b_dir)), "gone once it was taken");
    let (a, b) = (start_inviting(&a_dir, listen), Server::start(ANY_PORT, &b_dir, &[]));
    await_connected(&b);
    await_same(&a, &b, 2);
}

/// The first host does not run when it invites. An invitation that is too old, and one that a later one has replaced, pair nobody.
#[test]
fn an_invitation_that_is_not_good_is_refused_and_another_one_taken() {
    let parent = tempfile::tempdir().expect("a directory");
    let [a_dir, b_dir] = ["a", "b"].map(|name| parent.path().join(name));
    let listen = free_address();
    let late = invite(&a_dir, listen, "1ms");
    let b = start_invited(&b_dir, &late);
    await_refusal(&b, "nobody listens there");
    let a = start_inviting(&a_dir, listen);
    await_refusal(&b, "the invitation has expired");
    drop(b);
    let [replaced, good] = [invite(&a_dir, listen, "1h"), invite(&a_dir, listen, "1h")];
    let b = start_invited(&b_dir, &replaced);
    await_refusal(&b, "there is no such invitation");
    assert_ne!(peer_of(&a)["state"], "connected");
    drop(b);
    let b = start_invited(&b_dir, &good);
    await_connected(&a);
    await_ready(&b);
    drop(a);
    let cut =
        init(&parent.path().join("c"), &["--accept", &good[..good.len() - 1]]).expect_err("half of one");
    assert!(cut.contains("all of what `pixeld init --invite` prints"), "{cut}");
}

/// Pods have one configuration, and the invitation is in the environment of what runs before each start: of both pods.
#[test]
fn the_pods_of_the_manifest_pair_by_their_one_configuration() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kubernetes/pixeld.yaml");
    let manifest = fs::read_to_string(manifest).expect("a manifest");
    for part in [
        "args: [init, --if-missing, --data-dir, /data]",
        "name: PIXELD_ACCEPT",
        "args: [serve, --config, /etc/pixeld/pixeld.toml]",
        "startupProbe:\n            httpGet: {path: /livez, port: http}",
        "readinessProbe:\n            httpGet: {path: /readyz, port: http}",
        "kind: PodDisruptionBudget",
        "/pixeld init --invite pixeld-0.pixeld-hosts:8001 --data-dir /data",
    ] {
        assert!(manifest.contains(part), "{part}");
    }
    let (_, toml) = manifest.split_once("pixeld.toml: |\n").expect("a configuration");
    let toml: Vec<&str> = toml.lines().map_while(|line| line.strip_prefix("    ")).collect();
    let parent = tempfile::tempdir().expect("a directory");
    let pods = ["0", "1"].map(|name| (parent.path().join(name), free_address(), free_address()));
    let start = |pod: usize, invitation: Option<&str>| {
        let (directory, address, listen) = &pods[pod];
        let mut before = pixeld(&["init", "--if-missing", "--segment-size", "4MiB", "--data-dir"]);
        let before = before.arg(directory).envs(invitation.map(|text| ("PIXELD_ACCEPT", text))).output();
        let before = before.expect("the binary starts");
        assert!(before.status.success(), "{}", String::from_utf8_lossy(&before.stderr));
        let file = directory.with_extension("toml");
        let own = toml.join("\n").replace("0.0.0.0:8000", &address.to_string());
        let own = own
            .replace("0.0.0.0:8001", &listen.to_string())
            .replace("/data", directory.to_str().expect("a path"));
        fs::write(&file, own.replace("log_format = \"json\"", "")).expect("a file");
        Server::start(*address, directory, &["--config", file.to_str().expect("a path")])
    };
    let first = start(0, None);
    let invitation = invite(&pods[0].0, pods[0].2, "1h");
    let second = start(1, Some(&invitation));
    await_ready(&second);
    await_connected(&first);
    drop(first);
    let first = start(0, Some(&invitation));
    await_connected(&first);
}
