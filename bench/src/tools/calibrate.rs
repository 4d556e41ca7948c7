//! `bench calibrate`: the generator against the null responder. What it finds is the most that any later run can show.

use crate::client::target::Target;
use crate::driver::live::LiveLine;
use crate::driver::run::{Measured, Watch, run};
use crate::driver::server::ServerProbe;
use crate::scenario::pacer::Arrivals;
use crate::scenario::random::Random;
use crate::scenario::request::{Bodies, RequestForm, RequestWriter};
use crate::scenario::template::{PIXEL, Template};
use crate::scenario::{Load, Scenario};
use crate::tools::bootstrap::median;
use crate::tools::calibration::{Calibration, host};
use crate::tools::launch::{Launch, Launched};
use crate::tools::scratch::Scratch;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Depth at which the pipelined ceiling is found.
const DEPTH: usize = 16;
/// Requests written in a batch, and batches of which the quickest counts: it had the CPU to itself.
const WRITTEN: (u64, usize) = (10_000, 50);
/// Runs whose median counts.
const ROUNDS: usize = 3;

/// How the calibration is run.
#[derive(Clone, Debug)]
pub struct Calibrate {
    /// Connections, threads, pins and duration of each run.
    pub scenario: Scenario,
    /// CPUs of the null responder.
    pub server_cpus: Vec<usize>,
}

impl Calibrate {
    /// Starts a null responder on a free port and measures.
    ///
    /// # Errors
    /// Returns a sentence that names the next step.
    pub fn run(&self, stop: &Arc<AtomicBool>) -> Result<Calibration, String> {
        let port = free_port()?;
        let exe = std::env::current_exe().map_err(|error| error.to_string())?;
        let address = format!("127.0.0.1:{port}");
        let words = [&exe.display().to_string(), "bench", "null", "--listen", &address];
        let folder = Scratch::new()?;
        let launch = Launch {
            command: words.map(ToString::to_string).to_vec(),
            cpus: self.server_cpus.clone(),
            log: folder.path().join("output.log"),
            folder: None,
            variables: Vec::new(),
        };
        let target = Target::resolve(&format!("http://{address}"), None, "/pixel")?;
        let mut server = launch.start(&target)?;
        server.await_answer(&target, stop)?;
        let found = self.measure(&target, &server, stop)?;
        server.check_alive()?;
        Ok(found)
    }

    fn measure(
        &self,
        target: &Target,
        server: &Launched,
        stop: &Arc<AtomicBool>,
    ) -> Result<Calibration, String> {
        let probe = ServerProbe::of_group(server.group(), target, false);
        let form = RequestForm {
            path: target.path.clone(),
            host: target.host.clone(),
            ..self.scenario.form.clone()
        };
        let base = Scenario { target: target.clone(), form, load: Load::Closed, ..self.scenario.clone() };
        let measure = |scenario: &Scenario| -> Result<Measured, String> {
            let measured = run(
                scenario,
                &mut Watch {
                    server: &probe,
                    stop,
                    onlooker: &mut LiveLine::new(scenario),
                    abort_if: &|_, _| None,
                    on_start: &mut |_| {},
                },
            )?;
            // A run that was cut off says nothing about what the generator can do.
            if stop.load(Ordering::Relaxed) {
                return Err("interrupted; nothing was kept".into());
            }
            if measured.total.answers_in_time == 0 {
                return Err(
                    "the null responder gave no answer; try again when the host has a CPU to spare".into()
                );
            }
            Ok(measured)
        };
        let rounds = |scenario: &Scenario| -> Result<(f64, f64), String> {
            let runs: Vec<Measured> = (0..ROUNDS).map(|_| measure(scenario)).collect::<Result<_, _>>()?;
            let rates: Vec<f64> = runs.iter().map(Measured::rate).collect();
            let costs: Vec<f64> = runs.iter().filter_map(Measured::client_cpu_ns_per_request).collect();
            Ok((median(&rates), median(&costs)))
        };
        let floor = measure(&Scenario { connections: 1, threads: 1, pipeline: 1, ..base.clone() })?;
        let (rate, cpu_ns) = rounds(&Scenario { pipeline: 1, ..base.clone() })?;
        let (rate_pipelined, cpu_ns_pipelined) = rounds(&Scenario { pipeline: DEPTH, ..base.clone() })?;
        let load = Load::Open { rate: rate / 2.0, arrivals: Arrivals::Constant };
        let paced = measure(&Scenario { pipeline: 1, load, ..base })?;
        let (body_ns, request_ns) = writing_ns(&self.scenario.form)?;
        Ok(Calibration {
            host: host(),
            body_ns,
            request_ns,
            floor_ns: floor.total.latency.value_at_quantile(0.5),
            rate,
            rate_pipelined,
            cpu_ns,
            cpu_ns_pipelined,
            pacing_p50_ns: paced.total.lag.value_at_quantile(0.5),
            pacing_p99_ns: paced.total.lag.value_at_quantile(0.99),
        })
    }
}

/// Returns what one body of the usual template takes, and a whole request with it; nanoseconds.
fn writing_ns(form: &RequestForm) -> Result<(f64, f64), String> {
    let template = Template::compile(PIXEL).map_err(|error| error.to_string())?;
    let form = RequestForm { bodies: Bodies::One(template.clone()), ..form.clone() };
    let (mut random, mut writer) = (Random::new(1), RequestWriter::new(form, 1));
    let body_ns = quickest_ns(|number, out| template.write(number, &mut random, out));
    Ok((body_ns, quickest_ns(|number, out| writer.write(number, out))))
}

fn quickest_ns(mut write: impl FnMut(u64, &mut Vec<u8>)) -> f64 {
    let (written, batches) = WRITTEN;
    let mut out = Vec::with_capacity(4_096);
    let mut batch = || {
        let start = Instant::now();
        for number in 0..written {
            out.clear();
            write(black_box(number), &mut out);
            black_box(&out);
        }
        start.elapsed().as_nanos() as f64 / written as f64
    };
    (0..batches).map(|_| batch()).fold(f64::MAX, f64::min)
}

fn free_port() -> Result<u16, String> {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port: {error}"))
}
