//! Blobs in a bucket, on a real server of S3's protocol: moto (PyPI), which each test starts for itself.
//!
//! ```text
//! pip install 'moto[server,s3]'
//! cargo test --features s3 --test bucket
//! ```

#![cfg(feature = "s3")]

#[path = "support/board/mod.rs"]
mod board;
#[path = "support/process/mod.rs"]
mod process;
#[path = "support/bucket/mod.rs"]
mod served;
#[path = "support/skip.rs"]
mod skip;

#[path = "bucket/backup.rs"]
mod backup;

use std::io::ErrorKind;
use std::process::Command;
use std::sync::Arc;

use board::{blob_files, large, post};
use pixeld::base::blob::BlobId;
use pixeld::base::ids::NodeId;
use pixeld::engine::bucket::BucketStore;
use pixeld::log::blobs::store::BlobStore;
use pixeld::log::blobs::{Blobs, id_of};
use pixeld::os::files::RealDisk;
use process::client::{Client, plain};
use process::pair::{Pair, await_that};
use process::{ANY_PORT, Server};
use served::Bucket;

const STORE: [&str; 4] = ["--apps", "board,pixel", "--blobs-store", "s3://pictures/test"];

fn noise(seed: u32, bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|at| ((at ^ seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// The store by itself. It reads the environment, so a further process is it that has the variables.
#[test]
fn the_store_keeps_what_it_is_given() {
    if std::env::var_os("INNER").is_some() {
        return the_store_by_itself();
    }
    let Some(bucket) = Bucket::start() else { return };
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "the_store_keeps_what_it_is_given", "--nocapture"]).env("INNER", "1");
    let status = command.envs(bucket.variables()).status().expect("a process");
    assert!(status.success());
}

fn the_store_by_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(RealDisk::open(directory.path()).expect("a directory"));
    let store = |node| BucketStore::new("pictures", "a/b", NodeId(node), disk.clone()).expect("a store");
    let blobs = Arc::new(Blobs::new(Box::new(store(1))));
    // Nothing, a little, one part exactly, some parts.
    let mut kept: Vec<(BlobId, Vec<u8>)> = Vec::new();
    for bytes in [0, 1, 300_000, 8 << 20, (20 << 20) + 77] {
        let content = noise(bytes as u32, bytes);
        let mut writer = blobs.writer().expect("a writer");
        content.chunks(100_000).for_each(|piece| writer.write(piece).expect("written"));
        assert!(writer.read_back().expect("a file") == content);
        let pin = writer.finish().expect("uploaded");
        assert_eq!(pin.id(), id_of(&content));
        kept.push((pin.id(), content));
    }
    assert!(blob_files(directory.path()).is_empty(), "nothing stays on this host");
    for (id, content) in &kept {
        assert!(blobs.read(id).expect("there") == *content);
        let reader = blobs.open(id).expect("there");
        assert_eq!(reader.size_bytes(), content.len() as u64);
        let mut piece = [0; 1000];
        for at in [0, 5, content.len().saturating_sub(1000), content.len() / 2] {
            match content.get(at..at + 1000) {
                Some(expected) => {
                    reader.read_at(&mut piece, at as u64).expect("there");
                    assert!(piece == *expected);
                }
                None => {
                    let error = reader.read_at(&mut piece, at as u64).expect_err("behind its end");
                    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                }
            }
        }
    }
    let mut names: Vec<BlobId> = kept.iter().map(|(id, _)| *id).collect();
    let listed = |blobs: &Blobs| {
        let mut listed = blobs.list().expect("a list");
        listed.sort_unstable();
        listed
    };
    names.sort_unstable();
    assert_eq!(listed(&blobs), names);
    // Another host of the same bucket sees nothing of it, and removes nothing of it.
    let other = Arc::new(Blobs::new(Box::new(store(2))));
    assert_eq!(listed(&other), []);
    drop(other.keep(&kept[2].1).expect("uploaded"));
    assert_eq!(other.find_leftovers(Ok).expect("listed"), 1);
    assert_eq!(other.remove(other.take_leftovers(), |_| false).expect("removed"), (1, Vec::new()));
    assert_eq!(listed(&blobs), names);

    let unknown = id_of(b"nobody wrote this");
    assert_eq!(blobs.open(&unknown).err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    assert!(!store(1).remove(&unknown).expect("a call"));
    // A writer that is dropped, and one whose process is gone.
    let mut writer = blobs.writer().expect("a writer");
    writer.write(b"half").expect("written");
    drop(writer);
    blobs.clear_abandoned().expect("removed");
    std::mem::forget(store(1).begin().expect("a file"));
    assert_eq!(blobs.remove_unfinished().expect("removed"), 1);
    blobs.find_leftovers(|all| Ok(all.into_iter().filter(|id| *id != names[0]).collect())).expect("listed");
    let removed = blobs.remove(blobs.take_leftovers(), |_| false).expect("removed");
    assert_eq!(removed, (names.len() as u64 - 1, Vec::new()));
    assert_eq!(listed(&blobs), [names[0]]);
}

fn newest(client: &mut Client) -> Vec<String> {
    let messages = client.send(plain("GET", "/readMessages")).answer().json();
    let messages = messages.as_array().expect("a list").iter();
    messages.map(|message| message["image_url"].as_str().expect("an address").to_owned()).collect()
}

#[test]
fn the_board_keeps_its_pictures_in_a_bucket() {
    let Some(bucket) = Bucket::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    // Begun with files, which move.
    let server = Server::start(ANY_PORT, directory.path(), &STORE[..2]);
    let small = large(1, 2_000);
    assert_eq!(post(&mut server.connect(), "x", "a.png", &small).status, 200);
    assert_eq!(blob_files(directory.path()).len(), 1);
    drop(server);
    let mut server = bucket.serve(directory.path(), &STORE);
    assert_eq!((blob_files(directory.path()).len(), bucket.objects().len()), (0, 1));
    let mut client = server.connect();
    let huge = large(2, 9_500_000);
    assert_eq!(post(&mut client, "x", "b.png", &huge).status, 200);
    server.kill();
    let mut server = bucket.serve(directory.path(), &STORE);
    let mut client = server.connect();
    let urls = newest(&mut client);
    for (url, content) in urls.iter().zip([&huge, &small]) {
        let answer = client.send(plain("GET", url)).answer();
        assert!(answer.status == 200 && answer.body == *content, "{url}: {}", answer.head);
        let request = format!("GET {url} HTTP/1.1\r\nHost: x\r\nRange: bytes=1000-1999\r\n\r\n");
        let answer = client.send(request).answer();
        assert!(answer.status == 206 && answer.body == content[1000..2000], "{}", answer.head);
    }
    let id = client.send(plain("GET", "/readMessages")).answer().json()[0]["id"].to_string();
    assert_eq!(client.send(plain("DELETE", &format!("/messages/{id}"))).answer().status, 204);
    await_that("the object to go", || bucket.objects(), |objects| objects.len() == 1);

    // Without its bucket it reads its records, takes no pictures, and says so.
    drop(bucket);
    let refused = post(&mut client, "x", "c.png", &large(3, 3_000));
    assert_eq!(refused.status, 500, "{}", refused.text());
    assert!(refused.text().contains("nothing was stored"), "{}", refused.text());
    assert_eq!(newest(&mut client).len(), 1);
    assert_ne!(client.send(plain("GET", &urls[1])).answer().status, 200);
    server.kill();
}

/// Both hold the same records and have one bucket. What one removes, or sweeps away at its start, is its own.
#[test]
fn two_hosts_share_a_bucket_and_take_nothing_from_each_other() {
    let Some(bucket) = Bucket::start() else { return };
    let pair = Pair::found();
    let start = |host: &process::pair::Host, peer: &process::pair::Host| {
        let (listen, dial) = (host.peer_listen.to_string(), peer.peer_listen.to_string());
        let link = ["--peer-listen", &listen, "--peer", &dial, "--peer-key", &peer.key];
        Server::start_in(&bucket.variables(), host.address, &host.data_dir, &[&link[..], &STORE].concat())
    };
    let (a, mut b) = (start(&pair.a, &pair.b), start(&pair.b, &pair.a));
    process::pair::await_connected(&a);
    let content = large(7, 100_000);
    assert_eq!(post(&mut a.connect(), "first", "a.png", &content).status, 200);
    let urls = await_that("the post", || newest(&mut b.connect()), |urls| urls.len() == 1);
    assert_eq!(bucket.objects().len(), 2, "one for each host");
    // B is away with a record that names the picture, while A forgets it, starts again and sweeps.
    b.kill();
    let id = a.connect().send(plain("GET", "/readMessages")).answer().json()[0]["id"].to_string();
    assert_eq!(a.connect().send(plain("DELETE", &format!("/messages/{id}"))).answer().status, 204);
    await_that("A's to go", || bucket.objects(), |objects| objects.len() == 1);
    drop(a);
    let a = start(&pair.a, &pair.b);
    assert_eq!(bucket.objects().len(), 1, "B's is still there");
    drop(a);
    let b = start(&pair.b, &pair.a);
    assert!(b.connect().send(plain("GET", &urls[0])).answer().body == content, "B does not know of it yet");
    // Somebody posts the same picture there before B hears of the delete: it stays.
    assert_eq!(post(&mut b.connect(), "second", "b.png", &content).status, 200);
    let a = start(&pair.a, &pair.b);
    for host in [&a, &b] {
        let is_second = |left: &Vec<String>| left.len() == 1 && left[0] != urls[0];
        let left = await_that("the second post", || newest(&mut host.connect()), is_second);
        let ask = || host.connect().send(plain("GET", &left[0])).answer();
        assert!(await_that("the picture", ask, |answer| answer.status == 200).body == content);
    }
    assert_eq!(bucket.objects().len(), 2);
}
