//! From the configuration to what the engine is started with.

use super::effective::{self as config, Config};
use super::peer::Peer;
use crate::apps::declaration::Tools;
use crate::apps::registry;
use crate::engine::shared::settings::{Listen, ListenerKind, PeerSettings, Settings, SharedLogSettings};
use crate::os::address::{Address, Unresolved};

/// Returns the engine's settings; `cores` are those that this process may use, for a configuration that names none. Looks up
/// the names that are listened on; the peer's is looked up whenever it is dialed.
///
/// # Errors
/// Fails for a name of this host's own that has no address, which may come with the network.
pub fn of(config: &Config, cores: Vec<usize>, tools: &Tools) -> Result<Settings, Unresolved> {
    let has_admin = !config.admin_listen.is_empty();
    let listen = |is_public: bool| {
        move |of: &config::Listen| {
            let address = of.address.resolve()?;
            Ok(Listen { address, root: of.root, kind: of.kind, is_public, is_announced: of.is_announced })
        }
    };
    let redirect = |address: &Address| {
        let kind = ListenerKind::Redirect;
        Ok(Listen { kind, is_public: has_admin, ..Listen::new(address.resolve()?, config::INDEX) })
    };
    let mut settings = config.settings.clone();
    settings.listen = config
        .listen
        .iter()
        .map(listen(has_admin))
        .chain(config.admin_listen.iter().map(listen(false)))
        .chain(config.https.redirect.iter().map(redirect))
        .collect::<Result<_, _>>()?;
    settings.peer = peer(&config.peer)?;
    settings.shared_log = shared_log(config);
    settings.apps = registry::with(&config.apps, &config.values, tools);
    settings.empty_states = registry::new_applied;
    if settings.cores.is_empty() {
        settings.cores = cores;
    }
    Ok(settings)
}

fn peer(peer: &Peer) -> Result<Option<PeerSettings>, Unresolved> {
    let listen = peer.listen.as_ref().map(Address::resolve).transpose()?;
    Ok(peer.is_there().then(|| PeerSettings {
        listen,
        dial: peer.dial.clone(),
        trust: peer.trust(),
        retention: peer.retention,
    }))
}

fn shared_log(config: &Config) -> Option<SharedLogSettings> {
    let log = SharedLogSettings { retention: config.peer.retention, ..config.shared_log.clone() };
    (!log.servers.is_empty()).then_some(log)
}
