//! scripts/nats as it stands: three servers with TLS, and a host that may do what is its own and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::board::{png, post};
use crate::cluster::{await_equal, await_log, log_of, node_of};
use crate::nats::key::Key;
use crate::nats::{Nats, Place};
use crate::process::Server;
use crate::process::client::{pixel, plain};
use crate::process::pair::{Host, await_ready, await_that};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/nats");

fn script(name: &str) -> String {
    fs::read_to_string(Path::new(SCRIPTS).join(name)).expect("a file")
}

/// Replaces what an operator is to replace, which has to be there.
fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old:?} is not in {text}");
    text.replace(old, new)
}

/// The files of an operator: certificates, and what the servers share.
struct Files {
    directory: TempDir,
}

impl Files {
    /// Certificates for the servers, and one user for each of the hosts.
    fn make(cluster: &str, hosts: &[(String, &Key)]) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let files = Self { directory };
        let made = Command::new(Path::new(SCRIPTS).join("certificates"))
            .args([&files.path("tls"), Path::new("127.0.0.1")])
            .output()
            .expect("bash is there");
        if !made.status.success() {
            crate::skip::skip(String::from_utf8_lossy(&made.stderr).trim_end());
            return None;
        }
        // The rights of a host are copied for each of them.
        let accounts = script("accounts.conf");
        let (rights, users) = accounts.split_once("accounts {").expect("rights, then users");
        let user = users.lines().find(|line| line.contains("nkey:")).expect("a user");
        let public =
            user.split_whitespace().find(|word| word.starts_with('U')).expect("a key").trim_end_matches(',');
        let (mut all, mut listed) = (String::new(), String::new());
        for (at, (node, key)) in hosts.iter().enumerate() {
            let name = format!("HOST_{at}_MAY");
            let rights = replace(&replace(rights, "CLUSTER", cluster), "NODE", node);
            all.push_str(&replace(&rights, "HOST_MAY", &name));
            listed.push_str(&replace(&replace(user, public, &key.public), "HOST_MAY", &name));
            listed.push('\n');
        }
        fs::write(files.path("accounts.conf"), all + "accounts {" + &replace(users, user, &listed))
            .expect("a file");
        let tls = replace(
            &script("tls.conf"),
            "/etc/nats/ca.pem",
            files.path("tls/ca.pem").to_str().expect("a path"),
        );
        let server = files.path("tls/127.0.0.1/server");
        let tls = replace(&tls, "/etc/nats/server", server.to_str().expect("a path"));
        fs::write(files.path("tls.conf"), tls).expect("a file");
        Some(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// server.conf for the server `at`, in `directory`.
    fn server(&self, directory: &Path, places: &[Place], at: usize) -> String {
        for shared in ["tls.conf", "accounts.conf"] {
            fs::copy(self.path(shared), directory.join(shared)).expect("a copy");
        }
        let Place { client, route, monitor } = places[at];
        let store = directory.join(format!("store-{at}"));
        let mut text = script("server.conf");
        for (old, new) in [
            ("server_name: log-1", format!("server_name: n{at}")),
            ("0.0.0.0:4222", client.to_string()),
            ("127.0.0.1:8222", monitor.to_string()),
            ("0.0.0.0:6222", route.to_string()),
            ("/var/lib/nats", store.to_str().expect("a path").to_owned()),
        ] {
            text = replace(&text, old, &new);
        }
        for (number, place) in places.iter().enumerate() {
            text = replace(&text, &format!("log-{}.internal:6222", number + 1), &place.route.to_string());
        }
        text
    }

    /// What a host is started with.
    fn flags(&self, key: &Key, name: &str) -> [String; 4] {
        let seed = self.path(name);
        fs::write(&seed, format!("{}\n", key.seed)).expect("a file");
        let text = |path: PathBuf| path.to_str().expect("a path").to_owned();
        ["--log-ca".to_owned(), text(self.path("tls/ca.pem")), "--log-credentials".to_owned(), text(seed)]
    }
}

#[test]
fn the_scripts_give_each_host_its_own_and_everything_is_encrypted() {
    const APPS: [&str; 4] = ["--apps", "board,pixel", "--durability-timeout", "20s"];
    // The hosts are there before their rights, which name them.
    let directory = tempfile::tempdir().expect("a directory");
    let (first, cluster) = Host::found(directory.path(), "h0", None);
    let [second, third] = ["h1", "h2"].map(|name| Host::found(directory.path(), name, Some(&cluster)).0);
    let keys = [Key::new(), Key::new()];
    let named = [(node_of(&first), &keys[0]), (node_of(&second), &keys[1])];
    let Some(files) = Files::make(&cluster, &named) else { return };
    let Some(nats) = Nats::start_with(3, |directory, places, at| files.server(directory, places, at)) else {
        return;
    };
    let monitors = nats.monitors();
    let start = |host: &Host, flags: &[String]| -> Server {
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(APPS).collect();
        let log = nats.servers();
        host.start_alone(&[&["--log", &log, "--log-monitor", &monitors][..], &flags].concat())
    };
    let servers = [(&first, &keys[0], "first"), (&second, &keys[1], "second")]
        .map(|(host, key, name)| start(host, &files.flags(key, name)));
    servers.iter().for_each(await_log);
    servers.iter().for_each(await_ready);
    for (y, server) in servers.iter().enumerate() {
        assert_eq!(log_of(server)["synced"], "always");
        assert_eq!(server.ask("POST", "/pixel", &pixel(1, y as i32, 'R', 1)).0, 200);
    }
    await_equal(&servers, 2);
    assert_eq!(post(&mut servers[0].connect(), "hello", "a.png", &png(1)).status, 200);
    let list = || servers[1].connect().send(plain("GET", "/messages")).answer().json()["messages"].clone();
    let message = await_that("the message", list, |list| list[0]["message"] == "hello");
    let url = message[0]["image_url"].as_str().expect("an address");
    assert_eq!(servers[1].connect().send(plain("GET", url)).answer().body, png(1));

    // The third one comes with another one's key, without the authority, and without any key.
    let flags = files.flags(&keys[0], "first");
    for (flags, told) in [
        (&flags[..], "the log does not let this host do what it has to"),
        (&flags[2..], "TLS failed"),
        (&flags[..2], "start this host with --log-credentials"),
    ] {
        let other = start(&third, flags);
        await_that(told, || log_of(&other), |log| log["why"].as_str().is_some_and(|why| why.contains(told)));
    }
}
