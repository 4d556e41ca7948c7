//! Backups of a pair: without an instant the peer brings the rest; with one the whole cluster goes back.

use crate::process::client::post_pixel;
use crate::process::pair::{Host, Pair, await_connected, await_ready, await_same, await_that, peer_of};
use crate::process::{Server, now, pixeld};
use crate::{Home, backup, done, restore, run};

fn post(server: &Server, from: i32, to: i32) {
    for x in from..to {
        assert_eq!(server.connect().send(post_pixel(x, 1, 'R', 3)).answer().status, 200);
    }
}

#[test]
fn a_host_that_is_put_back_beside_its_peer_gets_the_rest_from_it() {
    let pair = Pair::found();
    let target = pair.directory.path().join("target");
    let (a, b) = pair.start(&[]);
    post(&a, 0, 10);
    await_same(&a, &b, 10);
    done(&mut backup(&pair.a.data_dir, &target));
    post(&a, 10, 20);
    post(&b, 20, 30);
    await_same(&a, &b, 30);
    drop(a);
    std::fs::remove_dir_all(&pair.a.data_dir).expect("lost");
    done(&mut restore(&target, &pair.a.data_dir, &[]));
    let a = pair.a.start(&pair.b, &[]);
    await_connected(&a);
    await_same(&a, &b, 30);
    post(&a, 30, 31);
    await_same(&a, &b, 31);
}

#[test]
fn a_restore_to_an_instant_makes_a_lineage_that_others_join_anew() {
    let pair = Pair::found();
    let home = Home::new();
    let (target, directory) = (home.at("target"), home.at("a"));
    let (a, b) = pair.start(&[]);
    post(&a, 0, 10);
    await_same(&a, &b, 10);
    let instant = now();
    post(&b, 10, 20);
    await_same(&a, &b, 20);
    done(&mut backup(&pair.a.data_dir, &target));
    drop(a);
    let (code, said) = run(&mut restore(&target, &directory, &["--at", &instant]));
    assert!(code == Some(1) && said.contains("--whole-cluster") && !directory.exists(), "{said}");
    done(&mut restore(&target, &directory, &["--at", &instant, "--whole-cluster"]));
    let restored = Host { data_dir: directory.clone(), key: pair.a.key.clone(), ..pair.a };
    let a = restored.start(&pair.b, &[]);
    let why = |peer: &serde_json::Value| peer["why"].as_str().is_some_and(|why| why.contains("lineage"));
    await_that("a refusal by name", || peer_of(&b), why);
    drop((a, b));
    // The other host joins anew.
    let cluster = done(pixeld(&["init", "--show", "cluster_id", "--data-dir"]).arg(&directory));
    assert!(cluster.contains('-'), "{cluster}");
    let (b, _) = Host::found(&home.at("."), "b", Some(cluster.trim()));
    let a = restored.start(&b, &[]);
    let server = b.start(&restored, &[]);
    await_ready(&server);
    await_same(&a, &server, 10);
    post(&server, 40, 45);
    await_same(&a, &server, 15);
}
