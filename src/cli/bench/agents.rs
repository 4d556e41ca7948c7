//! Several generators as one: `pixeld bench agent`, and the arguments of the one that directs agents.

use super::ending::Stop;
use crate::base::fingerprint;
use crate::cli::interrupt::stop_on_interrupt;
use crate::os::output;
use pixeld_bench::agent::crew::Agents;
use pixeld_bench::agent::keys::{AgentKey, Fingerprint, Pins};
use pixeld_bench::agent::limits::PORT;
use pixeld_bench::agent::serve::{Agent, BindError};
use pixeld_bench::agent::token::Token;
use pixeld_bench::scenario::Scenario;
use pixeld_bench::tools::exit::Exit;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// The variable that has the token itself: a command line is for everybody to see.
const TOKEN_VARIABLE: &str = "PIXELD_BENCH_TOKEN";

/// Send load from here when a `pixeld bench --agents` elsewhere says so
///
/// Several agents and the one that directs them are one generator: connections, rate and requests are divided, the start is
/// common, and the report is one. An agent runs what the command line of its master says and nothing else: it reads and writes
/// no file for it and starts no program. One master at a time directs it; when that one has gone, the load ends.
#[derive(Debug, clap::Args)]
#[command(after_help = AGENT_EXAMPLES)]
pub(super) struct AgentArguments {
    /// Address to listen on; what others can reach needs a token
    #[arg(short, long, value_name = "ADDR", default_value_t = SocketAddr::from(([127, 0, 0, 1], PORT)))]
    listen: SocketAddr,
    /// File with the token that masters must have; PIXELD_BENCH_TOKEN has the token itself
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// This agent's private key, PEM, for masters that pin it (--agent-key) [default: a new one for each start]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

const AGENT_EXAMPLES: &str = "\
Examples:
  openssl rand -hex 32 > token                                   # the same file on all hosts
  pixeld bench agent --listen 10.0.0.1:8098 --token-file token   # on each host that is to send load
  pixeld bench http://10.0.0.9:8000 --agents 10.0.0.1,10.0.0.2 --token-file token -c 256 -r 200k";

/// Who sends the load, when it is not this process.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AgentsArguments {
    /// Divide the load among these agents, such as 10.0.0.1,10.0.0.2:9000; each is a `pixeld bench agent`
    #[arg(long, value_name = "HOST,...", value_delimiter = ',', value_parser = address, help_heading = "Agents")]
    agents: Vec<String>,
    /// File with the token of the agents; PIXELD_BENCH_TOKEN has the token itself
    #[arg(long, value_name = "FILE", requires = "agents", help_heading = "Agents")]
    token_file: Option<PathBuf>,
    /// Public key that agents may show, repeatable; `pixeld bench agent` prints it [default: any, with the token]
    #[arg(long, value_name = "sha256:HEX", requires = "agents", value_parser = pinned, help_heading = "Agents")]
    agent_key: Vec<[u8; 32]>,
}

/// Reads a host with or without a port, and returns it with one.
fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, PORT).to_string());
    }
    let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_host =
        !host.is_empty() && !host.contains([' ', '/', '@']) && (!host.contains(':') || host.starts_with('['));
    match port.map(str::parse::<u16>) {
        None if is_host => Ok(format!("{host}:{PORT}")),
        Some(Ok(1..)) if is_host => Ok(text.to_string()),
        _ => Err(format!("`{text}` is no host; write for example 10.0.0.1 or 10.0.0.1:{PORT}")),
    }
}

fn pinned(text: &str) -> Result<[u8; 32], String> {
    let key: Result<fingerprint::Fingerprint, _> = text.parse();
    key.map(|key| key.0).map_err(|_| {
        "a key is written sha256: and 64 hexadecimal digits, as `pixeld bench agent` prints it".to_string()
    })
}

/// Reads the token from its file, or else from the environment.
fn token(file: Option<&Path>) -> Result<Option<Token>, String> {
    match (file, std::env::var(TOKEN_VARIABLE)) {
        (Some(file), _) => Token::read(file).map(Some),
        (None, Ok(text)) => Token::new(&text).map(Some).map_err(|error| format!("{TOKEN_VARIABLE}: {error}")),
        (None, Err(_)) => Ok(None),
    }
}

impl AgentsArguments {
    /// Returns whether others send the load.
    pub(super) fn are_given(&self) -> bool {
        !self.agents.is_empty()
    }

    /// Returns the agents that are to run a scenario, in so many threads if that is set; nothing if this process runs it.
    pub(super) fn agents(
        &self,
        scenario: &Scenario,
        threads: Option<usize>,
        has_unix: bool,
    ) -> Result<Option<Agents>, String> {
        if !self.are_given() {
            return Ok(None);
        }
        if has_unix {
            return Err(
                "--unix is a path of this host, which agents can't reach; leave it or --agents out".into()
            );
        }
        let agents = Agents {
            addresses: self.agents.clone(),
            token: token(self.token_file.as_deref())?,
            pins: Pins::new(self.agent_key.iter().map(|key| Fingerprint(*key)).collect())?,
            threads,
        };
        agents.check(scenario)?;
        Ok(Some(agents))
    }
}

impl AgentArguments {
    pub(super) fn run(&self) -> Result<Exit, Stop> {
        let token = token(self.token_file.as_deref()).map_err(Stop::Usage)?;
        let key = match &self.key_file {
            Some(file) => AgentKey::read(file).map_err(Stop::Usage)?,
            None => AgentKey::make().map_err(Stop::Failed)?,
        };
        let fingerprint = key.fingerprint();
        let agent = Agent::bind(self.listen, key, token).map_err(|error| match error {
            BindError::NoToken(_) => Stop::Usage(error.to_string()),
            BindError::System(..) => Stop::Failed(error.to_string()),
        })?;
        let address = agent.address().map_err(|error| Stop::Failed(error.to_string()))?;
        output::print(&format!("listening on {address}, key {fingerprint}\n")).map_err(Stop::Output)?;
        agent.run(&stop_on_interrupt());
        Ok(Exit::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_by_table() {
        for (text, full) in [
            ("10.0.0.1", "10.0.0.1:8098"),
            ("10.0.0.1:9000", "10.0.0.1:9000"),
            ("a.example", "a.example:8098"),
            ("a:1", "a:1"),
            ("::1", "[::1]:8098"),
            ("[::1]", "[::1]:8098"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(address(text).as_deref(), Ok(full), "{text}");
        }
        for text in ["", ":1", "a:", "a:0", "a:x", "http://a", "u@a", "a b", "a:1:2"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
