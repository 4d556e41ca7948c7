//! The process that decodes pictures: what it makes, what it can do to others, and what is left of it when it was ended.
//!
//! Builds with debug assertions know pictures that make a decoder panic, run for ever, eat memory or leave its cage.

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::skip::skip;
use image::{ImageFormat, RgbaImage};
use pixeld::apps::pictures::kind::Kind;
use pixeld::apps::pictures::size::Fit;
use pixeld::apps::pictures::thumbnail::{Fault, Order, thumbnail};
use pixeld::apps::pictures::thumbnailer::{Failure, Thumbnailer};
use pixeld::decoder::{Decoder, Settings};
use pixeld::os::cage;
use pixeld::os::thread::Turn;
use rustix::process::{Pid, Signal, kill_process};

const PIXELS_MAX: u64 = 50_000_000;
const ORDER: Order =
    Order { kind: Kind::Png, width: 100, height: 100, fit: Fit::Contain, pixels_max: PIXELS_MAX };
/// How long anything may take before a test gives up; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    let program = env!("CARGO_BIN_EXE_pixeld").into();
    // Not one that is replaced where the machine is busy: that has a test of its own.
    Settings { program, turn: Turn::Least, ..Settings::new(PIXELS_MAX, 10 << 20, PATIENCE) }
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbaImage::from_fn(width, height, |x, y| image::Rgba([x as u8, y as u8, 7, 255]));
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, ImageFormat::Png).expect("a picture");
    out.into_inner()
}

/// One whose thumbnail is made, by which a decoder is known to work.
fn makes_thumbnails(decoder: &mut Decoder) -> u32 {
    let picture = png(300, 200);
    let made = decoder.thumbnail(&&picture[..], &ORDER).expect("a thumbnail");
    assert!(made == thumbnail(&picture, &ORDER, &|| false).expect("a thumbnail"), "as in this process");
    decoder.pid().expect("it lives on")
}

fn pid(number: u32) -> Pid {
    i32::try_from(number).ok().and_then(Pid::from_raw).expect("a process number")
}

fn of_process(number: u32, what: &str) -> String {
    fs::read_to_string(format!("/proc/{number}/{what}")).expect("a process")
}

fn is_there(number: u32) -> bool {
    Path::new(&format!("/proc/{number}")).exists()
}

fn await_end(number: u32) {
    let began = Instant::now();
    // One that ended and was not waited for yet is not there any more either; its status can be had when its last thread is gone.
    let runs = |stat: &str| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'));
    let is_running = || {
        let threads = fs::read_dir(format!("/proc/{number}/task")).into_iter().flatten().flatten();
        let mut stats = threads.map(|thread| fs::read_to_string(thread.path().join("stat")));
        stats.any(|stat| stat.is_ok_and(|stat| runs(&stat)))
    };
    while is_running() {
        assert!(began.elapsed() < PATIENCE, "{number} is still there");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn one_process_makes_one_thumbnail_after_the_other() {
    let mut decoder = Decoder::new(settings());
    assert_eq!((decoder.pid(), decoder.started()), (None, 0), "none is started before there is a picture");
    let first = makes_thumbnails(&mut decoder);
    for kind in Kind::ALL {
        let made = decoder.thumbnail(&&png(386, 395)[..], &Order { kind, ..ORDER }).expect("a thumbnail");
        assert_eq!(Kind::of(&made), Some(kind));
    }
    for (picture, fault) in [
        (&b""[..], Fault::Corrupted),
        (b"no picture", Fault::Corrupted),
        (&png(300, 200)[..900], Fault::Corrupted),
    ] {
        let failure = decoder.thumbnail(&picture, &ORDER).expect_err("no picture");
        assert!(matches!(&failure, Failure::Picture(found) if *found == fault), "{failure}");
        assert!(failure.is_of_picture());
    }
    let small = Order { pixels_max: 300 * 200 - 1, ..ORDER };
    let failure = decoder.thumbnail(&&png(300, 200)[..], &small).expect_err("too large");
    assert_eq!(failure.to_string(), "The picture has more pixels than the 59999 that are decoded");
    assert_eq!((makes_thumbnails(&mut decoder), decoder.started()), (first, 1));
    drop(decoder);
    assert!(!is_there(first), "nothing is left of it, not even its status");
}

/// Number and file of each.
fn descriptors_of(process: u32) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd")).expect("a process") {
        let entry = entry.expect("a descriptor");
        // The one that lists them is closed again.
        if let Ok(leads_to) = fs::read_link(entry.path()) {
            found.push((entry.file_name().into_string().expect("a number"), leads_to.display().to_string()));
        }
    }
    found
}

#[test]
fn it_has_three_pipes_no_environment_and_little_of_everything() {
    let inherited = descriptors_of(std::process::id());
    let _listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let _file = fs::File::open("/proc/self/exe").expect("a file");
    let mut decoder = Decoder::new(settings());
    let number = makes_thumbnails(&mut decoder);
    let mut open = descriptors_of(number);
    // Its own memory it looks at, too.
    let statm = format!("/proc/{number}/statm");
    open.retain(|(_, leads_to)| !leads_to.starts_with("pipe:") && *leads_to != statm);
    // What this test itself was started with is nobody's secret.
    open.retain(|descriptor| !inherited.contains(descriptor));
    assert_eq!(open, [], "listeners, journal and files stay with the server");
    assert_eq!(of_process(number, "environ"), "");
    assert_eq!(of_process(number, "comm").trim_end(), "decoder");
    assert_eq!(fs::read_link(format!("/proc/{number}/cwd")).expect("a directory"), Path::new("/"));
    let limits = of_process(number, "limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let memory = settings().memory_bytes.to_string();
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    assert_eq!(limit("Max file size"), ["0", "0"]);
    assert_eq!(limit("Max open files"), ["8", "8"]);
    assert_eq!(limit("Max data size"), [&memory[..], &memory[..]]);
    assert_ne!(limit("Max address space")[1], "unlimited");
    let status = of_process(number, "status");
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.lines().any(|found| found == line), "{line}: {status}");
    }
    assert_eq!(scheduling_of(number), vec![("19".to_owned(), SCHED_OTHER.to_owned()); 2]);
}

const SCHED_OTHER: &str = "0";
const SCHED_IDLE: &str = "5";

/// Nice value and policy of each thread.
fn scheduling_of(process: u32) -> Vec<(String, String)> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("a process");
    threads
        .map(|thread| {
            let stat = fs::read_to_string(thread.expect("a thread").path().join("stat")).expect("a thread");
            let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
            (fields[16].to_owned(), fields[38].to_owned())
        })
        .collect()
}

#[test]
fn it_runs_when_nobody_else_does_and_one_that_gets_nothing_is_replaced() {
    if !cfg!(debug_assertions) {
        skip("a release build has no picture that keeps a decoder busy");
        return;
    }
    let idle = Settings { turn: Turn::Idle, patience: Duration::from_secs(2), ..settings() };
    let mut decoder = Decoder::new(idle);
    let number = makes_thumbnails(&mut decoder);
    if decoder.started() == 1 {
        assert!(scheduling_of(number).iter().all(|(_, policy)| policy == SCHED_IDLE));
    }
    // Somebody holds it still in the middle of a picture, which looks the same as a machine that has no time for it. The next
    // one is not held still, and gives the picture up for its CPU time.
    let stopper = std::thread::spawn(move || {
        let began = Instant::now();
        while is_there(number) {
            assert!(began.elapsed() < PATIENCE, "it is waited for");
            let _ = kill_process(pid(number), Signal::STOP);
            sleep(Duration::from_millis(20));
        }
        // The decoders of other tests are of that kind too.
        let of_self = fs::read_dir("/proc/self/task").expect("a process").flatten();
        let children = of_self.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        let all = children.collect::<String>();
        let policies = all.split_whitespace().filter_map(|child| child.parse().ok()).map(scheduling_of);
        policies.flatten().map(|(_, policy)| policy).collect::<Vec<_>>()
    });
    let failure = decoder.thumbnail(&&b"PIXELD-TEST loop"[..], &ORDER).expect_err("it never ends");
    assert!(matches!(failure, Failure::Killed { .. }), "{failure}");
    let policies = stopper.join().expect("no panic");
    assert!(policies.iter().all(|policy| policy == SCHED_OTHER), "{policies:?}");
    assert!(decoder.started() >= 2 && decoder.pid().is_none());
    makes_thumbnails(&mut decoder);
}

#[test]
fn a_picture_above_the_bound_of_its_start_gets_the_memory_it_needs() {
    // As small a bound as a server may be started with, which was raised while it ran.
    let mut decoder =
        Decoder::new(Settings { memory_bytes: 96 << 20, picture_bytes_max: 1 << 20, ..settings() });
    let first = makes_thumbnails(&mut decoder);
    let large = [png(300, 200), vec![0; 60 << 20]].concat();
    decoder.thumbnail(&&large[..], &ORDER).expect("what stands behind its end is passed over");
    assert_ne!(decoder.pid(), Some(first), "another one, with more memory");
    assert_eq!(decoder.started(), 2);
    makes_thumbnails(&mut decoder);
}

#[test]
fn a_panic_an_endless_loop_and_an_eater_of_memory_end_their_picture_only() {
    if !cfg!(debug_assertions) {
        skip("a release build has no pictures that make a decoder misbehave");
        return;
    }
    let mut decoder = Decoder::new(settings());
    let mut before = makes_thumbnails(&mut decoder);
    for (asked, how) in [("panic", "a test asked for it"), ("memory", "memory allocation of")] {
        let picture = format!("PIXELD-TEST {asked}");
        let failure = decoder.thumbnail(&picture.as_bytes(), &ORDER).expect_err("it died");
        assert!(matches!(failure, Failure::Died { .. }) && failure.is_of_picture(), "{failure}");
        let told = failure.to_string();
        assert!(told.contains(how) && !told.contains('\n'), "{told}");
        assert!(!is_there(before), "{asked}: its status was taken");
        assert_ne!(makes_thumbnails(&mut decoder), before);
        before = decoder.pid().expect("a new one");
    }
    let hasty =
        Settings { patience: Duration::from_millis(100), grace: Duration::from_millis(200), ..settings() };
    let mut decoder = Decoder::new(hasty);
    let failure = decoder.thumbnail(&&b"PIXELD-TEST loop"[..], &ORDER).expect_err("it never ends");
    assert!(matches!(failure, Failure::Killed { after } if after >= Duration::from_millis(300)), "{failure}");
    assert!(failure.is_of_picture());
    assert_eq!(decoder.pid(), None);
}

/// What reads the files of the server, opens a connection, starts something or kills is ended by the kernel.
#[test]
fn one_that_leaves_its_cage_is_ended_and_its_picture_with_it() {
    if !cfg!(debug_assertions) {
        skip("a release build has no pictures that make a decoder misbehave");
        return;
    }
    let made = Path::new("/tmp/pixeld-decoder");
    let mut decoder = Decoder::new(settings());
    for what in [
        "file",
        "new file",
        "list of files",
        "socket",
        "local socket",
        "process",
        "thread",
        "signal",
        "program",
    ] {
        let before = makes_thumbnails(&mut decoder);
        let picture = format!("PIXELD-TEST {what}");
        let failure = decoder.thumbnail(&picture.as_bytes(), &ORDER).expect_err("it died");
        assert_eq!(failure.to_string(), "the decoder died: it was ended by SIGSYS", "{what}");
        assert!(failure.is_of_picture() && !is_there(before), "{what}");
    }
    assert!(!made.exists());
    makes_thumbnails(&mut decoder);
}

#[test]
fn a_thread_without_files_keeps_what_is_open_and_opens_nothing_more() {
    let mut open = fs::File::open("/proc/self/statm").expect("a file");
    let is_enforced = std::thread::spawn(move || {
        if !cage::take_files_away().expect("no other refusal") {
            return false;
        }
        for path in ["/etc/passwd", "/proc/self/statm", "/dev/null"] {
            let error = fs::File::open(path).expect_err(path);
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{path}");
        }
        assert!(fs::create_dir(std::env::temp_dir().join("pixeld-cage")).is_err());
        open.read_exact(&mut [0]).expect("it is open");
        true
    });
    if !is_enforced.join().expect("no panic") {
        skip("this kernel has no Landlock");
    }
    // Other threads of this process, and its other tests, are not restricted.
    assert!(fs::File::open("/proc/self/statm").is_ok());
}

#[test]
fn one_that_is_killed_from_outside_fails_the_picture_it_is_at_and_no_other() {
    if !cfg!(debug_assertions) {
        skip("a release build has no picture that keeps a decoder busy");
        return;
    }
    let mut decoder = Decoder::new(settings());
    let idle = makes_thumbnails(&mut decoder);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR2] {
        kill_process(pid(idle), signal).expect("it is there");
    }
    assert_eq!(makes_thumbnails(&mut decoder), idle, "what tells a group of processes to end is not for it");
    kill_process(pid(idle), Signal::KILL).expect("it is there");
    await_end(idle);
    let busy = makes_thumbnails(&mut decoder);
    assert_ne!(busy, idle, "one that ended while it had nothing to do fails nothing");
    let killer = std::thread::spawn(move || {
        // It is at the picture once it has used some time.
        let began = Instant::now();
        let used = || of_process(busy, "stat").rsplit_once(") ").map(|(_, rest)| rest.to_owned());
        let ticks = |stat: String| stat.split(' ').nth(11).and_then(|ticks| ticks.parse::<u64>().ok());
        let at_first = used().and_then(ticks);
        while used().and_then(ticks) <= at_first.map(|ticks| ticks + 2) {
            assert!(began.elapsed() < PATIENCE);
            sleep(Duration::from_millis(5));
        }
        kill_process(pid(busy), Signal::KILL).expect("it is there");
    });
    let failure = decoder.thumbnail(&&b"PIXELD-TEST loop"[..], &ORDER).expect_err("it was killed");
    assert_eq!(failure.to_string(), "the decoder died: it was ended by SIGKILL");
    killer.join().expect("no panic");
    makes_thumbnails(&mut decoder);
    assert_eq!(decoder.started(), 3);
}

#[test]
fn what_cannot_be_started_or_read_is_not_the_pictures_fault() {
    let mut decoder = Decoder::new(Settings { program: "/nowhere".into(), ..settings() });
    let failure = decoder.thumbnail(&&b""[..], &ORDER).expect_err("no program");
    assert!(matches!(failure, Failure::NoDecoder(_)) && !failure.is_of_picture(), "{failure}");

    struct Unreadable;
    impl pixeld::log::blobs::store::BlobReader for Unreadable {
        fn size_bytes(&self) -> u64 {
            1 << 20
        }
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
            buffer.fill(1);
            if offset < 1 << 19 { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
        }
    }
    let mut decoder = Decoder::new(settings());
    let failure = decoder.thumbnail(&Unreadable, &ORDER).expect_err("half of it");
    assert!(matches!(failure, Failure::Unreadable(_)) && !failure.is_of_picture(), "{failure}");
    makes_thumbnails(&mut decoder);
}

/// One chunk of a PNG.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut check = flate2::Crc::new();
    check.update(name);
    check.update(content);
    [&(content.len() as u32).to_be_bytes()[..], name, content, &check.sum().to_be_bytes()].concat()
}

/// So many zeros, compressed.
fn zeros(mut bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let piece = vec![0; 1 << 20];
    while bytes > 0 {
        let length = piece.len().min(bytes);
        encoder.write_all(&piece[..length]).expect("memory");
        bytes -= length;
    }
    encoder.finish().expect("memory")
}

/// A PNG of black pixels, 8 bits for each of three channels, with `more` before the pixels.
fn black(width: u32, height: u32, pixels: &[u8], more: &[u8]) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let chunks = [chunk(b"IHDR", &head), more.to_vec(), chunk(b"IDAT", pixels), chunk(b"IEND", &[])];
    [&b"\x89PNG\r\n\x1A\n"[..], &chunks.concat()].concat()
}

#[test]
fn a_small_file_that_unpacks_to_much_costs_little() {
    let whole = black(7000, 7000, &zeros(7000 * (1 + 3 * 7000)), &[]);
    let profile = chunk(b"iCCP", &[b"x\0\0", &zeros(200 << 20)[..]].concat());
    let profiled = black(100, 100, &zeros(100 * 301), &profile);
    let long = black(900, 900, &zeros(400 << 20), &[]);
    let huge = black(60_000, 60_000, &zeros(1 << 20), &[]);
    for (name, picture, is_large) in [
        ("as many pixels as may be", &whole, false),
        ("a compressed profile", &profiled, false),
        ("more pixels than it says", &long, false),
        ("says that it is huge", &huge, true),
    ] {
        assert!(picture.len() < 2 << 20, "{name}: {}", picture.len());
        let mut decoder = Decoder::new(settings());
        let number = makes_thumbnails(&mut decoder);
        let result = decoder.thumbnail(&&picture[..], &ORDER);
        let too_large = matches!(&result, Err(Failure::Picture(Fault::TooLarge { .. })));
        assert_eq!(too_large, is_large, "{name}: {result:?}");
        assert_eq!(decoder.pid(), Some(number), "{name}: it took so little that it may stay");
        let status = of_process(number, "status");
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a figure");
        let most: u64 = most.trim_end_matches("kB").trim().parse().expect("a number");
        assert!(most < 64 << 10, "{name}: {most} KiB");
    }
}

/// The host of the test below: starts a decoder, tells its number, and stays in the middle of a picture.
#[test]
#[ignore = "no test: the host that the test below starts and kills"]
fn a_host_that_will_be_killed() {
    let mut decoder = Decoder::new(settings());
    println!("\nDECODER {}", makes_thumbnails(&mut decoder));
    if std::env::var_os("BUSY").is_some() {
        let _ = decoder.thumbnail(&&b"PIXELD-TEST loop"[..], &ORDER);
    }
    sleep(PATIENCE);
}

#[test]
fn a_decoder_goes_with_its_host_busy_or_idle() {
    for busy in [false, true] {
        if busy && !cfg!(debug_assertions) {
            continue;
        }
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--ignored", "--exact", "--nocapture", "decoder::a_host_that_will_be_killed"]);
        if busy {
            command.env("BUSY", "1");
        }
        let mut host = command.stdout(Stdio::piped()).spawn().expect("a process");
        let lines = BufReader::new(host.stdout.take().expect("a pipe")).lines();
        let line = lines.map_while(Result::ok).find(|line| line.starts_with("DECODER")).expect("a number");
        let decoder = line["DECODER ".len()..].parse().expect("a number");
        assert!(is_there(decoder));
        host.kill().expect("it is there");
        host.wait().expect("its end");
        await_end(decoder);
    }
}

/// Something between a drawing and a photograph.
fn scene(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut noise = 1_u32;
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (noise >> 28) as u8;
        let board = if (x / 40 + y / 40) % 2 == 1 { 60 } else { 0 };
        image::Rgb([(x * 180 / width) as u8 + grain, (y * 180 / height) as u8 + grain, board + grain])
    });
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).expect("a picture");
    out.into_inner()
}

/// Milliseconds of one call, the median of many.
fn median_ms(mut call: impl FnMut()) -> f64 {
    let mut times: Vec<Duration> = (0..31)
        .map(|_| {
            let began = Instant::now();
            call();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

#[test]
#[ignore = "a measurement: cargo test --test server what_a_process_costs -- --ignored --nocapture"]
fn what_a_process_costs() {
    let mut decoder = Decoder::new(settings());
    println!("picture | bytes | in this process, ms | by a decoder, ms | of these the pipes, ms");
    for (width, height) in [(590, 393), (2560, 1600)] {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let picture = scene(width, height, format);
            let here = median_ms(|| drop(thumbnail(&picture, &ORDER, &|| false).expect("a thumbnail")));
            let there = median_ms(|| drop(decoder.thumbnail(&&picture[..], &ORDER).expect("a thumbnail")));
            // As many bytes, of which the first ones are no picture's.
            let nothing = vec![0; picture.len()];
            let pipes = median_ms(|| drop(decoder.thumbnail(&&nothing[..], &ORDER).expect_err("no picture")));
            let bytes = picture.len();
            println!("{width} x {height} {format:?} | {bytes} | {here:.2} | {there:.2} | {pipes:.2}");
        }
    }
    let start = median_ms(|| {
        let mut fresh = Decoder::new(settings());
        drop(fresh.thumbnail(&&b""[..], &ORDER).expect_err("no picture"));
    });
    println!("a decoder started, asked and ended: {start:.2} ms");
}

#[test]
#[ignore = "a measurement: cargo test --test server what_the_largest_pictures_need -- --ignored --nocapture"]
fn what_the_largest_pictures_need() {
    println!("7000 x 7000 | bytes | ms | resident at most, MiB | writable at most, MiB");
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP]
    {
        let picture = scene(7000, 7000, format);
        let mut decoder = Decoder::new(settings());
        let number = makes_thumbnails(&mut decoder);
        let watcher = std::thread::spawn(move || {
            let (mut resident, mut data) = (0, 0);
            while let Ok(status) = fs::read_to_string(format!("/proc/{number}/status")) {
                let kib = |name: &str| {
                    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
                    line.trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0)
                };
                (resident, data) = (resident.max(kib("VmHWM:")), data.max(kib("VmData:")));
                sleep(Duration::from_millis(1));
            }
            (resident >> 10, data >> 10)
        });
        let began = Instant::now();
        let made =
            decoder.thumbnail(&&picture[..], &ORDER).map(|made| made.len()).map_err(|why| why.to_string());
        let took = began.elapsed().as_millis();
        drop(decoder);
        let (resident, data) = watcher.join().expect("no panic");
        println!("{format:?} | {} | {took} | {resident} | {data} | {made:?}", picture.len());
    }
}
