//! Two hosts of which neither can bring the other one forward: they say so, both take writes, and what only one lists is
//! brought over as docs/operations.md says.

use crate::process;

use std::process::Command;

use process::client::{pixel, request};
use process::pair::{Host, Pair, await_ready, await_same, await_that, count, pixels};
use process::{Server, free_address, pixeld};

const OPERATIONS: &str = include_str!("../../docs/operations.md");
const RETENTION: [&str; 2] = ["--peer-retention", "1"];

fn post(server: &Server, numbers: std::ops::Range<i32>, y: i32) {
    let mut client = server.connect();
    for x in numbers {
        let answer = client.send(request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1))).answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Has a host whose peer is away remove a segment that the peer lacks, and then take some pixels.
fn go_ahead(host: &Host, peer: &Host, y: i32) {
    let server = host.start(peer, &RETENTION);
    let oldest = || {
        let names = std::fs::read_dir(&host.data_dir).expect("a directory");
        let names = names.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
        names.filter(|name| name.ends_with(".seg")).min().expect("a segment")
    };
    let before = oldest();
    let many = [0x12, 7, 1, 0, 0, 0, 2, 0, 0, 0].repeat(400_000);
    for _ in 0..3 {
        let upload = request("POST", "/pixels", "application/vnd.pixeld", &many);
        assert_eq!(server.connect().send(upload).answer().status, 200);
    }
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    await_that("the first segment goes", oldest, |now| *now > before);
    post(&server, 0..20, y);
}

/// The commands of the documents, for these two servers, run in a directory.
fn export(directory: &std::path::Path, from: &Server, to: &Server) {
    let start = OPERATIONS.find("```console needs two hosts that parted").expect("the commands");
    let block = &OPERATIONS[start..];
    let block = &block[..block[3..].find("```").expect("an end") + 3];
    let commands: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(commands.len(), 2, "{block}");
    for command in commands {
        let ports =
            [("8001", to), ("8002", from)].map(|(name, server)| (name, server.address.port().to_string()));
        let command = ports.iter().fold(command.to_owned(), |text, (name, port)| text.replace(name, port));
        let command = command.replace("localhost", "127.0.0.1");
        let run = Command::new("bash").args(["-ec", &command]).current_dir(directory).output();
        let run = run.expect("it runs");
        assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn two_that_have_parted_say_so_and_are_brought_together_by_hand() {
    let pair = Pair::found();
    let (a, b) = pair.start(&RETENTION);
    post(&a, 0..10, 1);
    await_same(&a, &b, 10);
    drop((a, b));
    go_ahead(&pair.a, &pair.b, 2);
    go_ahead(&pair.b, &pair.a, 3);

    let (a, b) = (pair.a.start(&pair.b, &RETENTION), pair.b.start(&pair.a, &RETENTION));
    for server in [&a, &b] {
        let health = || server.ask("GET", "/health", "").1;
        await_that("the word for it", health, |health| health.contains("\"apart\":\"parted\""));
        let metrics = server.ask("GET", "/metrics", "").1;
        assert!(metrics.contains("pixeld_replication_apart{kind=\"parted\"} 1"), "{metrics}");
        assert_eq!(server.ask("GET", "/readyz", "").0, 200, "both go on");
    }
    post(&a, 20..25, 2);
    post(&b, 20..25, 3);
    assert_eq!((count(&a), count(&b)), (25, 25), "neither gives the other one anything");
    drop((a, b));

    let dirs = [&pair.a.data_dir, &pair.b.data_dir].map(|dir| dir.to_str().expect("a path"));
    let output = pixeld(&["inspect", dirs[0], dirs[1]]).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(matches!(output.status.code(), Some(3 | 4)), "{told}");

    // Each alone; what only the one lists goes to the other one.
    let (a, b) = (pair.a.start_alone(&[]), pair.b.start_alone(&[]));
    let mut union = pixels(&a);
    union.extend(pixels(&b));
    union.sort_unstable();
    union.dedup();
    export(pair.directory.path(), &b, &a);
    assert!(pixels(&a) == union, "{} of {} pixels", count(&a), union.len());
    drop((a, b));

    let (anew, _) = Host::found(pair.directory.path(), "anew", Some(&pair.cluster));
    let anew = Host { peer_listen: free_address(), ..anew };
    let (a, b) = (pair.a.start(&anew, &[]), anew.start(&pair.a, &[]));
    await_ready(&b);
    assert!(await_same(&a, &b, union.len()) == union);
}
