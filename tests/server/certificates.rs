//! What `pixeld doctor` says of certificates: times, keys, files, chains and names.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::process::pixeld;
use crate::secured::Authority;

/// The checks of the group, each with its status and what is there. The authorities of `trusted` are those of this machine.
fn examine(directory: &Path, trusted: &Path) -> BTreeMap<String, (String, String)> {
    let mut command = pixeld(&["doctor", "--json", "--config"]);
    command.arg(directory.join("pixeld.toml")).arg("--data-dir").arg(directory);
    let output = command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR").output().expect("it runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = document["checks"].as_array().expect("an array").iter();
    let text = |check: &Value, key: &str| check[key].as_str().expect("a text").to_owned();
    checks.map(|check| (text(check, "id"), (text(check, "status"), text(check, "current")))).collect()
}

#[track_caller]
fn assert_found(found: &BTreeMap<String, (String, String)>, wanted: &[(&str, &str, &str)]) {
    for (id, status, current) in wanted {
        let found = &found[&format!("security.{id}")];
        assert!(found.0 == *status && found.1.contains(current), "{id}: {found:?}");
    }
}

/// The directory of the data is the one that the configuration names, unless the command line names another.
#[test]
fn the_doctor_looks_where_the_configuration_has_the_data() {
    let folder = tempfile::tempdir().expect("a directory");
    let [configured, given] = ["configured", "given"].map(|name| folder.path().join(name));
    for (directory, mode) in [(&configured, 0o644), (&given, 0o600)] {
        fs::create_dir(directory).expect("room");
        fs::write(directory.join("peer.key"), "a key").expect("room");
        fs::set_permissions(directory.join("peer.key"), fs::Permissions::from_mode(mode))
            .expect("permissions");
    }
    let file = folder.path().join("pixeld.toml");
    fs::write(&file, format!("data_dir = {configured:?}\n")).expect("room");
    let status = |more: &[&str]| {
        let mut command = pixeld(&["doctor", "--json", "--config"]);
        let output = command.arg(&file).args(more).output().expect("it runs");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let checks = document["checks"].as_array().expect("an array");
        let keys = checks.iter().find(|check| check["id"] == "security.keys").expect("a check");
        keys["status"].as_str().expect("a text").to_owned()
    };
    assert_eq!(status(&[]), "FAIL");
    assert_eq!(status(&["-d", given.to_str().expect("a path")]), "PASS");
}

#[test]
fn the_doctor_says_which_certificates_clients_will_not_take() {
    let authority = Authority::new();
    let directory = authority.folder.path();
    let configure = |names: &str| {
        let (certificate, key) = (authority.certificate(), authority.key());
        let text = format!(
            "listen = [\"https://0.0.0.0:0\"]\n{names}\n[tls]\ncert = [{certificate:?}]\nkey = [{key:?}]\n"
        );
        fs::write(directory.join("pixeld.toml"), text).expect("room");
    };
    configure("allow_host = [\"localhost\", \"pixels.test\"]");
    authority.issue_between(0, 20);
    fs::set_permissions(authority.key(), fs::Permissions::from_mode(0o600)).expect("permissions");
    let sound = examine(directory, &authority.file);
    assert_found(
        &sound,
        &[
            ("certificate", "PASS", "20 days left"),
            ("chain", "PASS", "leads to"),
            ("keys", "PASS", ""),
            ("cores", "PASS", "certificates"),
            ("access", "FAIL", "0.0.0.0"),
            ("transport", "PASS", ""),
        ],
    );

    configure("allow_host = [\"localhost\", \"pixels.example\"]");
    authority.issue_between(0, 13);
    fs::set_permissions(authority.key(), fs::Permissions::from_mode(0o640)).expect("permissions");
    assert_found(
        &examine(directory, &authority.file),
        &[
            ("certificate", "WARN", "ends in 13 days"),
            ("chain", "FAIL", "no certificate has the name pixels.example"),
            ("keys", "FAIL", "privkey.pem"),
        ],
    );

    configure("");
    authority.issue_between(2, 90);
    let empty = directory.join("pixeld.toml");
    assert_found(
        &examine(directory, &empty),
        &[
            ("certificate", "FAIL", "is valid in 2 days only"),
            ("chain", "WARN", "no authority that this machine trusts"),
        ],
    );

    let certificate = fs::read(authority.certificate()).expect("a file");
    authority.issue(2020);
    let ended = examine(directory, &authority.file);
    assert_found(
        &ended,
        &[("certificate", "FAIL", "days ago; renew it"), ("chain", "SKIP", "can't be used")],
    );
    authority.issue(2099);
    fs::write(authority.certificate(), certificate).expect("room");
    let other = examine(directory, &authority.file);
    assert_found(&other, &[("certificate", "FAIL", "is not the key of the certificate")]);
}
