//! Restores to earlier instants against what was acknowledged by then.

use std::collections::BTreeSet;

use crate::beside::many;
use crate::process::client::post_pixel;
use crate::process::pair::{count, pixels};
use crate::process::{ANY_PORT, Server, now, pixeld};
use crate::{Home, backup, done, restore, run};

#[test]
fn an_instant_brings_back_what_was_acknowledged_by_then() {
    let home = Home::new();
    let (source, target) = (home.at("source"), home.at("target"));
    let mut server = Server::start(ANY_PORT, &source, &[]);
    // The total that was acknowledged at each instant.
    let (mut model, mut total) = (Vec::new(), 0);
    let before_all = now();
    for step in 0..36 {
        match step {
            // Whole segments, after which a clear makes snapshots and lets the oldest go.
            8 | 9 | 20 | 21 => {
                assert_eq!(server.connect().send(many(450_000)).answer().status, 200);
                total += 450_000;
            }
            22 => {
                assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
                total = 0;
            }
            14 => {
                server.kill();
                server = Server::start(ANY_PORT, &source, &[]);
            }
            _ => {
                assert_eq!(server.connect().send(post_pixel(step, 1, 'R', 3)).answer().status, 200);
                total += 1;
            }
        }
        model.push((now(), total));
        if [5, 12, 20, 29].contains(&step) {
            done(&mut backup(&source, &target));
        }
    }
    drop(server);
    done(&mut backup(&source, &target));
    for index in [0, 4, 7, 8, 13, 18, 21, 22, 28, 35] {
        let (instant, expected) = &model[index];
        let directory = home.at(&format!("at-{index}"));
        let said = done(&mut restore(&target, &directory, &["--at", instant]));
        assert!(said.contains("lineage "), "{said}");
        done(pixeld(&["inspect"]).arg(&directory));
        let restored = Server::start(ANY_PORT, &directory, &[]);
        assert_eq!(count(&restored), *expected, "step {index}, {instant}");
        if *expected < 1000 {
            let different: BTreeSet<String> = pixels(&restored).into_iter().collect();
            assert_eq!(different.len() as u64, *expected, "step {index}");
        }
    }
    let nowhere = home.at("nowhere");
    for (instant, why) in [(&*before_all, "the first record"), ("2999-01-01T00:00Z", "leave --at away")] {
        let (code, said) = run(&mut restore(&target, &nowhere, &["--at", instant]));
        assert!(code == Some(1) && said.contains(why), "{said}");
    }
    let (code, said) = run(&mut restore(&target, &nowhere, &["--at", "yesterday"]));
    assert!(code == Some(2) && said.contains("an instant with its zone"), "{said}");
    assert!(!nowhere.exists(), "nothing was changed");
}
