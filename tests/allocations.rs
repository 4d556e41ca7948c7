//! A usual pixel costs no allocation: the whole server runs in this process, under an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pixeld::apps::registry;
use pixeld::base::durability::Durability;
use pixeld::base::limits::SEGMENT_BYTES_MIN;
use pixeld::engine::lifecycle::server::Server;
use pixeld::engine::shared::settings::{Listen, Reserve, Settings};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it is; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from the system's allocator, since `alloc` has no other source.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DEPTH: usize = 16;
const REQUEST: &str = "POST /pixel HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n{\"x\":10,\"y\":20,\"channel\":\"R\",\"value\":128}";

/// Sends `rounds` pipelines and reads all answers, without allocating anything itself.
fn exchange(stream: &mut TcpStream, pipeline: &[u8], answers: &mut [u8], rounds: usize) {
    for _ in 0..rounds {
        stream.write_all(pipeline).expect("sent");
        stream.read_exact(answers).expect("answered");
    }
    assert!(answers.ends_with(br#"{"status":"ok"}"#));
}

fn allocations_of(durability: Durability) {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = Settings {
        steer: pixeld::engine::shared::steering::Steer::Off,
        listen: vec![Listen::new("127.0.0.1:0".parse().expect("an address"), "index")],
        durability,
        job_threads: 1,
        apps: registry::all().into_iter().filter(|app| app.name() == "pixel").collect(),
        empty_states: registry::new_applied,
        reserve: Reserve::Bytes(1 << 20),
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Settings::base(directory.path().to_path_buf())
    };
    let server = Server::start(settings).expect("a server");
    let mut stream = TcpStream::connect(server.addresses()[0]).expect("connected");
    let request = REQUEST;
    let pipeline = request.repeat(DEPTH);
    stream.write_all(request.as_bytes()).expect("sent");
    let mut first = [0; 1024];
    let length = stream.read(&mut first).expect("an answer");
    let mut answers = vec![0; length * DEPTH];
    // Buffers find their size, and the next segments are made.
    exchange(&mut stream, pipeline.as_bytes(), &mut answers, 2_000);
    let before = ALLOCATIONS.load(Relaxed);
    exchange(&mut stream, pipeline.as_bytes(), &mut answers, 2_000);
    let made = ALLOCATIONS.load(Relaxed) - before;
    // The keeper looks around and a segment may be rolled over meanwhile: some hundreds a second, whatever the requests. On a
    // slow machine that takes many seconds; one allocation for each request would be twice the bound at once.
    assert!(made < (2_000 * DEPTH / 2) as u64, "{made} allocations at {durability}");
    drop(stream);
    let _ = server.stop();
}

#[test]
fn a_usual_pixel_costs_no_allocation() {
    allocations_of(Durability::Memory);
    allocations_of(Durability::Disk);
}
