//! What puts pixeld on a host: units, install, package, proxies and manifests, as far as one machine can try them.

#[path = "support/process/mod.rs"]
mod process;
#[path = "support/skip.rs"]
mod skip;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use process::{Server, pixeld};
use skip::skip;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a program; nothing, with a word about it, where it is not there.
fn run(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let found = Command::new(program).args(arguments).current_dir(HERE).output();
    if found.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        skip(format_args!("{program} is not there"));
        return None;
    }
    let Output { status, stdout, stderr } = found.expect("a program");
    Some((status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(HERE).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_unit_is_hardened() {
    let Some((done, report)) = run(
        "systemd-analyze",
        &["security", "--offline=true", "--no-pager", "scripts/systemd/pixeld.service"],
    ) else {
        return;
    };
    let level =
        report.lines().find_map(|line| line.split_once("Overall exposure level for pixeld.service: "));
    let level: f64 = level
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("{report}"));
    assert!(done && level <= 2.0, "{level}");
}

#[test]
fn systemd_understands_the_units() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = env!("CARGO_BIN_EXE_pixeld");
    let mut units = Vec::new();
    for unit in [
        "scripts/systemd/pixeld.service",
        "scripts/systemd/pixeld.socket",
        "tuning/systemd/pixeld-tuning.service",
    ] {
        let text = read(unit)
            .replace("/usr/bin/pixeld", program)
            .replace("/usr/lib/pixeld/tuning/", &format!("{HERE}/tuning/"));
        let path = directory.path().join(Path::new(unit).file_name().expect("a name"));
        fs::write(&path, text).expect("a file");
        units.push(path.to_str().expect("a path").to_owned());
    }
    let arguments: Vec<&str> =
        ["verify", "--man=no"].into_iter().chain(units.iter().map(String::as_str)).collect();
    if let Some((done, report)) = run("systemd-analyze", &arguments) {
        let ours: Vec<&str> = report.lines().filter(|line| line.contains("pixeld")).collect();
        assert!(done && ours.is_empty(), "{report}");
    }
}

#[test]
fn the_installed_configuration_is_sound() {
    for arguments in [&["--config", "scripts/systemd/pixeld.toml"][..], &["--config", "/dev/null"]] {
        let output = pixeld(&["serve", "--check-config"])
            .args(arguments)
            .current_dir(HERE)
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for file in ["scripts/kubernetes/pixeld.yaml", "scripts/ec2/cloud-init.yaml"] {
        let (text, directory) = (read(file), tempfile::tempdir().expect("a directory"));
        let lines = text.lines().skip_while(|line| !line.trim_start().starts_with("listen = "));
        let toml: Vec<&str> = lines
            .map(str::trim_start)
            .take_while(|line| line.contains(" = ") || line.starts_with('#'))
            .collect();
        let path = directory.path().join("pixeld.toml");
        fs::write(&path, toml.join("\n")).expect("a file");
        let output = pixeld(&["serve", "--check-config", "--config"]).arg(&path).output().expect("it starts");
        assert!(output.status.success() && toml.len() >= 4, "{file}: {toml:?}");
    }
}

/// Paths of all files below a directory, from there on.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut due) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(path) = due.pop() {
        for entry in fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                due.push(path);
            } else {
                found.push(path.strip_prefix(directory).expect("below").to_owned());
            }
        }
    }
    found
}

#[test]
fn install_and_uninstall_leave_what_was_kept() {
    let root = tempfile::tempdir().expect("a directory");
    let script = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(format!("{HERE}/scripts/{name}"));
        let output = command.args(arguments).env("DESTDIR", root.path()).output().expect("bash is there");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let arguments = ["--program", env!("CARGO_BIN_EXE_pixeld"), "--tune", "throughput"];
    let (code, report) = script("install", &arguments);
    assert_eq!(code, Some(0), "{report}");
    for file in [
        "usr/bin/pixeld",
        "etc/pixeld/pixeld.toml",
        "etc/systemd/system/pixeld.service",
        "etc/sysctl.d/90-pixeld-throughput.conf",
        "usr/lib/pixeld/tuning/tune",
        "usr/share/man/man1/pixeld.1",
        "usr/share/man/man1/pixeld-serve.1",
        "usr/share/bash-completion/completions/pixeld",
        "usr/share/fish/vendor_completions.d/pixeld.fish",
        "usr/share/zsh/vendor-completions/_pixeld",
        "usr/share/doc/pixeld/README.md",
    ] {
        assert!(root.path().join(file).is_file(), "{file}");
    }
    assert!(!root.path().join("usr/lib/pixeld/tuning/.shellcheckrc").exists());
    // What debuggers want is in a file of its own, which the program names.
    let sections = run("objdump", &["-h", root.path().join("usr/bin/pixeld").to_str().expect("a path")]);
    if let Some((done, sections)) = sections {
        assert!(
            done && !sections.contains(".debug_info") && sections.contains(".gnu_debuglink"),
            "{sections}"
        );
        assert!(root.path().join("usr/lib/debug/usr/bin/pixeld.debug").is_file());
    }
    let version =
        Command::new(root.path().join("usr/bin/pixeld")).arg("--version").output().expect("it starts");
    assert!(version.status.success());

    fs::write(root.path().join("etc/pixeld/pixeld.toml"), "workers = 1\n").expect("a file");
    let (code, report) = script("install", &arguments);
    assert!(code == Some(0) && report.contains("kept /etc/pixeld/pixeld.toml"), "{report}");
    let (code, report) = script("uninstall", &[]);
    assert_eq!(code, Some(0), "{report}");
    assert!(!root.path().join("usr/lib/pixeld").exists());
    let left = files_below(root.path());
    assert_eq!(left, [Path::new("etc/pixeld/pixeld.toml")], "nothing else is left");
    assert_eq!(
        fs::read_to_string(root.path().join("etc/pixeld/pixeld.toml")).expect("kept"),
        "workers = 1\n"
    );
    assert_eq!(script("uninstall", &["--purge"]).0, Some(0));
    assert!(!root.path().join("etc/pixeld").exists());
    assert_eq!(script("install", &["--fast"]).0, Some(2));
    assert_eq!(script("install", &["--tune", "fast"]).0, Some(2));
}

#[test]
fn a_purge_empties_a_volume_and_leaves_its_mountpoint() {
    let purges: [(&str, &[&str], &str); 2] =
        [("scripts/uninstall", &["--purge"], "DESTDIR"), ("scripts/debian/postrm", &["purge"], "DPKG_ROOT")];
    for (script, arguments, variable) in purges {
        for is_volume in [false, true] {
            let root = tempfile::tempdir().expect("a directory");
            let data = root.path().join("var/lib/pixeld");
            fs::create_dir_all(&data).expect("a directory");
            let path = data.to_str().expect("a path");
            if is_volume {
                match run("mount", &["-t", "tmpfs", "none", path]) {
                    Some((true, _)) => {}
                    Some((false, told)) => return skip(told.trim_end()),
                    None => return,
                }
            }
            fs::create_dir_all(data.join("blobs/ab")).expect("a directory");
            for file in ["identity", ".hidden", "blobs/ab/cd"] {
                fs::write(data.join(file), "x").expect("a file");
            }
            let mut command = Command::new(format!("{HERE}/{script}"));
            let output = command.args(arguments).env(variable, root.path()).output().expect("a shell");
            let left = fs::read_dir(&data).map(Iterator::count).ok();
            if is_volume {
                run("umount", &["-l", path]);
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{script}: {said}");
            assert_eq!(left, is_volume.then_some(0), "{script}: {said}");
        }
    }
}

#[test]
fn nginx_understands_the_tls_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let (key, certificate) = (at("privkey.pem"), at("fullchain.pem"));
    let subject =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=pixels.example.org"];
    let arguments = [&subject[..], &["-keyout", &key, "-out", &certificate]].concat();
    let Some((is_made, told)) = run("openssl", &arguments) else { return };
    assert!(is_made, "{told}");
    let live = "/etc/letsencrypt/live/pixels.example.org";
    let servers = read("scripts/nginx/tls.conf").replace(live, directory.path().to_str().expect("a path"));
    let whole = format!("pid {};\nerror_log stderr;\nevents {{}}\nhttp {{\n{servers}\n}}\n", at("pid"));
    fs::write(at("nginx.conf"), whole).expect("a file");
    if let Some((done, report)) = run("nginx", &["-t", "-q", "-c", &at("nginx.conf")]) {
        assert!(done, "{report}");
    }
}

/// The blocks of nginx's language in a document, each with the document's name.
fn nginx_blocks(document: &str) -> Vec<(String, String)> {
    let text = read(document);
    let blocks = text.split("```nginx\n").skip(1);
    blocks
        .map(|rest| (document.to_owned(), rest.split("```").next().unwrap_or_default().to_owned()))
        .collect()
}

/// Every document, in whatever folder.
fn documents(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .map(|path| format!("{folder}/{}", path.file_name().expect("a name").to_string_lossy()))
        .collect()
}

/// What is shown to be pasted is taken by nginx: each block is a file of conf.d.
#[test]
fn nginx_takes_what_the_documents_show() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let all = [".", "docs", "docs/apps", "docs/decisions", "bench", "tuning"].map(documents).concat();
    let mut shown: Vec<_> = all.iter().flat_map(|document| nginx_blocks(document)).collect();
    assert!(!shown.is_empty(), "the board's page has one");
    for (_, block) in &mut shown {
        *block = format!(
            "http {{\n{}\n}}\n",
            block.replace("/var/cache/nginx", directory.path().to_str().expect("a path"))
        );
    }
    // These are whole, but for the place of their pid; names of containers have no addresses here.
    for file in ["scripts/nginx.conf", "scripts/container/nginx.conf"] {
        let text = read(file).replace("pid pixeld-nginx.pid;", "");
        shown.push((file.to_owned(), text.replace("server pixeld-", "server 127.0.0.")));
    }
    for (name, block) in shown {
        let events = if block.contains("events {") { "" } else { "events {}\n" };
        fs::write(at("nginx.conf"), format!("pid {};\n{events}{block}", at("pid"))).expect("a file");
        // The log as it would be before the configuration is read is elsewhere.
        if let Some((done, report)) = run("nginx", &["-t", "-q", "-e", "stderr", "-c", &at("nginx.conf")]) {
            assert!(done, "{name}: {report}");
        }
    }
}

#[test]
fn kubernetes_knows_every_field_of_the_manifests() {
    for file in ["scripts/kubernetes/pixeld.yaml", "scripts/kubernetes/cluster.yaml"] {
        if let Some((done, report)) = run("kubernetes-validate", &["--strict", file]) {
            assert!(done, "{report}");
        }
    }
}

#[test]
fn a_health_check_without_curl() {
    let mut server = Server::fresh(&[]);
    let url = format!("http://{}", server.address);
    let ask = || pixeld(&["healthy", &url]).output().expect("it starts");
    assert!(ask().status.success());
    server.kill();
    let output = ask();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&url));
    assert_eq!(pixeld(&["healthy", "ftp://x"]).output().expect("it starts").status.code(), Some(2));
}

#[test]
fn man_pages_and_completions_name_every_command() {
    let directory = tempfile::tempdir().expect("a directory");
    assert!(pixeld(&["pages"]).arg(directory.path()).status().expect("it starts").success());
    for command in ["serve", "doctor", "inspect", "bench", "send"] {
        assert!(directory.path().join(format!("pixeld-{command}.1")).is_file(), "{command}");
        for file in ["pixeld.1", "pixeld.bash", "pixeld.fish", "_pixeld"] {
            let text = fs::read_to_string(directory.path().join(file)).expect("a file");
            assert!(text.contains(command), "{command} in {file}");
        }
    }
    for file in ["pixeld.bash", "pixeld.fish", "_pixeld"] {
        let text = fs::read_to_string(directory.path().join(file)).expect("a file");
        for hidden in ["take-over", "--launch", "decode-pictures", "pages"] {
            assert!(!text.contains(hidden), "{hidden} in {file}");
        }
        for words in ["memory disk both", "error warn info debug trace", "throughput latency dev"] {
            let has_all = words.split(' ').all(|word| text.contains(word));
            assert!(has_all, "{words} in {file}");
        }
    }
}

/// Series that say something once, and nothing over time.
const NOT_SHOWN: [&str; 2] = ["pixeld_build_info", "process_start_time_seconds"];

/// Each series of a host with a peer, and its type.
fn series() -> BTreeMap<String, String> {
    let server = Server::fresh(&["--peer-listen", "127.0.0.1:0", "--insecure-peer"]);
    let metrics = server.ask("GET", "/metrics", "").1;
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.into(), kind.into())).collect()
}

/// The names of series in a query.
fn names_in(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("pixeld_") || word.starts_with("process_"))
}

/// What stands behind `key` in the lines of a file.
fn values<'t>(text: &'t str, key: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| line.trim_start_matches([' ', '-']).strip_prefix(key)).map(str::trim)
}

#[test]
fn every_alert_asks_for_series_that_there_are_names_a_chapter_and_is_tried_both_ways() {
    let (rules, tried, series) =
        (read("scripts/prometheus/alerts.yml"), read("scripts/prometheus/alerts.test.yml"), series());
    for query in values(&rules, "expr:") {
        for word in names_in(query) {
            let name = word.strip_suffix("_bucket").unwrap_or(word);
            let kind = series.get(name).unwrap_or_else(|| panic!("{name} of {query}"));
            let is_rated = ["rate(", "increase("].iter().any(|call| query.contains(&format!("{call}{name}")));
            assert_eq!(kind == "counter" || kind == "histogram", is_rated, "{name}: {query}");
        }
    }
    let headings = read("docs/operations.md");
    let anchor = |line: &str| line.to_lowercase().replace(',', "").replace(' ', "-");
    let anchors: BTreeSet<String> = values(&headings, "## ").map(anchor).collect();
    for place in values(&rules, "runbook:") {
        let chapter = place.strip_prefix("docs/operations.md#").unwrap_or_else(|| panic!("{place}"));
        assert!(anchors.contains(chapter), "{place}");
    }
    let tests: BTreeSet<&str> = values(&tried, "name:").collect();
    let alerts: Vec<&str> = values(&rules, "alert:").collect();
    assert_eq!(alerts.len(), values(&rules, "runbook:").count(), "each has a runbook");
    for alert in &alerts {
        for how in ["trips", "is quiet"] {
            assert!(tests.contains(&*format!("{alert} {how}")), "{alert} {how}");
        }
    }
    assert_eq!(tests.len(), 2 * alerts.len(), "no test is of an alert that is gone");
    if let Some((done, said)) = run("promtool", &["test", "rules", "scripts/prometheus/alerts.test.yml"]) {
        assert!(done, "{said}");
    }
}

#[test]
fn the_dashboard_shows_every_series_that_there_is_and_no_other() {
    let series = series();
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("scripts/grafana/pixeld.json")).expect("JSON");
    let (mut shown, mut ids, mut places) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(
            ids.insert(panel["id"].to_string()) && places.insert(panel["gridPos"].to_string()),
            "{panel}"
        );
        for target in panel["targets"].as_array().expect("targets") {
            let query = target["expr"].as_str().expect("a query");
            for word in names_in(query) {
                let name = word.strip_suffix("_bucket").unwrap_or(word);
                let kind = series.get(name).unwrap_or_else(|| panic!("{name} of {panel}"));
                assert_eq!(kind == "counter", query.contains(&format!("rate({name}{{")), "{name}: {query}");
                assert_eq!(kind == "histogram", word != name, "{name}: {query}");
                shown.insert(name.to_owned());
            }
        }
    }
    for name in series.keys() {
        assert_ne!(
            shown.contains(name),
            NOT_SHOWN.contains(&&**name),
            "{name} is on no panel, or need not be"
        );
    }
}

#[test]
fn a_soak_finds_what_it_looks_for() {
    let found = run("python3", &["scripts/soaking/test_soak.py"]);
    assert!(found.as_ref().is_none_or(|(done, _)| *done), "{found:?}");
}

/// Builds the package of this binary and installs, uses, removes and purges it in a copy of this system that is thrown
/// away. Needs dpkg-deb, root, and overlays of file systems.
#[test]
#[ignore = "it installs; scripts/test runs it where dpkg-deb is there"]
fn the_package_installs_and_leaves() {
    let target = tempfile::tempdir().expect("a directory");
    let output = Command::new(format!("{HERE}/scripts/package"))
        .args(["--program", env!("CARGO_BIN_EXE_pixeld")])
        .env("CARGO_TARGET_DIR", target.path())
        .current_dir(HERE)
        .output()
        .expect("bash is there");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    let package = stdout.lines().last().expect("a path").trim().to_owned();
    let script = "set -eu
        place=$(mktemp -d) && mount -t tmpfs none \"$place\" && mkdir \"$place\"/upper \"$place\"/work \"$place\"/merged
        mount -t overlay overlay -o lowerdir=/,upperdir=\"$place\"/upper,workdir=\"$place\"/work \"$place\"/merged
        cp \"$1\" \"$place\"/merged/pixeld.deb
        chroot \"$place\"/merged sh -eu -c '
            dpkg --force-depends -i /pixeld.deb
            pixeld --version
            getent passwd pixeld
            pixeld serve --config /etc/pixeld/pixeld.toml --check-config
            test -f /usr/lib/systemd/system/pixeld.service
            test -f /usr/share/bash-completion/completions/pixeld
            ls /usr/share/man/man1/pixeld-serve.1*
            /usr/lib/pixeld/tuning/tune --help >/dev/null
            echo \"workers = 1\" >/etc/pixeld/pixeld.toml
            dpkg -r pixeld
            test ! -e /usr/bin/pixeld
            grep -q workers /etc/pixeld/pixeld.toml
            dpkg -P pixeld
            test ! -e /etc/pixeld/pixeld.toml
            echo gone
        '";
    if let Some((done, report)) = run("unshare", &["--mount", "bash", "-c", script, "bash", &package]) {
        assert!(done && report.contains("the configuration is sound") && report.contains("gone"), "{report}");
    }
}
