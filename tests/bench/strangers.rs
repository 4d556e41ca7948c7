//! Who may direct an agent, and who may be one: tokens, keys, versions, and bytes of strangers.

use crate::measured::command::{Agent, Null, bench, command, told};
use pixeld_bench::agent::keys::{AgentKey, Pins};
use pixeld_bench::agent::limits::{GREETING_BYTES_MAX, STRANGERS_MAX};
use pixeld_bench::agent::message::{Refusal, ToAgent, ToMaster, Version, line, read};
use pixeld_bench::agent::wire::Wire;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(60);
const SECRET: &str = "0123456789abcdef-the-token";

/// A file with a token, and its folder.
fn token(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{text}\n")).unwrap();
    let name = file.display().to_string();
    (folder, name)
}

/// A connection to an agent as a master makes it, before the greetings.
fn dial(address: &str) -> Wire {
    let session = Pins::new(Vec::new()).unwrap().dial().unwrap();
    let mut wire = Wire::new(TcpStream::connect(address).unwrap(), session).unwrap();
    wire.shake_hands(Instant::now() + WAIT).unwrap();
    wire
}

/// The next message, or nothing at the end of the connection.
fn next(wire: &mut Wire) -> Option<ToMaster> {
    loop {
        if let Some(line) = wire.receive(Duration::from_millis(5)).ok()? {
            return Some(read(&line).unwrap());
        }
    }
}

fn works(agent: &Agent, token_file: &[&str]) {
    let null = Null::start(&[]);
    let own = [&null.url, "-n", "20", "-c", "2", "--agents", &agent.address];
    let told = bench(&[&own[..], token_file].concat());
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
}

#[test]
fn only_who_has_the_token_directs_an_agent_and_only_an_agent_with_it_is_directed() {
    let (_folder, file) = token(SECRET);
    let (_other_folder, other) = token("0123456789abcdef-another");
    let (guarded, open) = (Agent::start(&["--token-file", &file]), Agent::start(&[]));
    let null = Null::start(&[]);
    for (agent, own, code, said) in [
        (&guarded, &["--token-file", &file][..], 0, ""),
        (&guarded, &["--token-file", &other], 1, "the token is another one"),
        (&guarded, &[], 1, "a token is needed"),
        (&open, &["--token-file", &file], 1, "this agent has no token"),
        (&open, &[], 0, ""),
    ] {
        let told =
            bench(&[&[&null.url, "-n", "20", "-c", "2", "--agents", &agent.address][..], own].concat());
        assert_eq!(told.code, code, "{own:?}: {}", told.err);
        assert!(told.err.contains(said) && (code == 0 || told.err.contains(&agent.address)), "{}", told.err);
        assert!(!(told.out + &told.err).contains(SECRET));
    }
    // The variable has the token itself.
    let mut master = command(&[&null.url, "-n", "20", "-c", "2", "--agents", &guarded.address]);
    assert_eq!(told(master.env("PIXELD_BENCH_TOKEN", SECRET).output().unwrap()).code, 0);
    let told = told(master.env("PIXELD_BENCH_TOKEN", "short").output().unwrap());
    assert!(told.code == 2 && told.err.contains("PIXELD_BENCH_TOKEN"), "{}", told.err);
}

#[test]
fn an_agent_shows_the_key_that_is_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("agent.key");
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&file).output();
    let agent = match made {
        Ok(output) if output.status.success() => Agent::start(&["--key-file", file.to_str().unwrap()]),
        _ => return crate::skip::skip("openssl is not installed"),
    };
    let again = Agent::start(&["--key-file", file.to_str().unwrap()]);
    assert_eq!(agent.key, again.key, "the key lasts as long as its file");
    let (null, other) = (Null::start(&[]), Agent::start(&[]));
    assert_ne!(agent.key, other.key);
    let own = |address: &str| -> Vec<String> {
        let words = [&null.url, "-n", "20", "-c", "2", "--agent-key", &agent.key, "--agents", address];
        words.iter().map(ToString::to_string).collect()
    };
    for (address, code, said) in [(&agent.address, 0, ""), (&other.address, 1, other.key.as_str())] {
        let words = own(address);
        let told = bench(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(told.code, code, "{}", told.err);
        assert!(told.err.contains(said), "{}", told.err);
    }
}

#[test]
fn another_version_is_named_on_both_sides() {
    let agent = Agent::start(&[]);
    for version in
        [Version { protocol: 999, ..Version::own() }, Version { pixeld: "9.9.9".into(), ..Version::own() }]
    {
        let mut wire = dial(&agent.address);
        wire.send(&line(&ToAgent::Hello { version: version.clone(), proof: None })).unwrap();
        let refused = next(&mut wire).unwrap();
        let ToMaster::Refused { why: Refusal::Version, text, .. } = refused else { panic!("{refused:?}") };
        assert!(text.contains(&version.show()) && text.contains(&Version::own().show()), "{text}");
        assert_eq!(next(&mut wire), None, "the connection ends");
    }
    works(&agent, &[]);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let later = std::thread::spawn(move || {
        let key = AgentKey::make().unwrap();
        let mut wire = Wire::new(listener.accept().unwrap().0, key.accept().unwrap()).unwrap();
        wire.shake_hands(Instant::now() + WAIT).unwrap();
        while wire.receive(Duration::from_millis(5)).unwrap().is_none() {}
        let version = Version { protocol: 2, pixeld: "9.9.9".into() };
        wire.send(&line(&ToMaster::Hello { version, proof: None, host: "h".into(), threads: 1 })).unwrap();
        while wire.receive(Duration::from_millis(5)).is_ok() {}
    });
    let told = bench(&["http://127.0.0.1:1", "--agents", &address]);
    assert_eq!(told.code, 1, "{}", told.err);
    assert!(told.err.contains(&address) && told.err.contains("pixeld 9.9.9 (protocol 2)"), "{}", told.err);
    later.join().unwrap();
}

/// An address of this host that is not a loopback one, if it has a route.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel chooses the address that it would send from.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback())
}

#[test]
fn what_others_can_reach_is_guarded_on_both_sides() {
    let Some(address) = own_address() else {
        return crate::skip::skip("this host has no address but loopback");
    };
    let (_folder, file) = token(SECRET);
    let listen = format!("{address}:0");
    let agent = Agent::of(&mut command(&["agent", "--token-file", &file, "--listen", &listen]));
    let null = Null::start(&[]);
    for (own, code, said) in [
        (&[][..], 1, "would be sent the requests"),
        (&["--agent-key", &agent.key], 1, "a token is needed"),
        (&["--token-file", &file], 0, ""),
        (&["--token-file", &file, "--agent-key", &agent.key], 0, ""),
    ] {
        let told =
            bench(&[&[&null.url, "-n", "20", "-c", "2", "--agents", &agent.address][..], own].concat());
        assert_eq!(told.code, code, "{own:?}: {}", told.err);
        assert!(told.err.contains(said), "{own:?}: {}", told.err);
    }
    let told = bench(&["agent", "--listen", &listen]);
    assert!(told.code == 2 && told.err.contains("can be reached by others"), "{}", told.err);
}

/// Greets as an agent does, once, with the proof that `prove` makes of the master's.
fn impostor(prove: fn(Option<String>) -> Option<String>) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let handle = std::thread::spawn(move || {
        let key = AgentKey::make().unwrap();
        let mut wire = Wire::new(listener.accept().unwrap().0, key.accept().unwrap()).unwrap();
        wire.shake_hands(Instant::now() + WAIT).unwrap();
        let hello = loop {
            if let Some(line) = wire.receive(Duration::from_millis(5)).unwrap() {
                break read(&line).unwrap();
            }
        };
        let ToAgent::Hello { proof, .. } = hello else { panic!("{hello:?}") };
        let hello =
            ToMaster::Hello { version: Version::own(), proof: prove(proof), host: "h".into(), threads: 1 };
        wire.send(&line(&hello)).unwrap();
        // An order would be a line.
        while let Ok(order) = wire.receive(Duration::from_millis(5)) {
            assert_eq!(order, None, "an impostor is told nothing");
        }
    });
    (address, handle)
}

#[test]
fn an_impostor_is_not_directed() {
    let (_folder, file) = token(SECRET);
    for prove in [(|_| None) as fn(Option<String>) -> Option<String>, |proof| proof, |_| Some("AAAA".into())]
    {
        let (address, handle) = impostor(prove);
        let told = bench(&["http://127.0.0.1:1", "--agents", &address, "--token-file", &file]);
        assert_eq!(told.code, 1, "{}", told.err);
        assert!(told.err.contains(&format!("agent {address}: it has not the token")), "{}", told.err);
        handle.join().unwrap();
    }
}

#[test]
fn all_agents_that_are_none_are_named() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (silent_address, null) = (silent.local_addr().unwrap().to_string(), Null::start(&[]));
    let http = null.url.strip_prefix("http://").unwrap();
    let dead = format!("127.0.0.1:{}", crate::measured::command::free_port());
    let agents = [silent_address.as_str(), http, &dead, "name.invalid"].join(",");
    let told = bench(&[&null.url, "--agents", &agents]);
    assert_eq!(told.code, 1, "{}", told.err);
    for (name, said) in [
        (silent_address.as_str(), "in time"),
        (http, ""),
        (&dead, "pixeld bench agent --listen"),
        ("name.invalid:8098", "look"),
    ] {
        let named =
            told.err.lines().any(|line| line.contains(&format!("agent {name}: ")) && line.contains(said));
        assert!(named, "{name}: {}", told.err);
    }
}

#[test]
fn bytes_of_strangers_do_an_agent_no_harm() {
    let (_folder, file) = token(SECRET);
    let agent = Agent::start(&["--token-file", &file]);
    // Those that say nothing can't keep others out.
    let idle: Vec<TcpStream> =
        (0..2 * STRANGERS_MAX).map(|_| TcpStream::connect(&agent.address).unwrap()).collect();
    for noise in [&b""[..], b"\0", b"GET / HTTP/1.1\r\n\r\n", &[0x16, 3, 1, 0xFF, 0xFF], &[0xAB; 100_000]] {
        let mut stream = TcpStream::connect(&agent.address).unwrap();
        let _ = stream.write_all(noise);
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let _ = stream.read(&mut [0; 100]);
    }
    let hello = line(&ToAgent::Hello { version: Version::own(), proof: Some("AAAA".into()) });
    let long = "x".repeat(GREETING_BYTES_MAX + 1);
    for noise in [
        "",
        "{",
        "null",
        "[]",
        r#"{"say":"stop"}"#,
        r#"{"say":"order"}"#,
        r#"{"say":"go","in_ns":1}"#,
        &long,
        &hello,
    ] {
        let session = Pins::new(Vec::new()).unwrap().dial().unwrap();
        let mut wire = Wire::new(TcpStream::connect(&agent.address).unwrap(), session).unwrap();
        wire.shake_hands(Instant::now() + WAIT).unwrap();
        wire.send(noise).unwrap();
        let answer = next(&mut wire);
        assert!(
            matches!(answer, None | Some(ToMaster::Refused { why: Refusal::Token, .. })),
            "{noise}: {answer:?}"
        );
    }
    works(&agent, &["--token-file", &file]);
    drop(idle);
}

#[test]
fn a_master_that_says_what_it_must_not_is_dropped_and_the_next_one_is_taken() {
    let agent = Agent::start(&[]);
    let too_many = format!(r#"{{"say":"order","own":[0,{}]}}"#, usize::MAX);
    for noise in [
        r#"{"say":"go","in_ns":1}"#,
        "nonsense",
        &too_many,
        &line(&ToAgent::Hello { version: Version::own(), proof: None }),
    ] {
        let mut wire = dial(&agent.address);
        // The one before may not have gone yet.
        let taken = loop {
            wire.send(&line(&ToAgent::Hello { version: Version::own(), proof: None })).unwrap();
            match next(&mut wire) {
                Some(ToMaster::Refused { why: Refusal::Busy, .. }) => wire = dial(&agent.address),
                other => break other,
            }
        };
        assert!(matches!(taken, Some(ToMaster::Hello { .. })), "{taken:?}");
        wire.send(noise).unwrap();
        let answer = next(&mut wire);
        assert!(answer.is_none(), "{noise}: {answer:?}");
    }
    let null = Null::start(&[]);
    loop {
        let told = bench(&[&null.url, "-n", "20", "-c", "2", "--agents", &agent.address]);
        if told.code == 0 {
            break;
        }
        assert!(told.err.contains("directs this agent"), "{}", told.err);
    }
}
