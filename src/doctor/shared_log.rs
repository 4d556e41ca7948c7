//! The servers of the log that many hosts share: the way there, what they are set to, whether they sync.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::finding::Finding;
use super::machine::Machine;
use super::question::{Bucket, PEER_PATIENCE, Question};
use crate::base::limits::{SHARED_LOG_MONITOR_BYTES_MAX, SHARED_LOG_PAYLOAD_BYTES_MIN};

/// Answers at `cluster` wait for this once at least.
const RTT_WANTED: Duration = Duration::from_millis(2);
/// The same where each of them waits for an object of a bucket.
const PUT_WANTED: Duration = Duration::from_millis(200);
/// The oldest version of a server that loses nothing acknowledged in the cases that are known.
const OLDEST: (u64, u64) = (2, 14);
/// Bytes of what a server says first.
const INFO_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn check(machine: &Machine, question: &Question) -> Vec<Finding> {
    const IDS: [&str; 3] = ["log.path", "log.servers", "log.sync"];
    if !machine.is_live() {
        return IDS.map(|id| Finding::skip(id, "a copy of files reaches nobody")).into();
    }
    if let Some(bucket) = &question.bucket {
        return of_bucket(IDS, bucket).into();
    }
    let [path, servers] = if question.log.is_empty() {
        [IDS[0], IDS[1]].map(|id| Finding::skip(id, "no log named; --log SERVER,..."))
    } else {
        let told: Vec<_> = question.log.iter().map(|server| (server.as_str(), ask(server))).collect();
        [way(IDS[0], &told), set(IDS[1], &told)]
    };
    let sync = match question.log_monitor.is_empty() {
        true => Finding::skip(IDS[2], "no monitoring named; --log-monitor ADDR,..."),
        false => synced(IDS[2], &question.log_monitor),
    };
    vec![path, servers, sync]
}

fn of_bucket(ids: [&'static str; 3], bucket: &Bucket) -> [Finding; 3] {
    let Bucket { place, put } = bucket;
    let sync = Finding::skip(ids[2], "a bucket has an object before it says so, and is not asked");
    match put {
        Ok(time) => {
            let current = format!("{time:.0?} to make an object in {place}");
            let path = match *time <= PUT_WANTED {
                true => Finding::pass(ids[0], current),
                false => Finding::warn(ids[0], current, "at most 200 ms"),
            };
            [path, Finding::pass(ids[1], format!("{place} compares before it puts")), sync]
        }
        Err(why) => [
            Finding::skip(ids[0], "it can't have a log"),
            Finding::fail(
                ids[1],
                why.clone(),
                "a bucket that compares before it puts, and lets this host in",
            ),
            sync,
        ],
    }
}

/// What a server says first, and how long it took to be reached.
type Told = io::Result<(Duration, Value)>;

fn connected(address: &str) -> io::Result<TcpStream> {
    let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(&address, PEER_PATIENCE)?;
    stream.set_read_timeout(Some(PEER_PATIENCE))?;
    Ok(stream)
}

/// Connects to a server; it says by itself what it is, with or without TLS.
fn ask(server: &str) -> Told {
    let begun = Instant::now();
    let stream = connected(server)?;
    let time = begun.elapsed();
    let mut line = Vec::new();
    BufReader::new(stream.take(INFO_BYTES_MAX)).read_until(b'\n', &mut line)?;
    let info = line.strip_prefix(b"INFO ").ok_or_else(|| io::Error::other("no server of NATS is there"))?;
    Ok((time, serde_json::from_slice(info)?))
}

fn way(id: &'static str, told: &[(&str, Told)]) -> Finding {
    if let Some((server, error)) = told.iter().find_map(|(server, told)| Some((server, told.as_ref().err()?)))
    {
        return Finding::fail(id, format!("{server}: {error}"), "reachable");
    }
    let slowest = told.iter().filter_map(|(_, told)| Some(told.as_ref().ok()?.0)).max().unwrap_or_default();
    let current = format!("at most {slowest:.0?} to connect to one of {}", told.len());
    match slowest <= RTT_WANTED && told.len() >= 3 {
        true => Finding::pass(id, current),
        false => Finding::warn(id, current, "three servers, at most 2 ms away"),
    }
}

fn set(id: &'static str, told: &[(&str, Told)]) -> Finding {
    let said: Vec<(&str, &Value)> =
        told.iter().filter_map(|(server, told)| Some((*server, &told.as_ref().ok()?.1))).collect();
    if said.is_empty() {
        return Finding::skip(id, "none of them answers");
    }
    if let Some((server, (current, wanted))) = said.iter().find_map(|(at, info)| Some((at, flaw(info)?))) {
        return Finding::fail(id, format!("{server}: {current}"), wanted);
    }
    let versions: Vec<&str> = said.iter().filter_map(|(_, info)| info["version"].as_str()).collect();
    Finding::pass(id, format!("NATS {}, with JetStream", versions.join(", ")))
}

/// Returns what is wrong with a server, and what is wanted.
fn flaw(info: &Value) -> Option<(String, String)> {
    let version = info["version"].as_str().unwrap_or_default();
    let mut numbers = version.split('.').map_while(|part| part.parse::<u64>().ok());
    let numbers = numbers.next().zip(numbers.next());
    let max_payload = info["max_payload"].as_u64().unwrap_or(0);
    if numbers.is_some_and(|numbers| numbers < OLDEST) {
        Some((format!("version {version}"), format!("{}.{} or later", OLDEST.0, OLDEST.1)))
    } else if info["jetstream"] != true {
        Some(("no JetStream".to_owned(), "jetstream { } in its configuration".to_owned()))
    } else if max_payload < SHARED_LOG_PAYLOAD_BYTES_MIN as u64 {
        Some((format!("max_payload {max_payload}"), "max_payload: 2MB".to_owned()))
    } else {
        None
    }
}

fn synced(id: &'static str, monitors: &[String]) -> Finding {
    for monitor in monitors {
        match config_of(monitor) {
            Err(error) => return Finding::fail(id, format!("{monitor}: {error}"), "reachable"),
            Ok(config) if config["sync_always"] != true => {
                return Finding::fail(
                    id,
                    format!("{monitor}: it acknowledges before it syncs"),
                    "sync_interval: always",
                );
            }
            Ok(_) => {}
        }
    }
    Finding::pass(id, format!("each of {} syncs before it acknowledges", monitors.len()))
}

/// Returns how a server's JetStream is configured.
fn config_of(monitor: &str) -> io::Result<Value> {
    let mut stream = connected(monitor)?;
    stream.write_all(format!("GET /jsz?config=1 HTTP/1.0\r\nHost: {monitor}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(SHARED_LOG_MONITOR_BYTES_MAX).read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer of HTTP"))?.1;
    Ok(serde_json::from_str::<Value>(body)?["config"].take())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_server_is_named_with_what_is_wanted() {
        let sound = json!({ "version": "2.15.1", "jetstream": true, "max_payload": 2_097_152 });
        assert_eq!(flaw(&sound), None);
        let but = |name: &str, value: Value| {
            let mut info = sound.clone();
            info[name] = value;
            flaw(&info).expect("a flaw").1
        };
        assert_eq!(but("version", "2.9.10".into()), "2.14 or later");
        assert_eq!(but("jetstream", false.into()), "jetstream { } in its configuration");
        assert_eq!(but("max_payload", 1_048_576.into()), "max_payload: 2MB");
    }
}
