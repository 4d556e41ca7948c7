//! `pixeld doctor`.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use super::{CliError, serve};
use crate::base::units;
use crate::config::effective::Config;
use crate::config::read::load;
use crate::config::shared_log;
use crate::config::sources::Sources;
use crate::doctor::machine::Machine;
use crate::doctor::profile::Profile;
use crate::doctor::question::{Bucket, Certificate, Guard, Question};
use crate::doctor::watch::Counters;
use crate::doctor::{examine, report};
use crate::engine::shared::key::KEY_NAME;
use crate::engine::shared::settings::{ListenerKind, SharedLogSettings};
use crate::engine::shared::tls::certificates::{CertificateError, Pair};
use crate::engine::shared::tls::examined::Examined;
use crate::os::output;
use pixeld_bench::client::tls::authorities_of_host;

/// Say what holds this machine back, and what to do about it; changes nothing
///
/// Looks at limits, processors, the network card and its interrupts, the network stack, what was dropped, the disk (with
/// 200 durable writes), the clock, the path to the peer or the log, security and the build. Works without root and says what
/// root would add.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Profile to check against: throughput, latency, dev or bench-unsafe
    #[arg(long, value_name = "NAME", default_value = "throughput", value_parser = profile)]
    profile: Profile,
    /// The network card [default: that of the default route]
    #[arg(long, value_name = "CARD")]
    nic: Option<String>,
    /// Where the journal is, or will be [default: where the server's configuration has it]
    #[arg(short, long, value_name = "DIR", env = "PIXELD_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The peer, to measure the way to it
    #[arg(long, value_name = "HOST:PORT")]
    peer: Option<String>,
    /// The servers of the log that many hosts share, to measure the way to them and check their settings; or its bucket, in which
    /// an object is made and removed
    #[arg(long, value_name = "SERVER,...", value_delimiter = ',', value_parser = server, env = "PIXELD_LOG")]
    log: Vec<String>,
    /// Monitoring addresses of those servers, to check whether they sync
    #[arg(long, value_name = "ADDR,...", value_delimiter = ',', env = "PIXELD_LOG_MONITOR")]
    log_monitor: Vec<String>,
    /// The server's configuration, to check who can reach it and what they may do [default: from the environment]
    #[arg(short, long, value_name = "FILE", env = "PIXELD_CONFIG")]
    config: Option<PathBuf>,
    /// Explain one check in full
    #[arg(long, value_name = "ID", conflicts_with_all = ["json", "fix_script", "watch"])]
    explain: Option<String>,
    /// Print the checks as JSON
    #[arg(long, conflicts_with_all = ["fix_script", "watch"])]
    json: bool,
    /// Print a shell script that would change what can be changed; it is not run
    #[arg(long, conflicts_with = "watch")]
    fix_script: bool,
    /// Watch the counters for this long, under load, and name the bottleneck
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    watch: Option<std::time::Duration>,
    /// Look at a copy of another machine's /proc and /sys below this directory
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

const AFTER: &str = "\
Exit: 0 nothing to do, 1 something costs speed (WARN), 2 something loses data or requests (FAIL).

Examples:
  pixeld doctor
  pixeld doctor --profile latency --nic eth0 --peer 10.0.0.2:8001
  pixeld doctor --log nats://a:4222,nats://b:4222,nats://c:4222 --log-monitor a:8222,b:8222,c:8222
  pixeld doctor --config /etc/pixeld/pixeld.toml
  pixeld doctor --explain net.core.somaxconn
  pixeld doctor --fix-script > fix.sh
  pixeld doctor --watch 10s                # while the load is on";

fn profile(text: &str) -> Result<Profile, String> {
    let names: Vec<&str> = Profile::NAMES.iter().map(|(name, _)| *name).collect();
    Profile::named(text).ok_or_else(|| format!("allowed is {}", names.join(", ")))
}

/// Reads a server of the log as the configuration does, without what stands before its address.
fn server(text: &str) -> Result<String, String> {
    let server = shared_log::server(text).ok_or_else(shared_log::servers_form)?;
    let address = server.split_once("://").filter(|(scheme, _)| *scheme != "s3").map(|(_, address)| address);
    Ok(address.unwrap_or(&server).to_owned())
}

/// Asks the bucket that has the log, if one has.
fn bucket(log: &[String]) -> Option<Bucket> {
    let place = SharedLogSettings { servers: log.to_vec(), ..SharedLogSettings::default() }.bucket()?;
    #[cfg(feature = "s3")]
    let put = crate::engine::shared_log::look(&place);
    #[cfg(not(feature = "s3"))]
    let put = Err("this build has no client for a bucket: build with `--features s3`".to_owned());
    Some(Bucket { place: place.to_string(), put })
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let ms = units::duration_ms(text).filter(|ms| (100..=3_600_000).contains(ms));
    ms.map(std::time::Duration::from_millis).ok_or_else(|| format!("{} of 100ms to 1h", units::DURATION_FORM))
}

/// Reads the server's configuration.
fn configuration(file: Option<PathBuf>) -> Result<Config, String> {
    let sources = Sources { flags: Vec::new(), environment: serve::environment(), file };
    load(&sources, 1).map_err(|errors| format!("the configuration is not sound: {errors}"))
}

/// Returns what it says of who may reach the server and do what.
fn guard(config: &Config) -> Guard {
    let all = config.listen.iter().chain(&config.admin_listen);
    let public: Vec<_> = all.filter(|listen| !listen.address.is_local()).collect();
    let certificates = examined(config.https.pairs());
    let clear = public.iter().filter(|listen| listen.kind == ListenerKind::Http);
    Guard {
        clear: clear.map(|listen| listen.address.to_string()).collect(),
        public: public.iter().map(|listen| listen.address.to_string()).collect(),
        tokens: config.access.tokens.as_deref().map(Into::into),
        is_open: config.access.open,
        unnamed: unnamed(&certificates, &config.access.hosts),
        certificates: certificates.into_iter().map(|(pair, found)| certificate(pair, found)).collect(),
        secrets: config.https.keys.clone(),
        host_key: KEY_NAME,
    }
}

type Found = (Pair, Result<Examined, CertificateError>);

fn examined(pairs: Vec<Pair>) -> Vec<Found> {
    let authorities = authorities_of_host();
    let examined = |pair| (Examined::open(&pair, &authorities), pair);
    pairs.into_iter().map(examined).map(|(found, pair)| (pair, found)).collect()
}

/// Returns the names that clients come by from elsewhere and that no certificate has.
fn unnamed(certificates: &[Found], hosts: &[Box<str>]) -> Vec<String> {
    let is_for = |host: &str| {
        certificates.iter().any(|(_, found)| found.as_ref().map_or(true, |found| found.is_for(host)))
    };
    let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
    let is_here = |host: &str| {
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let hosts = hosts.iter().map(|host| bare(host)).filter(|host| !is_here(host) && !is_for(host));
    hosts.filter(|_| !certificates.is_empty()).collect()
}

fn certificate(pair: Pair, found: Result<Examined, CertificateError>) -> Certificate {
    match found {
        Ok(Examined { until_s, days_left, mistrusted, .. }) => {
            Certificate::Usable { file: pair.certificate, until_s, days_left, mistrusted }
        }
        Err(CertificateError::Unreadable { path, source })
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            Certificate::Hidden(path)
        }
        Err(error) => Certificate::Unusable(error.to_string()),
    }
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        if let Some(id) = &self.explain {
            let text = report::explain(id).map_err(CliError::Usage)?;
            output::print(&text).map_err(CliError::Output)?;
            return Ok(ExitCode::SUCCESS);
        }
        if !self.root.is_dir() {
            return Err(CliError::Usage(format!(
                "--root {}: there is no such directory",
                self.root.display()
            )));
        }
        let machine = Machine::at(self.root);
        if let Some(name) = self.nic.as_deref().filter(|name| !machine.has_card(name)) {
            let cards = machine.names("sys/class/net").join(", ");
            return Err(CliError::Usage(format!("--nic {name}: there is no such card; there are: {cards}")));
        }
        if let Some(time) = self.watch {
            let (before, started) = (Counters::read(&machine), Instant::now());
            std::thread::sleep(time);
            let text = Counters::read(&machine).since(&before, started.elapsed()).render();
            output::print(&text).map_err(CliError::Output)?;
            return Ok(ExitCode::SUCCESS);
        }
        let is_named = self.config.is_some();
        let config = match configuration(self.config) {
            // Whoever names a file means it: without it half of the checks would say nothing.
            Err(errors) if is_named => return Err(CliError::Usage(errors)),
            config => config,
        };
        let configured = config.as_ref().ok().map(|config| config.settings.data_dir.clone());
        let guard = config.map(|config| guard(&config));
        let Self { profile, nic, peer, log, log_monitor, .. } = self;
        let data_dir = self.data_dir.or(configured).unwrap_or_else(|| "./pixeld-data".into());
        let bucket = bucket(&log);
        let question = Question { profile, nic, data_dir, peer, log, bucket, log_monitor, guard };
        let findings = examine(&machine, &question);
        let text = if self.json {
            format!("{:#}\n", report::document(&findings))
        } else if self.fix_script {
            report::script(&findings)
        } else {
            report::screen(&findings, machine.is_root())
        };
        output::print(&text).map_err(CliError::Output)?;
        Ok(ExitCode::from(report::exit_code(&findings)))
    }
}
