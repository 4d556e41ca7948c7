//! What is there for containers with many hosts, as far as it can be tried without any: the servers' configuration, nginx before the
//! hosts, the way in which hosts are made, and that each file is one that its program takes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{await_equal, await_log, log_of};
use crate::nats::{Nats, Place};
use crate::process::client::{plain, post_pixel};
use crate::process::pair::{await_ready, await_that};
use crate::process::{ANY_PORT, Server, free_address, pixeld};
use crate::skip::skip;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");

fn script(name: &str) -> String {
    fs::read_to_string(Path::new(SCRIPTS).join(name)).expect("a file")
}

fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old:?} is not in {text}");
    text.replace(old, new)
}

/// The configuration of a server, with the addresses of this machine in it.
fn server(directory: &Path, places: &[Place], at: usize) -> String {
    let Place { client, route, monitor } = places[at];
    let mut text = script("container/nats.conf");
    let store = directory.join(format!("store-{at}"));
    for (old, new) in [
        ("0.0.0.0:4222", client.to_string()),
        ("0.0.0.0:8222", monitor.to_string()),
        ("0.0.0.0:6222", route.to_string()),
        ("/data", store.to_str().expect("a path").to_owned()),
    ] {
        text = replace(&text, old, &new);
    }
    for (number, place) in places.iter().enumerate() {
        text = replace(&text, &format!("log-{}:6222", number + 1), &place.route.to_string());
    }
    format!("server_name: n{at}\n{text}")
}

/// nginx; ended when dropped.
struct Balancer {
    child: Child,
    address: SocketAddr,
}

impl Balancer {
    fn start(directory: &Path, hosts: &[Server]) -> Option<Self> {
        let address = free_address();
        let mut text = replace(&script("container/nginx.conf"), "listen 8000", &format!("listen {address}"));
        for (number, host) in hosts.iter().enumerate() {
            text = replace(&text, &format!("pixeld-{}:8000", number + 1), &host.address.to_string());
        }
        let file = directory.join("nginx.conf");
        fs::write(&file, text).expect("a file");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory).arg("-c").arg(&file).args(["-g", "daemon off; pid nginx.pid;"]);
        let Ok(child) = command.stderr(Stdio::null()).spawn() else {
            skip("nginx is not installed here");
            return None;
        };
        let balancer = Self { child, address };
        await_that("nginx", || std::net::TcpStream::connect(address).is_ok(), |is_there| *is_there);
        Some(balancer)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Its workers go with it.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// What runs before a host in a container.
fn init(data_dir: &Path, join: Option<&str>) -> Output {
    let mut command = pixeld(&["init", "--if-missing", "--segment-size", "4MiB", "--data-dir"]);
    command.arg(data_dir).envs(join.map(|cluster| ("PIXELD_JOIN", cluster)));
    command.output().expect("the binary starts")
}

/// Makes the directories of three hosts as their containers do.
fn make(directory: &Path) -> [PathBuf; 3] {
    let hosts = ["a", "b", "c"].map(|name| directory.join(name));
    let code = |host: usize, join: Option<&str>| init(&hosts[host], join).status.code();
    assert_eq!(code(1, Some("")), Some(2), "the id is not known yet");
    assert!(!hosts[1].exists());
    assert_eq!(code(0, None), Some(0));
    let shown = pixeld(&["init", "--show", "cluster_id", "--data-dir"]).arg(&hosts[0]).output();
    let cluster = String::from_utf8(shown.expect("the binary starts").stdout).expect("a text");
    let cluster = cluster.trim();
    // Each start of a container runs it again, the first host's too when the id is known.
    for (host, join) in
        [(0, None), (0, Some(cluster)), (1, Some(cluster)), (1, Some(cluster)), (2, Some(cluster))]
    {
        assert_eq!(code(host, join), Some(0), "{host}");
    }
    let other = init(&hosts[2], Some(&"01".repeat(16)));
    let told = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(other.status.code() == Some(1) && told.contains("Nothing was changed"), "{told}");
    hosts
}

#[test]
fn three_hosts_behind_nginx_serve_on_when_one_is_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let hosts = make(directory.path());
    let Some(nats) = Nats::start_with(3, server) else { return };
    let (log, monitors) = (nats.servers(), nats.monitors());
    let flags = ["--log", &log, "--log-monitor", &monitors];
    let mut servers = hosts.each_ref().map(|host| Server::start(ANY_PORT, host, &flags));
    for server in &servers {
        await_ready(server);
        await_log(server);
        assert_eq!(log_of(server)["synced"], "always");
    }
    let Some(balancer) = Balancer::start(directory.path(), &servers) else { return };
    let mut client = crate::process::client::Client::connect(balancer.address);
    for x in 0..60 {
        assert_eq!(client.send(post_pixel(x, 0, 'G', 7)).answer().status, 200);
    }
    await_equal(&servers, 60);
    servers[1].kill();
    for x in 0..60 {
        let paths = ["/pixels/count", "/pixels", "/canvas.json"];
        assert_eq!(client.send(plain("GET", paths[x % 3])).answer().status, 200, "{}", paths[x % 3]);
    }
    let stored = (0..60).filter(|x| client.send(post_pixel(*x, 1, 'G', 7)).answer().status == 200).count();
    assert!(stored >= 57, "{stored}: at most what was on its way to the dead host is told to be unsure");
    let [a, _, c] = servers;
    await_equal(&[a, c], 60 + stored as u64);
}

/// Whether a server takes these settings.
fn assert_sound(command: &mut Command) {
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn servers_take_what_the_manifests_give_them() {
    let compose = script("container/cluster.yaml");
    let lines = compose.lines().filter_map(|line| line.trim().split_once(": "));
    let variables: Vec<_> = lines.filter(|(name, _)| name.starts_with("PIXELD_LOG")).collect();
    assert_eq!(variables.len(), 2, "{variables:?}");
    assert_sound(pixeld(&["serve", "--check-config"]).envs(variables));
    let manifest = script("kubernetes/cluster.yaml");
    let (_, toml) = manifest.split_once("pixeld.toml: |\n").expect("a configuration");
    let toml: Vec<&str> = toml.lines().take_while(|line| line.starts_with("    ")).map(str::trim).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pixeld.toml");
    fs::write(&file, toml.join("\n")).expect("a file");
    assert_sound(pixeld(&["serve", "--check-config", "--config"]).arg(file));
    // The two have one configuration of the log's servers.
    let (_, nats) = manifest.split_once("nats.conf: |\n").expect("a configuration");
    let nats: String = nats.lines().take_while(|line| line.starts_with("    ")).map(str::trim).collect();
    let nats =
        (0..3).fold(nats, |text, at| text.replace(&format!("log-{at}.log"), &format!("log-{}", at + 1)));
    let shown = script("container/nats.conf");
    let shown: String = shown.lines().filter(|line| !line.starts_with('#')).map(str::trim).collect();
    assert_eq!(nats.replace("50GB", "20GB"), shown);
}
