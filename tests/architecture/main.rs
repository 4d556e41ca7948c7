//! Reads the sources and fails where the architecture is broken: an import that goes up or to a neighbour, a cycle of
//! modules, a crate outside of its home, a clock, socket, file or thread in a pure layer, a macro that ends the process
//! when it can't print. The layers are drawn in
//! `src/lib.rs`; the tables stand in `architecture/rules.rs`. Long files and functions are reported, not refused.

#[path = "../support/skip.rs"]
mod skip;

mod licences;
mod paths;
mod rooms;
mod rules;
mod seam;
mod skips;
mod tokens;
mod types;
mod words;

use std::fs;
use std::path::Path;

/// Every Rust file below `folders` of the project: its path and its text, sorted.
fn read_below(folders: &[&str]) -> Vec<(String, String)> {
    files_below(folders, &["rs"])
}

/// Every file below `folders` of the project whose name ends with one of `extensions`: its path and its text, sorted.
fn files_below(folders: &[&str], extensions: &[&str]) -> Vec<(String, String)> {
    fn collect(directory: &Path, root: &Path, extensions: &[&str], found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(directory).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                collect(&path, root, extensions, found);
            } else if path.extension().is_some_and(|of_file| extensions.iter().any(|one| of_file == *one)) {
                let name = path.strip_prefix(root).expect("below the root").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("a text")));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        collect(&root.join(folder), root, extensions, &mut found);
    }
    found.sort();
    assert!(found.len() > 5, "the sources were not found");
    found
}

fn sources() -> Vec<(String, String)> {
    read_below(&["src", "bench/src"])
}

/// Names of the packages that both manifests list, as the sources write them.
fn dependencies() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names =
        [root.join("Cargo.toml"), root.join("bench/Cargo.toml")].map(|path| listed_in(&path)).concat();
    names.sort();
    names.dedup();
    names.retain(|name| name != "pixeld_bench"); // a part of the project, with a layer of its own
    names
}

fn listed_in(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a manifest");
    let manifest: toml::Table = text.parse().expect("a manifest in TOML");
    let mut tables = vec![manifest["dependencies"].clone()];
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        tables.extend(targets.values().filter_map(|target| target.get("dependencies").cloned()));
    }
    let names = |table: toml::Value| table.as_table().expect("a table").keys().cloned().collect::<Vec<_>>();
    tables.into_iter().flat_map(names).map(|name| name.replace('-', "_")).collect()
}

fn listed<T: ToString>(items: &[T]) -> String {
    items.iter().map(|item| format!("\n  {}", item.to_string())).collect()
}

#[test]
fn the_sources_keep_the_architecture() {
    let breaches = rules::breaches(&paths::read(&sources()));
    assert!(breaches.is_empty(), "{} breaches:{}", breaches.len(), listed(&breaches));
}

/// Prints what the drawing of each folder shows; `scripts/test` shows it, and `docs/architecture.md` names the figures.
#[test]
fn rooms_use_lower_rooms_only() {
    let files = paths::read(&sources());
    for floors in rooms::FLOORS {
        println!("{}", rooms::Picture::of(floors, &files));
    }
    let breaches = rooms::breaches(&files);
    assert!(breaches.is_empty(), "{} breaches:{}", breaches.len(), listed(&breaches));
}

/// The rules of rooms applied to snippets.
fn rooms_judged(snippets: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<(String, String)> =
        snippets.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
    rooms::breaches(&paths::read(&sources)).iter().map(ToString::to_string).collect()
}

#[test]
fn a_room_that_uses_a_higher_one_or_a_neighbour_is_refused() {
    let tree = [
        ("src/engine/mod.rs", "pub mod shared; pub mod commit; pub mod storage; pub mod link;"),
        ("src/engine/shared/mod.rs", "pub mod space;"),
        (
            "src/engine/commit/mod.rs",
            "use super::shared::space; #[cfg(test)] mod t { use crate::engine::link; }",
        ),
        ("src/engine/link/mod.rs", "use crate::engine::{shared, storage::keeper::Keeper};"),
        ("src/engine/storage/keeper.rs", ""),
    ];
    let with = |name, text| [&tree[..], &[(name, text)]].concat();
    assert_eq!(rooms_judged(&tree), Vec::<String>::new());
    let up = with("src/engine/shared/space.rs", "\nuse crate::engine::commit::Step;");
    assert_eq!(
        rooms_judged(&up),
        ["src/engine/shared/space.rs:2: the room `shared` uses `engine::commit`, not below it"]
    );
    let beside = with("src/engine/commit/disk.rs", "fn f() { super::super::storage::keeper::keep() }");
    assert_eq!(
        rooms_judged(&beside),
        ["src/engine/commit/disk.rs:1: the room `commit` uses `engine::storage::keeper`, not below it"]
    );
}

#[test]
fn a_room_without_a_floor_and_a_crowd_are_refused() {
    let stray = rooms_judged(&[("src/engine/odds.rs", "")]);
    assert_eq!(stray, ["src/engine:1: `odds` has no floor in tests/architecture/rooms.rs"]);
    let names: Vec<String> = (0..=rooms::ENTRIES_MAX).map(|n| format!("src/engine/r{n}.rs")).collect();
    let crowd: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let expected = format!("src/engine:1: {} entries, more than {}", names.len(), rooms::ENTRIES_MAX);
    assert!(rooms_judged(&crowd).contains(&expected));
}

#[test]
fn a_type_is_in_few_files_that_call_in_one_direction() {
    let breaches = types::breaches(&paths::read(&sources()));
    assert!(breaches.is_empty(), "{} breaches:{}", breaches.len(), listed(&breaches));
}

/// The rules of types applied to snippets.
fn types_judged(snippets: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<(String, String)> =
        snippets.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
    types::breaches(&paths::read(&sources)).iter().map(ToString::to_string).collect()
}

#[test]
fn a_type_in_many_files_is_refused_however_its_blocks_are_written() {
    let tree = [
        (
            "src/log/mod.rs",
            "pub struct Ship<T>(T); impl<T: Fn() -> u8> Ship<T> where T: Copy { fn a(&self) {} }",
        ),
        ("src/log/b.rs", "use super::Ship; impl<T> Ship<T> { fn b(&self) {} }"),
        ("src/log/c.rs", "use crate::log::Ship as Boat; impl<'a> From<&'a u8> for Boat<u8> { fn c() {} }"),
        ("src/log/d.rs", "impl Drop for super::Other { fn drop(&mut self) {} } struct Ship; impl Ship {}"),
    ];
    assert_eq!(types_judged(&tree), Vec::<String>::new(), "three files, and another type of that name");
    let many = [&tree[..], &[("src/log/e.rs", "use crate::log::Ship; impl Ship<u8> {}")]].concat();
    let breach = "src/log/mod.rs:1: `log::Ship` has impl blocks in 4 files, more than 3";
    let mut found = types_judged(&many);
    found.iter_mut().for_each(|line| *line = line.replace("src/log/b.rs", "src/log/mod.rs"));
    assert_eq!(found, [breach]);
}

#[test]
fn files_of_one_type_that_call_each_other_in_a_circle_are_refused() {
    let root = ("src/log/mod.rs", "pub struct Ship; impl Ship { fn a(&self) { self.b() } }");
    let down = ("src/log/b.rs", "use super::Ship; impl Ship { fn b(&self) { other.a(); self.field.a() } }");
    assert_eq!(types_judged(&[root, down]), Vec::<String>::new());
    for back in ["self.a()", "with(|ship| ship.a())", "Self::a(self)", "run(Self::a)"] {
        let text = format!("use super::Ship; impl Ship {{ fn b(&self) {{ {back} }} }}");
        let found = types_judged(&[root, ("src/log/b.rs", &text)]);
        assert_eq!(found.len(), 1, "{back}");
        assert!(found[0].ends_with("in a circle: src/log/b.rs, src/log/mod.rs"), "{found:?}");
    }
    let third = [
        root,
        ("src/log/b.rs", "use super::Ship; impl Ship { fn b(&self) { self.c() } }"),
        ("src/log/c.rs", "use super::Ship; impl Ship { fn c(&self) { self.a() } }"),
    ];
    assert_eq!(types_judged(&third).len(), 1);
}

#[test]
fn the_turn_has_the_order_that_the_plan_draws() {
    let files = paths::read(&sources());
    let file = files.iter().find(|file| file.name == "src/engine/worker/mod.rs").expect("the worker");
    let turn = types::calls_of(file, "turn").join(" -> ");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plan = fs::read_to_string(root.join("docs/architecture.md")).expect("the floor plan");
    let drawn = plan.lines().map(str::trim).skip_while(|line| !line.starts_with("wait -> "));
    let drawn: Vec<&str> = drawn.take_while(|line| !line.is_empty()).collect();
    assert_eq!(turn, drawn.join(" "), "`Worker::turn`, and docs/architecture.md");
    let step = |name| turn.find(name).unwrap_or_else(|| panic!("no step {name} in {turn}"));
    // What is read in a turn is committed, applied and answered in it, where that needs no other thread.
    let order = ["accept", "serve", "publish", "start_commit", "take_commits", "write", "expire"].map(step);
    assert!(order.is_sorted(), "{turn}");
    assert!(step("take_mail") < step("take_commits") && step("take_confirmations") < step("write"), "{turn}");
}

/// A client's socket has one place: TLS for clients goes in there.
#[test]
fn only_the_wire_touches_the_socket_of_a_client() {
    let files = paths::read(&sources());
    for file in &files {
        let room = file.module.get(..2).map(|path| path.join("::")).unwrap_or_default();
        let may = !matches!(room.as_str(), "engine::worker" | "engine::jobs" | "engine::shared");
        if may || file.name == "src/engine/shared/wire.rs" {
            continue;
        }
        let named = |mention: &paths::Mention| match &mention.target {
            paths::Target::Local(module) => module.join("::") == "os::socket",
            paths::Target::Foreign(path) => path[0] == "rustix" || path[0] == "socket2",
        };
        let uses = paths::mentions(file, &files).into_iter().filter(named).count();
        assert_eq!(uses, 0, "{} names the calls on sockets", file.name);
    }
}

#[test]
fn every_dependency_has_a_home() {
    let strangers = rules::strangers(&dependencies());
    assert!(strangers.is_empty(), "tests/architecture/rules.rs:{}", listed(&strangers));
}

/// Shown by `cargo test --test architecture outliers -- --nocapture`, which `scripts/test` ends with.
#[test]
fn outliers_are_reported() {
    let files = paths::read(&sources());
    let outliers = rules::outliers(&files);
    println!("{} files; longer than they should be: {}{}", files.len(), outliers.len(), listed(&outliers));
    let unused = rules::unused(&dependencies(), &files);
    println!("dependencies that no source names: {}{}", unused.len(), listed(&unused));
}

/// The rules applied to snippets: each file is a path and a text.
fn judged(snippets: &[(&str, &str)]) -> Vec<String> {
    let own = |&(name, text): &(&str, &str)| (name.to_owned(), text.to_owned());
    let sources: Vec<(String, String)> = snippets.iter().map(own).collect();
    rules::breaches(&paths::read(&sources)).iter().map(ToString::to_string).collect()
}

const ROOT: (&str, &str) =
    ("src/lib.rs", "pub mod http; pub mod log; pub mod os; pub mod engine; pub mod base;");

#[test]
fn a_sound_tree_is_let_through() {
    let found = judged(&[
        ROOT,
        ("src/main.rs", "use pixeld::cli; fn main() -> std::process::ExitCode { pixeld::cli::run() }"),
        ("src/cli/mod.rs", "use crate::config::Config; use crate::engine::server; pub fn run() {}"),
        ("src/config/mod.rs", "use crate::base::limits;"),
        ("src/engine/mod.rs", "use crate::http; use crate::log; use mio::Poll; use std::time::Instant;"),
        ("src/engine/server.rs", "use super::super::os::clock;"),
        ("src/http/mod.rs", "//! use crate::engine;\nuse httparse::Request; use std::time::Duration;"),
        ("src/log/mod.rs", "use crate::os::disk::Disk; const S: &str = \"use std::fs; crate::engine\";"),
        ("src/os/mod.rs", "pub mod disk; pub mod clock;"),
        ("src/os/disk.rs", "use std::fs; #[cfg(test)] mod tests { use crate::engine::server; }"),
        ("src/os/clock.rs", "pub fn now() -> std::time::Instant { std::time::Instant::now() }"),
        ("src/base/limits.rs", "#[cfg(test)] mod cases;"),
        ("src/base/limits/cases.rs", "use std::fs; use crate::engine;"),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn an_upward_import_is_refused() {
    let up = [ROOT, ("src/engine/mod.rs", ""), ("src/http/mod.rs", "\nuse crate::engine::Turn;")];
    assert_eq!(judged(&up), ["src/http/mod.rs:2: imports upward: `engine`"]);
    let inline = [ROOT, ("src/engine/mod.rs", ""), ("src/os/mod.rs", "fn f() { crate::engine::turn() }")];
    assert_eq!(judged(&inline), ["src/os/mod.rs:1: imports upward: `engine`"]);
    let root = [("src/lib.rs", "pub struct Shared;"), ("src/base/mod.rs", "use crate::Shared;")];
    assert_eq!(judged(&root), ["src/base/mod.rs:1: imports upward: ``"]);
    let top = [("src/cli/mod.rs", ""), ("src/config/mod.rs", "use crate::cli::Arguments;")];
    assert_eq!(judged(&top), ["src/config/mod.rs:1: imports upward: `cli`"]);
}

#[test]
fn rooms_of_the_load_generator_keep_their_order() {
    let root = ("bench/src/lib.rs", "pub mod client; pub mod driver; pub mod quantity;");
    let sound = [
        ROOT,
        root,
        ("bench/src/client/mod.rs", ""),
        ("bench/src/driver/mod.rs", "use crate::client; use crate::quantity;"),
        ("bench/src/quantity.rs", ""),
        ("src/cli/mod.rs", "use pixeld_bench::driver;"),
    ];
    assert_eq!(judged(&sound), Vec::<String>::new());
    let up = [root, ("bench/src/client/mod.rs", "use crate::driver::run;"), ("bench/src/driver/mod.rs", "")];
    assert_eq!(judged(&up), ["bench/src/client/mod.rs:1: imports upward: `bench::driver`"]);
    let crossing =
        [ROOT, root, ("src/engine/mod.rs", "use pixeld_bench::quantity;"), ("bench/src/quantity.rs", "")];
    assert_eq!(judged(&crossing), ["src/engine/mod.rs:1: imports its neighbour `bench::quantity`"]);
    let stranger = [root, ("bench/src/odds.rs", "")];
    assert_eq!(
        judged(&stranger),
        ["bench/src/odds.rs:1: `bench::odds` has no layer in tests/architecture/rules.rs"]
    );
}

#[test]
fn a_neighbour_is_not_imported() {
    let found = judged(&[
        ROOT,
        ("src/http/mod.rs", ""),
        ("src/base/mod.rs", ""),
        ("src/log/a.rs", "use crate::{http, base};"),
    ]);
    assert_eq!(found, ["src/log/a.rs:1: imports its neighbour `http`"]);
}

#[test]
fn a_module_without_a_layer_is_refused() {
    let found = judged(&[("src/utils.rs", "")]);
    assert_eq!(found, ["src/utils.rs:1: `utils` has no layer in tests/architecture/rules.rs"]);
}

#[test]
fn cycles_are_found_between_folders_and_inside_of_one() {
    let inside = [
        ("src/log/mod.rs", "pub mod a; pub mod b; pub mod c;"),
        ("src/log/a.rs", "use super::b::B;"),
        ("src/log/b.rs", "\nuse crate::log::c::C;"),
        ("src/log/c.rs", "fn f() { super::a::go() }"),
    ];
    assert_eq!(
        judged(&inside),
        ["src/log/a.rs:1: a cycle of modules: log::a:1 -> log::b, log::b:2 -> log::c, log::c:1 -> log::a"]
    );
    let parent =
        [("src/log/mod.rs", "pub mod a; use a::A; pub struct P;"), ("src/log/a.rs", "use super::P;")];
    assert_eq!(judged(&parent), ["src/log/mod.rs:1: a cycle of modules: log:1 -> log::a, log::a:1 -> log"]);
    let facade = [
        ("src/log/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("src/log/a.rs", "use super::B;"),
        ("src/log/b.rs", ""),
    ];
    assert_eq!(judged(&facade), Vec::<String>::new(), "a re-export is no import");
}

#[test]
fn a_crate_outside_of_its_home_is_refused() {
    let found = judged(&[ROOT, ("src/http/mod.rs", "fn f() { mio::Poll::new(); }")]);
    assert_eq!(found, ["src/http/mod.rs:1: `mio` is at home in os, engine, bench"]);
    let found = judged(&[ROOT, ("src/engine/mod.rs", "use socket2::{Domain, Type};")]);
    assert_eq!(found, ["src/engine/mod.rs:1: `socket2` is at home in os"]);
}

#[test]
fn a_pure_layer_names_no_clock_socket_file_or_thread() {
    for (text, named) in [
        ("use std::fs::File;", "std::fs::File"),
        ("use std::{io, net};", "std::net"),
        ("use std::time; fn f() { time::SystemTime::now() }", "std::time::SystemTime::now"),
        ("fn f() { std::thread::sleep(d) }", "std::thread::sleep"),
        ("use crate::os::clock::Clock;", "os::clock"),
        ("fn f(t: ::std::time::Instant) {}", "std::time::Instant"),
    ] {
        let found = judged(&[("src/os/clock.rs", ""), ("src/log/mod.rs", text)]);
        assert_eq!(found, [format!("src/log/mod.rs:1: a pure layer names `{named}`")]);
    }
}

#[test]
fn a_macro_that_ends_the_process_is_refused() {
    for name in ["print", "println", "eprint", "eprintln", "dbg"] {
        let text = format!("// println!\nfn f() {{ std::{name}!(\"println!\") }}");
        let found = judged(&[ROOT, ("src/engine/mod.rs", &text)]);
        let what = "ends the process when it can't be written; use os::output";
        assert_eq!(found, [format!("src/engine/mod.rs:2: `{name}!` {what}")]);
    }
    let test = ("src/os/mod.rs", "#[cfg(test)] mod tests { fn f() { println!() } }");
    assert_eq!(judged(&[ROOT, test]), Vec::<String>::new());
}

#[test]
fn strangers_unused_crates_and_outliers_are_named() {
    let homed: Vec<String> = rules::HOMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(rules::strangers(&homed), Vec::<String>::new());
    let mut changed = homed.clone();
    changed[0] = "newcomer".to_owned();
    assert_eq!(rules::strangers(&changed).len(), 2, "one without a home, one home without its crate");

    let long = format!("use mio::Poll;\nfn f() {{\n{}}}\n", "g();\n".repeat(rules::FILE_LINES));
    let test = format!("#[cfg(test)] mod t {{ {} }}", "\n".repeat(rules::FILE_LINES));
    let files = paths::read(&[("src/os/a.rs".to_owned(), long), ("src/os/b.rs".to_owned(), test)]);
    let found: Vec<String> = rules::outliers(&files).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["src/os/a.rs:403: 403 lines", "src/os/a.rs:2: function `f` has 402 lines"]);
    assert!(!rules::unused(&homed, &files).contains(&"mio".to_owned()));
    assert!(rules::unused(&homed, &files).contains(&"socket2".to_owned()));
}
